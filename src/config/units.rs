//! Times, frequencies and sizes as people write them: "200 ms", "1 kHz", "8 MiB".

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::document::Value;

const TIMES: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("min", 60.0), ("h", 3600.0)];
const FREQUENCIES: [(&str, f64); 2] = [("Hz", 1.0), ("kHz", 1e3)];
const SIZES: [(&str, f64); 7] =
    [("B", 1.0), ("kB", 1e3), ("KiB", 1024.0), ("MB", 1e6), ("MiB", 1048576.0), ("GB", 1e9), ("GiB", 1073741824.0)];

/// A string such as "200 ms", within `range`.
pub fn duration(value: &Value<'_>, range: RangeInclusive<Duration>) -> Option<Duration> {
    let bounds = range.start().as_secs_f64()..=range.end().as_secs_f64();
    let shown = |seconds| time(Duration::from_secs_f64(seconds));
    let seconds = quantity(value, &TIMES, "\"200 ms\" or \"2 s\"", bounds, shown)?;
    Some(Duration::from_secs_f64(seconds))
}

/// A time as a person writes it: in the largest unit that leaves a whole number.
pub fn time(time: Duration) -> String {
    let ms = time.as_millis();
    let (unit, name) = [(3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")]
        .into_iter()
        .find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit))
        .unwrap_or((1, "ms"));
    format!("{} {name}", ms / unit)
}

/// A string such as "200 Hz", within `range`.
pub fn hertz(value: &Value<'_>, range: RangeInclusive<u32>) -> Option<u32> {
    let bounds = f64::from(*range.start())..=f64::from(*range.end());
    quantity(value, &FREQUENCIES, "\"200 Hz\" or \"1 kHz\"", bounds, |hz| format!("{hz} Hz")).map(|hz| hz as u32)
}

/// A string such as "8 MiB", in bytes, within `range`.
pub fn bytes(value: &Value<'_>, range: RangeInclusive<u64>) -> Option<u64> {
    let bounds = *range.start() as f64..=*range.end() as f64;
    quantity(value, &SIZES, "\"8 MiB\"", bounds, |b| format!("{} MiB", b / 1048576.0)).map(|b| b as u64)
}

/// A time such as "200 ms" in seconds; none if it is no time.
pub fn seconds(text: &str) -> Option<f64> {
    amount(text, &TIMES)
}

/// So many of the first of `units`.
fn amount(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = units.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| factor)?;
    Some(number.parse::<f64>().ok()? * factor)
}

fn quantity(
    value: &Value<'_>,
    units: &[(&str, f64)],
    example: &str,
    range: RangeInclusive<f64>,
    shown: impl Fn(f64) -> String,
) -> Option<f64> {
    let text = value.string()?.value;
    let Some(amount) = amount(&text, units) else {
        let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        value.problem(format!("{text:?} is not a number and a unit; as in {example}; units are {}", names.join(", ")));
        return None;
    };
    if !range.contains(&amount) {
        value.problem(format!(
            "{text:?} is out of range; {} to {} is needed",
            shown(*range.start()),
            shown(*range.end())
        ));
        return None;
    }
    Some(amount)
}
