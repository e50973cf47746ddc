//! What the soak found, as the rows of a table.

use crate::measure::{Sample, Tally};

/// Prints it: how things were at the start, warm, when all was played and when it was drained; the faults made; the
/// recordings kept and their bytes.
pub fn print([start, warm, played, end]: [&Sample; 4], faults: usize, (kept, bytes): (usize, u64)) {
    let row = |what: &str, value: String| println!("| {what} | {value} |");
    let then = |value: fn(&Sample) -> String| [start, warm, end].map(value).join(" → ");
    let (scratch, microphone) =
        (|name| end.gauge(&format!("/scratch/{name}")), |n| end.gauge(&format!("/microphone/{n}")));
    let Tally { accepted, refused, late, interrupted, failed, .. } = end.tally;
    let (all, decided) = (end.tally.utterances(), end.tally.decided());
    let share = 100.0 * decided as f64 / all.max(1) as f64;
    println!("\nstart → after {:.1} min → end:", warm.minutes());
    row("sound", format!("{:.1} h in {:.0} min, {:.1} x real time", played.hours, played.minutes(), played.multiple()));
    row("utterances", format!("{all}: {accepted} accepted, {refused} refused; decided {decided} ({share:.0} %)"));
    row("undecided", format!("{late} dropped as late, {interrupted} cut off by a fault, {failed} failed"));
    let [lost, opened, overruns] = ["faults", "opened", "overruns"].map(microphone);
    row("faults", format!("{faults} made; microphone {lost} times lost, {opened} times opened, {overruns} overruns"));
    row("samples lost", microphone("lost").to_string());
    row("memory", then(|s| format!("{:.1} MiB", s.rss as f64 / 1024.0)));
    row("descriptors", then(|s| s.descriptors.to_string()));
    row("threads", then(|s| s.threads.to_string()));
    row("scratch", then(|s| format!("{} KiB", s.gauge("/scratch/used") >> 10)));
    row("scratch, most", format!("{} of {} KiB", scratch("high_water") >> 10, scratch("capacity") >> 10));
    row("scratch, in all", format!("{} recordings, {} MiB", scratch("recordings"), scratch("written") >> 20));
    row("kept", format!("{kept} recordings with their decisions, {} KiB", bytes >> 10));
}
