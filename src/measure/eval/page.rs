//! The evaluation as one HTML page without scripts, other files or network access. It contains the sound of the clips
//! with a wrong result.

use std::io::{self, Write};

use serde_json::Value;

use super::groups::{self, COLUMNS, Counts};
use super::spectrogram::{ROWS, bitmap};
use super::summary::{Confusion, Summary};
use super::{Clip, Grade, Segment, charts};
use crate::audio::{duration_ms, wav};
use crate::decide::thresholds::Thresholds;

/// Most utterances whose sound a page holds: 13 MB of short commands.
pub const MOST_SOUNDS: usize = 100;

const STYLE: &str = include_str!("page.css");

/// Writes the page about what `title` names, one folder or several. `about`: how it was made.
///
/// # Errors
/// When `out` fails.
pub fn write(
    out: &mut dyn Write,
    title: &str,
    about: &str,
    conditions: &[(Summary, Vec<Clip>)],
    thresholds: &Thresholds,
) -> io::Result<()> {
    let summaries: Vec<&Summary> = conditions.iter().map(|(summary, _)| summary).collect();
    let title = escaped(title);
    write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>hearken eval: {title}</title><style>{STYLE}</style>\
         <h1>hearken eval <code>{title}</code></h1><p>{}</p>",
        escaped(about)
    )?;
    figures(out, &summaries)?;
    if let Some(det) = charts::det(&summaries) {
        write!(
            out,
            "<h2>Threshold</h2><figure>{det}<figcaption>The curve is drawn by moving <code>thresholds.offset</code>; the ring \
             is where it stands, {:.1}. All other rules hold. A rate of 0 lies at the edge.</figcaption></figure>",
            thresholds.offset
        )?;
    }
    for (summary, clips) in conditions {
        section(out, summary, clips)?;
    }
    writeln!(out, "</html>")
}

fn figures(out: &mut dyn Write, summaries: &[&Summary]) -> io::Result<()> {
    write!(out, "<div class=\"wide\"><table><tr><th></th>")?;
    for summary in summaries {
        write!(out, "<th>{}</th>", summary.condition())?;
    }
    let columns: Vec<_> = summaries.iter().map(|s| s.rows()).collect();
    for row in 0..columns[0].len() {
        write!(out, "<tr><th>{}</th>", columns[0][row].0)?;
        columns.iter().try_for_each(|column| write!(out, "<td>{}</td>", column[row].1))?;
    }
    write!(
        out,
        "</table></div><p class=\"soft\">In parentheses: the 95 % interval, Wilson's for shares, Garwood's for what happens \
         in an hour. Right: of all clips, due refusals included. Found, wrong, refused: of those that are sentences. \
         Found: the best sentence was the expected one, whatever was decided. False accepts: of those that are not.</p>"
    )
}

fn section(out: &mut dyn Write, summary: &Summary, clips: &[Clip]) -> io::Result<()> {
    let log_odds = "log-odds that the sentence was said, less what is needed, in nats";
    let lead = "lead over all that would do something else, in nats";
    write!(
        out,
        "<h2>Clips, {}</h2><div class=\"side\"><figure>{}</figure><figure>{}</figure></div>\
         <p class=\"soft\">Right: accepted as expected. Found, refused: the best sentence was the expected one, and a rule refused \
         it. Wrong: accepted as something else. To be refused: all that is no command. A sentence that was neither found nor \
         accepted is in no group. The broken line is what is needed.</p>",
        summary.condition(),
        charts::distribution(log_odds, &summary.excess, Some(0.0)),
        charts::distribution(lead, &summary.lead, None)
    )?;
    if let Some(reliability) = &summary.reliability {
        write!(
            out,
            "<figure>{}<figcaption>Whether the probabilities are true: of the utterances whose nearest sentence got a probability, \
             the share that was said, and how many there are. On the broken line it is as large as the probability.</figcaption></figure>",
            charts::reliability(reliability)
        )?;
    }
    groups(out, summary)?;
    if summary.confusions.is_empty() {
        return write!(out, "<p>Every clip was decided as expected.</p>");
    }
    write!(
        out,
        "<h3>Confusions</h3><div class=\"wide\"><table><tr><th></th><th>expected</th><th>decided</th><th>first in</th></tr>"
    )?;
    for Confusion { expected, decided, count, file } in &summary.confusions {
        let [expected, decided, file] = [expected, decided, file].map(|text| escaped(text));
        write!(out, "<tr><td>{count}</td><td>{expected}</td><td>{decided}</td><td class=\"soft\">{file}</td></tr>")?;
    }
    write!(out, "</table></div>")?;
    let mut silent = 0;
    for clip in clips.iter().filter(|c| c.grade != Grade::Right) {
        let of_utterances = clip.utterances.iter().filter_map(|u| Some((Some(u), u.sound.as_ref()?)));
        let sounds = || of_utterances.clone().chain(clip.sound.iter().map(|sound| (None, sound)));
        sounds().try_for_each(|(utterance, sound)| card(out, clip, utterance, sound))?;
        silent += usize::from(sounds().next().is_none());
    }
    if silent > 0 {
        write!(out, "<p>{silent} more clips went wrong, without their sound: a page has room for {MOST_SOUNDS}.</p>")?;
    }
    Ok(())
}

/// The table of the sets, if there are several, and that of the worst speakers, if any is named.
fn groups(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    if summary.sets.len() > 1 {
        write!(out, "<h3>By set</h3>")?;
        group_table(out, "set", summary.sets.iter())?;
    }
    if !summary.speakers.is_empty() {
        let worst = groups::worst(&summary.speakers);
        write!(out, "<h3>{}</h3>", groups::speakers_heading(summary.speakers.len(), worst.len()))?;
        group_table(out, "speaker", worst.into_iter())?;
    }
    Ok(())
}

fn group_table<'a>(
    out: &mut dyn Write,
    of: &str,
    groups: impl Iterator<Item = (&'a String, &'a Counts)>,
) -> io::Result<()> {
    let cells = |tag: &str, cells: &[&str]| -> String {
        cells.iter().map(|cell| format!("<{tag} class=\"number\">{cell}</{tag}>")).collect()
    };
    write!(out, "<div class=\"wide\"><table><tr><th>{of}</th>{}</tr>", cells("th", &COLUMNS))?;
    for (name, counts) in groups {
        let figures = counts.cells();
        let figures = figures.each_ref().map(String::as_str);
        write!(out, "<tr><td>{}</td>{}</tr>", escaped(name), cells("td", &figures))?;
    }
    write!(out, "</table></div>")
}

/// A section on one clip: what was expected, what was decided, and why.
fn card(out: &mut dyn Write, clip: &Clip, utterance: Option<&Segment>, sound: &[f32]) -> io::Result<()> {
    let word = |key: &str| match utterance.and_then(|utterance| utterance.decision.get(key)) {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) => escaped(text),
        Some(other) => escaped(&other.to_string()),
    };
    let decided = match utterance {
        None => "not heard: no utterance was found".into(),
        Some(utterance) if utterance.accepted() => word("sentence"),
        Some(_) => format!("refused: {}", word("reason")),
    };
    let (picture, columns) = bitmap(sound);
    let samples: Vec<u8> = sound.iter().flat_map(|s| ((s * 32_767.0) as i16).to_le_bytes()).collect();
    let file = [&wav::header(samples.len() as u32)[..], &samples].concat();
    write!(
        out,
        "<article><h3>{}</h3><div><img alt=\"spectrogram\" width=\"{}\" height=\"{ROWS}\" src=\"data:image/bmp;base64,{}\">\
         <p class=\"soft\">{:.2} s, 0 to 8 kHz</p><audio controls preload=\"none\" src=\"data:audio/wav;base64,{}\"></audio></div>\
         <dl><dt>expected<dd>{}<dt>decided<dd>{decided}<dt>free text<dd>{}<dt>nearest<dd>{}<dt>runner-up<dd>{}\
         <dt>log-odds<dd>{}<dt>needed<dd>{}<dt>speech<dd>{} ms, {} dBFS</dl></article>",
        escaped(&clip.name),
        2 * columns,
        base64(&picture),
        duration_ms(sound.len()) as f64 / 1000.0,
        base64(&file),
        escaped(&clip.expected.to_string()),
        word("text"),
        word("nearest"),
        word("runner_up"),
        word("log_odds"),
        word("needed"),
        word("speech_ms"),
        word("dbfs")
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if digit > group.len() { '=' } else { DIGITS[value] as char });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn what_a_name_holds_is_no_markup() {
        assert_eq!(escaped("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
