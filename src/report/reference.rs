//! The reference of events: each key with what it says. `fields` makes the events themselves.

/// The keys of an utterance's event, each with what it says.
pub const UTTERANCE: [(&str, &str); 24] = [
    ("utterance", "Its number since the start, from 1; 0 if it never had one."),
    ("time", "Seconds since 1970."),
    ("verdict", "\"accepted\" or \"rejected\"."),
    ("reason", "Why it was rejected, in words; `null` if it was not."),
    (
        "rule",
        "The same in a word: no-speech (nobody spoke), no-sentence, ambiguous (two sentences fit about equally well), unlike (the log-odds are too low), goes-on (the speech goes on after the sentence), gave-up, too-late, state (an output is not as `requires` says), unconfirmed (it waits for a yes), unasked (a yes or no that nobody waits for), lost.",
    ),
    ("command", "The name of the command that is carried out; `null` if none is."),
    ("sentence", "The sentence of that command."),
    ("slots", "What its slots hold."),
    ("log_odds", "Log-odds that a person said the nearest sentence, in nats: 0 is even odds, 2.2 is nine to one."),
    ("confidence", "The probability that they stand for, 0 to 1."),
    ("needed", "The log-odds that are needed: the logarithm of `wrong_costs`."),
    ("features", "What the log-odds are made of, each by its name."),
    ("nearest", "The sentence that the sound supports best, whatever was decided."),
    ("runner_up", "The best one that would do something else; `null` if none was found near."),
    ("text", "What Whisper writes when it may write anything."),
    ("no_speech", "Whisper's probability that nobody spoke, 0 to 1."),
    ("duration_ms", "Length of the recording."),
    ("speech_ms", "How much of it is speech."),
    ("dbfs", "Its level."),
    ("calls", "Calls of the decoder."),
    ("ms", "What the decision took: `mel`, `encode`, `search`, `total`."),
    (
        "outputs",
        "What was switched: `output`, `pin`, `state`, `level` in percent for a dimmed one, `later` if its limits make it wait, or `error`.",
    ),
    ("latency_ms", "From the end of the speech until all was switched, or decided."),
    (
        "scratch",
        "How full scratch was: `used`, `high_water`, `capacity` in bytes, `recordings`, `written`, `deletions_failed`.",
    ),
];

/// The other events, each with its keys and when it comes.
pub const OTHERS: [(&str, &str); 6] = [
    (
        "microphone, time, rate, reason",
        "The microphone came (\"open\"), went (\"lost\"), or delivered nothing but zeros for a minute (\"zeros\").",
    ),
    (
        "button, time, command, outputs",
        "A button was pressed. With `rule` and `reason` if its command was refused, as while `requires` is not met.",
    ),
    (
        "origin, time, command, outputs",
        "A program asked for a command, or for an output: then `command` is `null`. `origin` is \"mqtt\" or \"wyoming\". With `rule` and `reason` if it was refused.",
    ),
    (
        "task, time, command, of_utterance, outcome, reason, attempts, took_ms",
        "A task (\"run\", \"post\" or \"publish\") of a command has ended: `outcome` is done, failed, timed-out, busy (the one before is still under way), dropped (too many wait) or stopped. `of_utterance` is `null` after a press.",
    ),
    (
        "confirm, time, command, of_utterance",
        "A command with `confirm` is \"waiting\", \"confirmed\", \"cancelled\" or \"expired\". It comes before the event of the utterance; for \"expired\" `of_utterance` is `null`.",
    ),
    ("events_dropped, time", "So many events before this one could not be written, as on a full disk."),
];

/// The reference page of all events, in Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Events\n\n`hearken run --events FILE`, `-` or `unix:PATH` gives one JSON object a line for each utterance, and for whatever else\n\
         happens. This page is made from the program (`make pages`). A file that has grown to 8 MiB becomes `FILE.1`, and a new one is\n\
         begun. An event is written whole or not at all. `hearken decide --json` prints the keys from `verdict` to `ms`, and `file`.\n\n\
         ## An utterance\n\n| key | meaning |\n|---|---|\n",
    );
    UTTERANCE.iter().for_each(|(key, about)| page += &format!("| `{key}` | {about} |\n"));
    page += "\nFrom `text` to `ms` the keys are missing where nothing was heard, as for a recording that was lost.\n\n\
             ## Other events\n\n| keys | when |\n|---|---|\n";
    OTHERS.iter().for_each(|(keys, about)| page += &format!("| {keys} | {about} |\n"));
    page
}
