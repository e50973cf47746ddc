//! A live microphone as an [`AudioSource`]: cpal's callback fills a lock-free queue, the ear empties it.
//!
//! The callback runs on cpal's own thread, once a period. It must not block: no allocation, no lock, no log.
//! It mixes to mono, puts the samples into a static queue and wakes the reader; what does not fit is counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, Data, ErrorKind, Host, SampleFormat, SizedSample, StreamConfig, SupportedStreamConfig};
use heapless::spsc::{Consumer, Producer, Queue};
use static_cell::ConstStaticCell;

use super::{AudioError, AudioSource};

/// Samples that may wait for the reader: 2.7 s at 48 kHz, half a megabyte. The ear needs microseconds; this covers a
/// stall of the whole machine, such as a write to a slow SD card.
const QUEUE: usize = 131_072;

/// Period asked of the device. Below 20 ms a slow kernel timer delivers nothing at all; more adds to the latency.
const PERIOD: Duration = Duration::from_millis(20);

/// A stream that delivers nothing for this long is dead, whatever the audio library says. Twenty-five periods.
const STALL: Duration = Duration::from_millis(500);

/// What a stream is given to deliver its first samples. PulseAudio takes up to a second to wake a sink.
const FIRST_SAMPLES: Duration = Duration::from_millis(1500);

type Waiting = Queue<f32, QUEUE>;
static SAMPLES: ConstStaticCell<Waiting> = ConstStaticCell::new(Queue::new());

/// Rates in the order of preference, in Hz: no conversion, then the usual ones.
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

/// What the callbacks and the reader share. All of it is lock-free.
#[derive(Default)]
struct Shared {
    reader: OnceLock<Thread>,
    lost: AtomicU64,
    overruns: AtomicU64,
    fault: OnceLock<(ErrorKind, String)>,
    ended: AtomicBool,
}

impl Shared {
    fn wake(&self) {
        if let Some(reader) = self.reader.get() {
            reader.unpark();
        }
    }
}

/// The producing end, inside the callback. When the stream goes, it finds its way back over a channel.
struct Tap {
    queue: Option<Producer<'static, f32>>,
    home: mpsc::Sender<Producer<'static, f32>>,
    shared: Arc<Shared>,
}

impl Tap {
    fn take<T: SizedSample>(&mut self, data: &Data, channels: usize)
    where
        f32: cpal::FromSample<T>,
    {
        if let (Some(block), Some(queue)) = (data.as_slice::<T>(), &mut self.queue) {
            push_block(block, channels, queue, &self.shared.lost);
        }
        self.shared.wake();
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            let _ = self.home.send(queue);
        }
        self.shared.ended.store(true, Ordering::Release);
        self.shared.wake();
    }
}

/// Mixes interleaved `block` to mono and enqueues it; what does not fit is counted in `lost`.
fn push_block<T: SizedSample>(block: &[T], channels: usize, queue: &mut Producer<'_, f32>, lost: &AtomicU64)
where
    f32: cpal::FromSample<T>,
{
    for frame in block.chunks_exact(channels) {
        let sum: f32 = frame.iter().map(|&s| s.to_sample::<f32>()).sum();
        if queue.enqueue(sum / channels as f32).is_err() {
            lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An open microphone.
pub struct Microphone {
    id: String,
    rate: u32,
    stream: Option<cpal::Stream>,
    samples: Consumer<'static, f32>,
    home: mpsc::Receiver<Producer<'static, f32>>,
    shared: Arc<Shared>,
    heard: Option<Instant>,
    opened: Instant,
}

impl Microphone {
    /// Opens the microphone that `settings` names and starts it. Blocks for some 10 to 50 ms. One can be open at a time.
    ///
    /// # Errors
    /// [`AudioError::NoSuchMicrophone`], [`AudioError::NoUsableFormat`], or [`AudioError::Device`] with ALSA's words.
    pub fn open(settings: &MicrophoneSettings) -> Result<Microphone, AudioError> {
        let host = alsa(&settings.device)?;
        let (device, id) = find(&host, &settings.device)?;
        let fault = |doing| move |e: cpal::Error| device_error(&settings.device, doing, &e);
        let format = choose_format(&device, &id)?;
        let config = StreamConfig {
            channels: format.channels(),
            sample_rate: format.sample_rate(),
            buffer_size: BufferSize::Fixed(format.sample_rate() * PERIOD.as_millis() as u32 / 1000),
        };
        let queue = SAMPLES.try_take().ok_or_else(|| AudioError::Device {
            id: id.clone(),
            doing: "cannot be opened",
            cause: "another microphone is open in this process".into(),
        })?;
        let (producer, samples) = queue.split();
        let (home, returned) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let mut tap = Tap { queue: Some(producer), home, shared: shared.clone() };
        let channels = config.channels as usize;
        let on_data = move |data: &Data, _: &cpal::InputCallbackInfo| match data.sample_format() {
            SampleFormat::I16 => tap.take::<i16>(data, channels),
            SampleFormat::I32 => tap.take::<i32>(data, channels),
            _ => tap.take::<f32>(data, channels),
        };
        let watched = shared.clone();
        let stream = device
            .build_input_stream_raw(config, format.sample_format(), on_data, move |e| on_error(&watched, &e), None)
            .map_err(fault("cannot be opened"))?;
        stream.play().map_err(fault("cannot be started"))?;
        tracing::info!(
            microphone = id,
            rate = config.sample_rate,
            channels,
            format = %format.sample_format(),
            period = stream.buffer_size().unwrap_or(0),
            "microphone open"
        );
        let opened = Instant::now();
        let rate = config.sample_rate;
        Ok(Microphone { id, rate, stream: Some(stream), samples, home: returned, shared, heard: None, opened })
    }

    fn dead(&self) -> Option<AudioError> {
        if let Some((kind, words)) = self.shared.fault.get() {
            let cause = format!("{words} ({kind:?})");
            return Some(AudioError::Device { id: self.id.clone(), doing: "failed", cause });
        }
        if self.shared.ended.load(Ordering::Acquire) {
            let cause = "its stream ended without an error".into();
            return Some(AudioError::Device { id: self.id.clone(), doing: "failed", cause });
        }
        let (since, patience) = match self.heard {
            Some(heard) => (heard, STALL),
            None => (self.opened, FIRST_SAMPLES),
        };
        let silent = since.elapsed();
        (silent > patience).then(|| AudioError::Stalled { id: self.id.clone(), silent_ms: silent.as_millis() as u64 })
    }

    fn drain(&mut self, block: &mut [f32]) -> usize {
        let mut filled = 0;
        while filled < block.len() {
            let Some(sample) = self.samples.dequeue() else { break };
            block[filled] = sample;
            filled += 1;
        }
        filled
    }
}

impl AudioSource for Microphone {
    fn rate(&self) -> u32 {
        self.rate
    }

    fn read(&mut self, block: &mut [f32], patience: Duration) -> Result<usize, AudioError> {
        self.shared.reader.get_or_init(thread::current);
        let mut filled = self.drain(block);
        if filled == 0 {
            thread::park_timeout(patience);
            filled = self.drain(block);
        }
        if filled > 0 {
            self.heard = Some(Instant::now());
            return Ok(filled);
        }
        self.dead().map_or(Ok(0), Err)
    }

    fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed) + self.shared.overruns.load(Ordering::Relaxed)
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        drop(self.stream.take());
        if self.home.try_recv().is_err() {
            tracing::debug!(microphone = self.id, "the stream kept its queue");
        }
    }
}

/// cpal reports here from its own thread. Some plug-ins repeat an error half a million times a second, for ever: the
/// pause keeps that below 1 % of a core until the stream is dropped.
fn on_error(shared: &Shared, error: &cpal::Error) {
    match error.kind() {
        ErrorKind::Xrun => {
            shared.overruns.fetch_add(1, Ordering::Relaxed);
        }
        ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged => {}
        kind => {
            let _ = shared.fault.set((kind, error.to_string()));
            shared.wake();
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn alsa(id: &str) -> Result<Host, AudioError> {
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

/// 16-bit, 32-bit or float; a rate early in [`RATES`]; the fewest channels. ALSA's own converters (`default`, `plughw`)
/// claim every rate and convert poorly, so they are asked for 48 kHz.
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

/// A microphone that can be put into the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct MicrophoneInfo {
    /// The id to configure.
    pub id: String,
    /// What the driver calls it.
    pub name: String,
    /// Formats, rates and channels that it offers, one range a line; or why it could not be asked.
    pub formats: Result<Vec<String>, String>,
}

/// ALSA's pseudo-devices that are not microphones, or would only fail.
const NOT_MICROPHONES: [&str; 11] =
    ["null", "oss", "jack", "speex", "speexrate", "samplerate", "lavrate", "upmix", "vdownmix", "pulse", "pipewire"];

/// The microphones of this machine. Asks each for its formats, which opens it for a moment.
///
/// # Errors
/// [`AudioError::Device`] when ALSA cannot be asked.
pub fn list() -> Result<Vec<MicrophoneInfo>, AudioError> {
    let host = alsa("any")?;
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
    let formats = device.supported_input_configs().map_err(|e| e.to_string()).map(|ranges| {
        let words = |r: cpal::SupportedStreamConfigRange| {
            let (low, high) = (r.min_sample_rate(), r.max_sample_rate());
            let rates = if low == high { format!("{low} Hz") } else { format!("{low}-{high} Hz") };
            format!("{} {rates} {} ch", r.sample_format(), r.channels())
        };
        ranges.map(words).collect()
    });
    // A card that is not there answers with an error; "default" stays in the list, so that the reason is seen.
    (formats.is_ok() || short == "default" || short.starts_with("hw:")).then_some(MicrophoneInfo { id, name, formats })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_mixed_to_mono_and_what_does_not_fit_is_counted() {
        let mut queue: Queue<f32, 4> = Queue::new();
        let (mut producer, mut consumer) = queue.split();
        let lost = AtomicU64::new(0);
        push_block(&[16_384i16, 0, -16_384, -16_384, 0, 0, 8_192, 8_192], 2, &mut producer, &lost);
        let heard: Vec<f32> = std::iter::from_fn(|| consumer.dequeue()).collect();
        assert_eq!(heard, [0.25, -0.5, 0.0]);
        assert_eq!(lost.into_inner(), 1);
    }
}
