//! `hearken calibrate --config FILE DIR`

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::eval::{decide, evaluator, progress};
use crate::act::command::Command;
use crate::audio::{SAMPLE_RATE, file};
use crate::config::{self, ConfigError, Settings, edit};
use crate::daemon::error::Error;
use crate::decide::thresholds::Thresholds;
use crate::measure::calibrate::{self, Data, ErrorCounts, LEAST, MOST};
use crate::measure::eval::expected::{Case, Expected, cases, warnings};
use crate::measure::eval::summary::{estimate, percent, three_digits};
use crate::measure::eval::{Clip, Condition};

/// The arguments of `hearken calibrate`.
#[derive(clap::Args)]
#[command(
    after_help = "DIR is as for `hearken eval`: WAV files of sentences, and of other sound that is to be refused. For a limit of one
false accept an hour 3.0 hours of other sound are needed, for 0.1 an hour 30 hours. Television, radio and talk are good. A file
may have an hour and 512 MiB.

The command sets thresholds.offset and [thresholds.offsets] in FILE: the numbers that are added to the log-odds of every
sentence, or of the sentences of single commands. Nothing else in FILE is changed. A command gets an offset of its own if at
least 20 recordings of it are recognized correctly and that offset makes fewer errors; a command with fewer recordings keeps
its offset. Nothing is written if there are too few data, or if no offset keeps the limit.
Exit codes: 0 the offsets are set, or were correct already; 1 nothing is set."
)]
pub struct Arguments {
    #[command(flatten)]
    config: super::ConfigOption,
    /// Most false accepts in an hour of other sound, with 95 % confidence
    #[arg(long, value_name = "RATE", default_value = "0.1", value_parser = hourly)]
    false_accepts_per_hour: f64,
    /// Print the result and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// The folder with WAV files, or with folders of them
    dir: PathBuf,
}

fn hourly(text: &str) -> Result<f64, String> {
    let within = |rate: &f64| (0.001..=10_000.0).contains(rate);
    text.parse().ok().filter(within).ok_or("a number from 0.001 to 10000 is needed".into())
}

/// The text of a configuration and the settings in it.
struct Read {
    text: String,
    settings: Settings,
}

/// The result of a calibration.
struct Calibrated {
    before: Thresholds,
    after: Read,
    data: Data,
}

impl Calibrated {
    /// Whether any threshold changes. Writing out a default value is no change.
    fn changes(&self) -> bool {
        self.before != self.after.settings.thresholds
    }
}

/// Chooses thresholds by the WAV files under the folder, prints the trade-off and writes them into the configuration.
pub fn calibrate(arguments: &Arguments) -> Result<(), Error> {
    let before = config::read_text(&arguments.config.file)?;
    let settings = parse(arguments, &before)?;
    let mut cases =
        cases(&arguments.dir, &settings.commands).map_err(|faults| Error::Evaluation(faults.to_string()))?;
    for warning in warnings(&cases, &settings.commands, &settings.grammar) {
        writeln!(io::stderr(), "{warning}")?;
    }
    with_thresholds(arguments, &before, &settings.thresholds, &settings.commands)?;
    enough(arguments, &cases)?;
    let data = Data::of(&decided(settings, &mut cases)?);
    let calibrated = settle(arguments, &before, data)?;
    let target = arguments.false_accepts_per_hour;
    let held_out = calibrate::cross_validated(&calibrated.data, target, &calibrated.before);
    let mut out = io::stdout();
    if !arguments.json {
        table(&mut out, arguments, &calibrated, &held_out)?;
    }
    if calibrated.changes() && !arguments.dry_run {
        put(arguments, &before, &calibrated)?;
    }
    if arguments.json {
        return Ok(writeln!(out, "{}", object(arguments, &calibrated, &held_out))?);
    }
    Ok(summary(&mut out, arguments, &calibrated)?)
}

fn parse(arguments: &Arguments, text: &str) -> Result<Settings, Error> {
    Ok(config::parse(&arguments.config.file.display().to_string(), text).map_err(ConfigError::from)?)
}

/// The configuration with these thresholds in it.
fn with_thresholds(
    arguments: &Arguments,
    text: &str,
    thresholds: &Thresholds,
    commands: &[Command],
) -> Result<Read, Error> {
    let edited = edit::with_offsets(text, thresholds.offset, &named(thresholds, commands));
    let text = edited.map_err(|what| Error::Evaluation(format!("{}: {what}", arguments.config.file.display())))?;
    Ok(Read { settings: parse(arguments, &text)?, text })
}

/// The commands' own offsets by their names.
fn named(thresholds: &Thresholds, commands: &[Command]) -> BTreeMap<String, f32> {
    thresholds.offsets.iter().map(|(command, offset)| (commands[*command].name.clone(), *offset)).collect()
}

/// Checks that there are enough data. It reads all files first, because deciding them may take hours.
fn enough(arguments: &Arguments, cases: &[Case]) -> Result<(), Error> {
    let (mut samples, mut unreadable) = (0, 0);
    for (number, case) in cases.iter().enumerate() {
        progress(&format!("{number} of {} read", cases.len()))?;
        let sound = file::read(&case.path);
        progress("")?;
        match sound {
            Ok(sound) if case.expected == Expected::Rejected => samples += sound.len(),
            Ok(_) => {}
            Err(what) => {
                writeln!(io::stderr(), "{}: {what}", case.path.display())?;
                unreadable += 1;
            }
        }
    }
    if unreadable > 0 {
        return Err(Error::Files(unreadable, cases.len()));
    }
    let positives = cases.iter().filter(|case| case.expected != Expected::Rejected).count();
    let hours = samples as f64 / f64::from(SAMPLE_RATE) / 3600.0;
    let missing = calibrate::missing(positives, hours, arguments.false_accepts_per_hour);
    missing.map_or(Ok(()), |what| Err(Error::Evaluation(format!("{}: {what}", arguments.dir.display()))))
}

fn decided(settings: Settings, cases: &mut Vec<Case>) -> Result<Vec<Clip>, Error> {
    let files = cases.len();
    let clips = decide(&mut evaluator(settings, false, 0)?, cases, Condition { noise: None }, false)?;
    if cases.len() < files { Err(Error::Files(files - cases.len(), files)) } else { Ok(clips) }
}

/// Chooses thresholds for the configuration `text`.
fn settle(arguments: &Arguments, text: &str, data: Data) -> Result<Calibrated, Error> {
    let Settings { thresholds: before, commands, .. } = parse(arguments, text)?;
    let chosen = calibrate::fit(&data, arguments.false_accepts_per_hour, &before)
        .ok_or_else(|| Error::Evaluation(unreachable(arguments, &data, &before, &commands)))?;
    let after = with_thresholds(arguments, text, &chosen, &commands)?;
    Ok(Calibrated { before, after, data })
}

/// The message if no threshold keeps the target, with advice.
fn unreachable(arguments: &Arguments, data: &Data, before: &Thresholds, commands: &[Command]) -> String {
    let base = data.base(before);
    let kept: Vec<String> = named(&base, commands).into_keys().collect();
    let beside = if kept.is_empty() {
        String::new()
    } else {
        format!(" beside what thresholds.offsets sets for {}", kept.join(", "))
    };
    let tally = data.tally(&calibrate::at(MOST, &base));
    let refused = percent(tally.refused_share(), tally.refused, tally.positives);
    let rate = calibrate::rounded_up(tally.bound());
    format!(
        "{}: no offset down to -{MOST:.1} keeps {} false accepts an hour{beside}: at -{MOST:.1} there are {} in {} h, which \
         bears out {rate} an hour, and of the sentences {refused} are refused. Other words for what is accepted, or \
         --false-accepts-per-hour {rate}, would do; `hearken eval` shows what it is",
        arguments.dir.display(),
        arguments.false_accepts_per_hour,
        tally.false_accepts,
        three_digits(tally.hours),
    )
}

/// Replaces the configuration, if it is still the one that was read.
fn put(arguments: &Arguments, before: &str, calibrated: &Calibrated) -> Result<(), Error> {
    let now = config::read_text(&arguments.config.file)?;
    let put = if now == before {
        edit::replace(&arguments.config.file, &calibrated.after.text).map_err(|e| e.to_string())
    } else {
        Err("changed while this ran".into())
    };
    put.map_err(|what| {
        let by_hand = section(&calibrated.after.settings);
        let path = arguments.config.file.display();
        Error::Evaluation(format!("{path}: {what}; nothing is written. By hand it would be:\n{by_hand}"))
    })
}

/// The thresholds as they stand in a configuration.
fn section(Settings { thresholds, commands, .. }: &Settings) -> String {
    let own: String =
        named(thresholds, commands).iter().map(|(name, offset)| format!("\n{name} = {offset:?}")).collect();
    let header = if own.is_empty() { "" } else { "\n[thresholds.offsets]" };
    format!("[thresholds]\noffset = {:?}{header}{own}", thresholds.offset)
}

/// The marks of lines in the trade-off.
const CHOSEN: &str = "chosen";
const NOW: &str = "now";

/// The result of the data with several thresholds: those in whole nats, the present one and the chosen one.
fn trade_off(calibrated: &Calibrated) -> Vec<(f32, ErrorCounts, &'static str)> {
    let Calibrated { before, after, data } = calibrated;
    let base = data.base(before);
    let marked = [(before.clone(), NOW), (after.settings.thresholds.clone(), CHOSEN)];
    let nats =
        (LEAST as i32..=MOST as i32).map(|nat| nat as f32).filter(|nat| marked.iter().all(|m| m.0.offset != *nat));
    let nats: Vec<_> = nats.map(|nat| (calibrate::at(0.0 - nat, &base), "")).collect();
    let rows = nats.into_iter().chain(marked).map(|(t, mark)| (t.offset, data.tally(&t), mark));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows
}

fn table(
    out: &mut dyn Write,
    arguments: &Arguments,
    calibrated: &Calibrated,
    held_out: &ErrorCounts,
) -> io::Result<()> {
    let tally = calibrated.data.tally(&calibrated.before);
    writeln!(
        out,
        "{}: {} recordings of sentences, {} h of other sound; at most {} false accepts an hour",
        arguments.dir.display(),
        tally.positives,
        three_digits(tally.hours),
        arguments.false_accepts_per_hour
    )?;
    writeln!(out, "   offset  {:<32}  wrong  false accepts/h (95 % at most)", "refused")?;
    for (offset, tally, mark) in trade_off(calibrated) {
        let mark = if mark.is_empty() { String::new() } else { format!("  <- {mark}") };
        let refused = percent(tally.refused_share(), tally.refused, tally.positives);
        let line = format!("{offset:9.3}  {refused:<32}  {:5}  {}", tally.wrong, accepted(&tally));
        writeln!(out, "{line}{mark}")?;
    }
    writeln!(
        out,
        "each fifth decided by what the others choose: refused {}, wrong {}, false accepts/h {}",
        percent(held_out.refused_share(), held_out.refused, held_out.positives),
        held_out.wrong,
        accepted(held_out)
    )
}

fn accepted(tally: &ErrorCounts) -> String {
    let rate = tally.false_accept_rate().map_or(0.0, |rate| rate.is);
    format!("{} ({}), {}", three_digits(rate), three_digits(tally.bound()), tally.false_accepts)
}

/// Writes what was done to the configuration.
fn summary(out: &mut dyn Write, arguments: &Arguments, calibrated: &Calibrated) -> io::Result<()> {
    let Calibrated { before, after: Read { settings, .. }, .. } = calibrated;
    let path = arguments.config.file.display();
    if !calibrated.changes() {
        return writeln!(out, "{path}: the offsets have these values already; nothing is written");
    }
    let [is, was] = if arguments.dry_run { ["would be", "is"] } else { ["is", "was"] };
    if before.offset != settings.thresholds.offset {
        writeln!(out, "{path}: thresholds.offset {is} {:?}; it {was} {:?}", settings.thresholds.offset, before.offset)?;
    }
    let [old, new] = [before, &settings.thresholds].map(|thresholds| named(thresholds, &settings.commands));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown = |offset: Option<&f32>| offset.map_or("as for all".into(), |offset| format!("{offset:?}"));
    for name in names.into_iter().filter(|name| old.get(*name) != new.get(*name)) {
        let [old, new] = [&old, &new].map(|own| shown(own.get(name)));
        writeln!(out, "{path}: thresholds.offsets.{name} {is} {new}; it {was} {old}")?;
    }
    let then = "to use it: systemctl reload hearken, or start hearken run again";
    if arguments.dry_run { Ok(()) } else { writeln!(out, "{then}") }
}

fn object(arguments: &Arguments, calibrated: &Calibrated, held_out: &ErrorCounts) -> Value {
    let Calibrated { before, after: Read { settings, .. }, data } = calibrated;
    let number = |offset: f32| format!("{offset}").parse::<f64>().unwrap_or(f64::from(offset));
    let thresholds = |thresholds: &Thresholds| {
        let own: BTreeMap<String, f64> =
            named(thresholds, &settings.commands).into_iter().map(|(name, offset)| (name, number(offset))).collect();
        json!({"offset": number(thresholds.offset), "offsets": own})
    };
    let tally = |tally: &ErrorCounts| {
        json!({
            "refused": tally.refused, "wrong": tally.wrong, "false_accepts": tally.false_accepts,
            "refused_share": estimate(tally.refused_share()),
            "false_accepts_per_hour": estimate(tally.false_accept_rate()), "at_most": tally.bound(),
        })
    };
    let row = |(offset, counted, mark): (f32, ErrorCounts, &str)| {
        let mut row = tally(&counted);
        row["offset"] = json!(number(offset));
        row["is"] = json!((!mark.is_empty()).then_some(mark));
        row
    };
    json!({
        "config": arguments.config.file.to_string_lossy(), "target": arguments.false_accepts_per_hour,
        "positives": data.tally(before).positives, "hours": data.hours(),
        "before": thresholds(before), "after": thresholds(&settings.thresholds), "changed": calibrated.changes(),
        "trade_off": trade_off(calibrated).into_iter().map(row).collect::<Value>(),
        "cross_validated": tally(held_out),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::calibrate::{Example, Scored};

    const TEXT: &str = r#"board = "host"
[[commands]]
name = "lamp"
say = "turn on the lamp"
[[commands]]
name = "bell"
say = "ring the bell"
[[commands]]
name = "unlock"
say = "unlock the door"
[thresholds]
offset = -3.0 # too strict
wrong_costs = 4.0

[thresholds.offsets]
# never by mistake
unlock = -8.0 # by hand
# as of old
lamp = -5.0
"#;

    /// A target that two false accepts in an hour keep, and three do not.
    fn arguments() -> Arguments {
        let [file, dir] = ["home.toml", "clips"].map(PathBuf::from);
        Arguments {
            config: crate::cli::ConfigOption { file },
            false_accepts_per_hour: 7.0,
            dry_run: false,
            json: false,
            dir,
        }
    }

    /// An hour of other sound taken for these; and of each command so many sentences, heard right with this excess.
    fn data(other: &[(usize, f32)], said: [(usize, f32); 3]) -> Data {
        let recording = |positive, command, excess| Example {
            positive,
            hours: 0.0,
            scored: vec![Scored { excess, command, right: positive }],
        };
        let mut recordings = vec![Example { positive: false, hours: 1.0, scored: Vec::new() }];
        recordings.extend(other.iter().map(|(command, excess)| recording(false, *command, *excess)));
        for (command, (count, excess)) in said.into_iter().enumerate() {
            recordings.extend(std::iter::repeat_n(recording(true, command, excess), count));
        }
        Data { recordings }
    }

    fn said(calibrated: &Calibrated) -> String {
        let mut out = Vec::new();
        summary(&mut out, &arguments(), calibrated).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_chosen_is_read_again_from_the_text_and_all_else_in_it_stays() {
        // Other sound is taken for the lamp at -1 and for the bell at -8: the bell, spoken at -4, has a threshold of
        // its own.
        let data = data(&[(0, -1.0), (0, -1.0), (0, -1.0), (1, -8.0)], [(40, 2.0), (20, -4.0), (5, 9.0)]);
        let settled = settle(&arguments(), TEXT, data).unwrap();
        let after =
            TEXT.replace("-3.0 # too", "-0.5 # too").replace("# as of old\nlamp = -5.0\n", "bell = 6.0\n# as of old\n");
        assert_eq!(settled.after.text, after);
        let read = config::parse("home.toml", &after).unwrap().thresholds;
        assert_eq!((read.offset, read.wrong_costs), (-0.5, 4.0));
        assert_eq!(read.offsets, BTreeMap::from([(1, 6.0), (2, -8.0)]));
        let lines = "home.toml: thresholds.offset is -0.5; it was -3.0\n\
                     home.toml: thresholds.offsets.bell is 6.0; it was as for all\n\
                     home.toml: thresholds.offsets.lamp is as for all; it was -5.0\n\
                     to use it: systemctl reload hearken, or start hearken run again\n";
        assert_eq!(said(&settled), lines);
        let again = settle(&arguments(), &after, settled.data).unwrap();
        assert!(!again.changes());
        assert_eq!(again.after.text, after);
    }

    #[test]
    fn a_usual_threshold_that_is_chosen_is_no_change() {
        let (commands, _) = TEXT.split_once("[thresholds]").unwrap();
        for section in ["", "[thresholds]\nwrong_costs = 4\n", "[thresholds]\noffset = 0\n"] {
            let data = data(&[], [(50, 4.0), (0, 0.0), (0, 0.0)]);
            let settled = settle(&arguments(), &format!("{commands}{section}"), data).unwrap();
            assert_eq!(settled.after.settings.thresholds.offset, 0.0);
            assert!(!settled.changes(), "{section:?}");
            assert_eq!(said(&settled), "home.toml: the offsets have these values already; nothing is written\n");
        }
    }

    #[test]
    fn where_no_threshold_will_do_what_was_set_by_hand_is_named() {
        let lax = TEXT.replace("unlock = -8.0", "unlock = 9.0");
        let refused = |text: &str, command| {
            let data = data(&[(command, 13.0); 3], [(40, 14.0), (20, 14.0), (5, 14.0)]);
            settle(&arguments(), text, data).err().unwrap().to_string()
        };
        let said = refused(&lax, 2);
        assert!(
            said.contains(
                "keeps 7 false accepts an hour beside what thresholds.offsets sets for unlock: at -12.0 there are 3"
            ),
            "{said}"
        );
        let none = lax.replace("unlock = 9.0", "");
        assert!(refused(&none, 2).contains("keeps 7 false accepts an hour: at -12.0 there are 3"));
    }
}
