//! Lists the microphones of the machine and opens one of them, through cpal and ALSA.
//!
//! cpal calls back on a thread of its own, once a period. The callback must not block, so it does not allocate, lock or
//! log. It mixes the channels to mono and puts the samples into the queue of [`super::ring`]; [`super::supervisor`]
//! reads them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, Data, ErrorKind, Host, SampleFormat, SizedSample, StreamConfig, SupportedStreamConfig};

use super::AudioError;
use super::ring::{Signals, Tap};

/// Period that the device is asked for. With less than 20 ms a kernel with a slow timer delivers nothing at all; more
/// adds to the latency.
const PERIOD: Duration = Duration::from_millis(20);

/// Sample rates in Hz, the preferred one first: 16 kHz needs no conversion.
const RATES: [u32; 8] = [16_000, 48_000, 32_000, 44_100, 96_000, 24_000, 8_000, 192_000];

/// Which microphone to open.
#[derive(Debug, Clone, PartialEq)]
pub struct MicrophoneSettings {
    /// An id that [`list`] gives, with or without its `alsa:`; "default" is ALSA's default.
    pub device: String,
    /// Fixed input gain in dB. There is no automatic gain: it makes noise look like speech.
    pub gain_db: f32,
}

impl Default for MicrophoneSettings {
    fn default() -> Self {
        MicrophoneSettings { device: "default".into(), gain_db: 0.0 }
    }
}

/// An open stream. Dropping it joins cpal's thread, which may never end, so drop it on a thread that nothing waits for.
pub struct Stream {
    /// The microphone's id.
    pub id: String,
    /// Samples per second.
    pub rate: u32,
    /// The faults and counts that the stream reports to its reader.
    pub signals: Arc<Signals>,
    _stream: cpal::Stream,
}

impl Stream {
    /// Opens the microphone that `settings` names and starts it. Samples go into `tap`. Blocks for 10 to 50 ms, or for
    /// ever if a sound server hangs. What ALSA would print on standard error goes to the log, at the level debug.
    ///
    /// # Errors
    /// [`AudioError::NoSuchMicrophone`], [`AudioError::NoUsableFormat`], or [`AudioError::Device`] with ALSA's words.
    pub fn open(settings: &MicrophoneSettings, tap: Tap, signals: Arc<Signals>) -> Result<Stream, AudioError> {
        let _quiet = Quiet::new();
        let host = host(&settings.device)?;
        let (device, id) = find(&host, &settings.device)?;
        let fault = |doing| move |e: cpal::Error| device_error(&settings.device, doing, &e);
        let format = choose_format(&device, &id)?;
        let config = StreamConfig {
            channels: format.channels(),
            sample_rate: format.sample_rate(),
            buffer_size: BufferSize::Fixed(format.sample_rate() * PERIOD.as_millis() as u32 / 1000),
        };
        let mut tap = tap;
        let channels = config.channels as usize;
        let on_data = move |data: &Data, _: &cpal::InputCallbackInfo| match data.sample_format() {
            SampleFormat::I16 => put::<i16>(&mut tap, data, channels),
            SampleFormat::I32 => put::<i32>(&mut tap, data, channels),
            _ => put::<f32>(&mut tap, data, channels),
        };
        let told = signals.clone();
        let stream = device
            .build_input_stream_raw(config, format.sample_format(), on_data, move |e| on_error(&told, &e), None)
            .map_err(fault("cannot be opened"))?;
        stream.play().map_err(fault("cannot be started"))?;
        let period = stream.buffer_size().unwrap_or(0);
        tracing::debug!(microphone = id, channels, format = %format.sample_format(), period, "stream open");
        Ok(Stream { id, rate: config.sample_rate, signals, _stream: stream })
    }
}

fn put<T: SizedSample>(tap: &mut Tap, data: &Data, channels: usize)
where
    f32: cpal::FromSample<T>,
{
    tap.put(mono::<T>(data.as_slice().unwrap_or_default(), channels));
}

/// Interleaved `block`, mixed to mono.
fn mono<T: SizedSample>(block: &[T], channels: usize) -> impl Iterator<Item = f32> + '_
where
    f32: cpal::FromSample<T>,
{
    // A device may deliver any float; the resampler panics on one that is not a number.
    let in_range = |sample: f32| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
    let mix = move |frame: &[T]| frame.iter().map(|s| in_range(s.to_sample())).sum::<f32>() / channels as f32;
    block.chunks_exact(channels).map(mix)
}

/// cpal calls this from its own thread. Some ALSA plug-ins repeat an error half a million times a second. The pause
/// keeps the load below 1 % of a core until the stream is dropped.
fn on_error(signals: &Signals, error: &cpal::Error) {
    match error.kind() {
        ErrorKind::Xrun => {
            signals.overruns.fetch_add(1, Ordering::Relaxed);
        }
        ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged => {}
        kind => {
            signals.fail(format!("{error} ({kind:?})"));
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A guard: while it exists, what ALSA's library would print on standard error for this thread goes to the log instead.
struct Quiet(Option<Rc<RefCell<alsa::Output>>>);

impl Quiet {
    fn new() -> Quiet {
        Quiet(alsa::Output::local_error_handler().ok())
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let Some(said) = &self.0 else { return };
        said.borrow().buffer_string(|words| {
            String::from_utf8_lossy(words).lines().for_each(|line| tracing::debug!("ALSA: {line}"));
        });
    }
}

fn host(id: &str) -> Result<Host, AudioError> {
    cpal::host_from_id(cpal::HostId::Alsa).map_err(|e| device_error(id, "cannot be looked for", &e))
}

fn device_error(id: &str, doing: &'static str, error: &cpal::Error) -> AudioError {
    AudioError::Device { id: id.into(), doing, cause: error.to_string() }
}

fn find(host: &Host, wanted: &str) -> Result<(cpal::Device, String), AudioError> {
    let full = if wanted.starts_with("alsa:") { wanted.into() } else { format!("alsa:{wanted}") };
    let device = if full == "alsa:default" {
        host.default_input_device()
    } else {
        full.parse().ok().and_then(|id| host.device_by_id(&id))
    };
    device.map(|d| (d, full)).ok_or_else(|| AudioError::NoSuchMicrophone {
        wanted: wanted.into(),
        found: list().map(|all| all.into_iter().map(|m| m.id).collect()).unwrap_or_default(),
    })
}

/// Chooses a format of 16-bit, 32-bit or float samples, with a rate early in [`RATES`] and the fewest channels. ALSA's
/// own converters (`default`, `plughw`) offer every rate but convert poorly, so they are asked for 48 kHz.
fn choose_format(device: &cpal::Device, id: &str) -> Result<SupportedStreamConfig, AudioError> {
    let converts = ["alsa:default", "alsa:plughw", "alsa:sysdefault"].iter().any(|p| id.starts_with(p));
    let rate_rank = |rate: u32| match rate {
        48_000 if converts => Some(0),
        _ => RATES.iter().position(|r| *r == rate).map(|rank| rank + 1),
    };
    let format_rank = |format| match format {
        SampleFormat::I16 => Some(0),
        SampleFormat::F32 => Some(1),
        SampleFormat::I32 => Some(2),
        _ => None,
    };
    let ranges: Vec<_> =
        device.supported_input_configs().map_err(|e| device_error(id, "cannot be opened", &e))?.collect();
    let offered = ranges.iter().flat_map(|range| RATES.iter().filter_map(|r| range.try_with_sample_rate(*r)));
    offered
        .filter_map(|c| Some(((rate_rank(c.sample_rate())?, c.channels(), format_rank(c.sample_format())?), c)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, config)| config)
        .ok_or_else(|| AudioError::NoUsableFormat(id.into()))
}

/// A microphone that the configuration can name.
#[derive(Debug, Clone, PartialEq)]
pub struct MicrophoneInfo {
    /// The id for the configuration.
    pub id: String,
    /// The driver's name for it.
    pub name: String,
    /// The formats, rates and channels that it offers, one range a line; or the error when it was asked.
    pub formats: Result<Vec<String>, String>,
}

/// ALSA's pseudo-devices that are not microphones or always fail.
const NOT_MICROPHONES: [&str; 11] =
    ["null", "oss", "jack", "speex", "speexrate", "samplerate", "lavrate", "upmix", "vdownmix", "pulse", "pipewire"];

/// Lists the microphones of this machine. It opens each for a moment to ask for its formats.
///
/// # Errors
/// [`AudioError::Device`] when ALSA cannot be asked.
pub fn list() -> Result<Vec<MicrophoneInfo>, AudioError> {
    let _quiet = Quiet::new();
    let host = host("any")?;
    let devices = host.input_devices().map_err(|e| device_error("any", "cannot be looked for", &e))?;
    let mut found: Vec<_> = devices.filter_map(|d| describe(&d)).collect();
    found.sort_by_key(|m| (m.formats.is_err(), m.id.clone()));
    found.dedup_by(|a, b| a.id == b.id);
    Ok(found)
}

fn describe(device: &cpal::Device) -> Option<MicrophoneInfo> {
    let id = device.id().ok()?.to_string();
    let short = id.strip_prefix("alsa:").unwrap_or(&id);
    if NOT_MICROPHONES.contains(&short) {
        return None;
    }
    let name = device.description().map(|d| d.name().to_string()).unwrap_or_default();
    let formats = device.supported_input_configs().map_err(|e| e.to_string()).map(in_words);
    // A card that is absent answers with an error. "default" stays in the list so that the user sees the error.
    (formats.is_ok() || short == "default" || short.starts_with("hw:")).then_some(MicrophoneInfo { id, name, formats })
}

/// Describes the ranges, one line for each format and range of rates. Some cards list every number of channels up to 64
/// as a range of its own.
fn in_words(ranges: impl Iterator<Item = cpal::SupportedStreamConfigRange>) -> Vec<String> {
    let mut lines: Vec<(String, u16, u16)> = Vec::new();
    for range in ranges {
        let (low, high, channels) = (range.min_sample_rate(), range.max_sample_rate(), range.channels());
        let rates = if low == high { format!("{low} Hz") } else { format!("{low}-{high} Hz") };
        let line = format!("{} {rates}", range.sample_format());
        match lines.iter_mut().find(|(known, ..)| *known == line) {
            Some((_, fewest, most)) => (*fewest, *most) = (channels.min(*fewest), channels.max(*most)),
            None => lines.push((line, channels, channels)),
        }
    }
    let words = |(line, fewest, most): (String, u16, u16)| {
        if fewest == most { format!("{line} {most} ch") } else { format!("{line} {fewest}-{most} ch") }
    };
    lines.into_iter().map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_of_a_format_are_one_line() {
        let range = |channels, format| {
            cpal::SupportedStreamConfigRange::new(channels, 8_000, 48_000, cpal::SupportedBufferSize::Unknown, format)
        };
        let ranges = [1, 2, 64].map(|channels| range(channels, cpal::SampleFormat::I16));
        let all = ranges.into_iter().chain([range(2, cpal::SampleFormat::F32)]);
        assert_eq!(in_words(all), ["i16 8000-48000 Hz 1-64 ch", "f32 8000-48000 Hz 2 ch"]);
    }

    #[test]
    fn a_block_is_mixed_to_mono() {
        let heard: Vec<f32> = mono(&[16_384i16, 0, -16_384, -16_384, 0, 0, 8_192], 2).collect();
        assert_eq!(heard, [0.25, -0.5, 0.0]);
    }

    #[test]
    fn a_float_that_is_no_sample_is_silence_and_a_large_one_is_clipped() {
        let heard: Vec<f32> = mono(&[f32::NAN, f32::INFINITY, f32::MAX, f32::MAX, -1.5, 0.5], 2).collect();
        assert_eq!(heard, [0.0, 1.0, -0.25]);
    }
}
