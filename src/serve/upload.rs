//! An upload: its body goes into scratch piece by piece, under the caps of scratch and of the server, and becomes a
//! recording.

use std::sync::Arc;

use http_body_util::{BodyDataStream, BodyExt};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use multer::{Field, Multipart};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::ServeSettings;
use super::answer::{Format, Refusal};
use crate::audio::{FRAME_LEN, Frame, SAMPLE_RATE, file as sound_file};
use crate::language::Language;
use crate::recognize::MAX_SAMPLES;
use crate::utterance::scratch::{Recording, Scratch, ScratchError, Utterance};

/// Most bytes of a field that is not the file: a language or a format.
const FIELD: usize = 4096;
/// Longest sound in seconds: the longest that is decided.
const LONGEST: u32 = MAX_SAMPLES as u32 / SAMPLE_RATE;
/// Most fields of a form: OpenAI's API has eight.
const FIELDS: usize = 32;

/// What was uploaded.
pub struct Upload {
    /// The sound.
    pub recording: Recording,
    /// The form of a transcript that was asked for.
    pub format: Format,
}

/// Takes the `body` of a request: a sound file, or a form with one in the field `file`. It is held in `scratch`, and decoded
/// when its `turn` has come.
///
/// # Errors
/// What is wrong with it. Nothing of it is left then.
pub async fn receive(
    headers: &HeaderMap,
    body: &mut Incoming,
    (scratch, turn): (&Scratch, &Arc<Semaphore>),
    settings: &ServeSettings,
) -> Result<Upload, Refusal> {
    if body.size_hint().lower() > settings.max_bytes + (FIELD * FIELDS) as u64 {
        return Err(too_large(settings));
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut file = Limited { utterance: scratch.open().map_err(no_room)?, left: settings.max_bytes, settings };
    let format = match multer::parse_boundary(kind) {
        Ok(boundary) => form(Multipart::new(BodyDataStream::new(body), boundary), &mut file).await?,
        Err(_) => {
            whole(body, &mut file).await?;
            Format::default()
        }
    };
    Ok(Upload { recording: recorded(file.utterance, turn).await?, format })
}

/// Takes a body that is the file itself.
async fn whole(body: &mut Incoming, file: &mut Limited<'_>) -> Result<(), Refusal> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Refusal::new(400, "cut_short", format!("the upload broke off: {e}")))?;
        frame.data_ref().map_or(Ok(()), |bytes: &Bytes| file.take(bytes))?;
    }
    Ok(())
}

/// Takes a form with the file in it. Returns the form of the transcript that it asks for.
async fn form(mut form: Multipart<'_>, file: &mut Limited<'_>) -> Result<Format, Refusal> {
    let (mut fields, mut found, mut format) = (0, false, Format::default());
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        fields += 1;
        if fields > FIELDS {
            return Err(Refusal::new(400, "too_many_fields", format!("the form has more than {FIELDS} fields")));
        }
        match field.name().unwrap_or_default() {
            "file" if found => return Err(Refusal::new(400, "two_files", "one file is needed").of("file")),
            "file" => {
                found = true;
                while let Some(bytes) = field.chunk().await.map_err(broken)? {
                    file.take(&bytes)?;
                }
            }
            "response_format" => format = Format::named(&text(field).await?)?,
            "language" => known_language(&text(field).await?)?,
            _ => drop(text(field).await?),
        }
    }
    let missing = || Refusal::new(400, "no_file", "the form has no field file with a sound file").of("file");
    if found { Ok(format) } else { Err(missing()) }
}

/// A file of limited size in scratch.
struct Limited<'s> {
    utterance: Utterance,
    /// Bytes that it may still take.
    left: u64,
    settings: &'s ServeSettings,
}

impl Limited<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| too_large(self.settings))?;
        self.utterance.append(bytes).map_err(no_room)
    }
}

/// The value of a field that is not the file.
async fn text(mut field: Field<'_>) -> Result<String, Refusal> {
    let mut value = Vec::new();
    while let Some(bytes) = field.chunk().await.map_err(broken)? {
        value.extend_from_slice(&bytes);
        if value.len() > FIELD {
            return Err(Refusal::new(400, "field_too_long", format!("a field has more than {FIELD} bytes")));
        }
    }
    Ok(String::from_utf8_lossy(&value).trim().to_string())
}

fn known_language(name: &str) -> Result<(), Refusal> {
    let known = |(code, _): &(&str, Language)| name.eq_ignore_ascii_case(code);
    if name.is_empty() || name.eq_ignore_ascii_case("english") || Language::NAMES.iter().any(known) {
        return Ok(());
    }
    Err(Refusal::new(400, "unsupported_language", format!("language {name:?} is not known; use en")).of("language"))
}

/// Replaces the uploaded file in scratch by its samples. They are decoded on another thread, so that requests are
/// answered meanwhile. That thread keeps the turn, also when the sender has gone.
async fn recorded(mut file: Utterance, turn: &Arc<Semaphore>) -> Result<Recording, Refusal> {
    let invalid = |what: String| Refusal::new(400, "invalid_audio", what).of("file");
    let turn = turn.clone().acquire_owned().await;
    let bytes = file.draft().and_then(|mut file| file.bytes()).map_err(no_room)?;
    let decode = move || {
        let _turn = turn;
        sound_file::decode(bytes, LONGEST)
    };
    let decoded = spawn_blocking(decode).await;
    let decoded = decoded.map_err(|_panic| invalid("the file cannot be decoded".into()))?;
    let mut samples = decoded.map_err(|e| invalid(e.to_string()))?;
    samples.truncate(MAX_SAMPLES);
    if samples.is_empty() {
        return Err(invalid("the file has no sound".into()));
    }
    file.clear().map_err(no_room)?;
    for part in samples.chunks(FRAME_LEN) {
        let mut frame: Frame = [0.0; FRAME_LEN];
        frame[..part.len()].copy_from_slice(part);
        file.write(&frame).map_err(no_room)?;
    }
    file.seal(0).map_err(no_room)
}

fn too_large(settings: &ServeSettings) -> Refusal {
    Refusal::new(413, "too_large", format!("an upload may have {} bytes", settings.max_bytes))
}

fn no_room(error: ScratchError) -> Refusal {
    match error {
        ScratchError::Full { .. } => Refusal::new(503, "scratch_full", "there is no room for another recording now"),
        ScratchError::Io { .. } => {
            tracing::warn!("upload: {error}");
            Refusal::new(500, "scratch", "recordings cannot be held; the log says why")
        }
    }
}

fn broken(error: multer::Error) -> Refusal {
    Refusal::new(400, "invalid_form", format!("the form cannot be read: {error}"))
}
