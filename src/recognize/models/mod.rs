//! Model files: which there are, where they are found, and whether they are intact.
//!
//! whisper.cpp's loader crashes on half of all damaged files and silently accepts some others. So it gets a file only
//! after its size and SHA-256 were compared with the manifest, `models/manifest.toml`, which is built into the program.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::document::{Document, Problems, Section};

mod header;
pub mod vocabulary;

const MANIFEST: &str = include_str!("../../../models/manifest.toml");

/// The table of a model: its settings for the search, and the weights of the features of a decision.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The model's file name.
    pub model: &'static str,
    /// The table's path in the repository, for messages.
    pub name: &'static str,
    /// Its text, as TOML.
    pub text: &'static str,
}

/// All tables, that of the default model first. They are built in, because they fit only the features of this program.
pub const TABLES: [Table; 2] = [
    Table {
        model: "ggml-tiny.en-q8_0.bin",
        name: "models/ggml-tiny.en-q8_0.weights.toml",
        text: include_str!("../../../models/ggml-tiny.en-q8_0.weights.toml"),
    },
    Table {
        model: "ggml-base-q5_1.bin",
        name: "models/ggml-base-q5_1.weights.toml",
        text: include_str!("../../../models/ggml-base-q5_1.weights.toml"),
    },
];

/// The table for the model `name` of the manifest, or for the user's own model with the hash `sha256`; `None` if there
/// is no table for it.
pub fn table(name: &str, sha256: Option<&str>) -> Option<Table> {
    let hash = |name: &str| known(name).map(|model| model.sha256).ok();
    let wanted = sha256.map(String::from).or_else(|| hash(name))?;
    TABLES.into_iter().find(|table| hash(table.model).as_ref() == Some(&wanted))
}

/// Directory of an installed package.
const INSTALLED: &str = "/usr/share/hearken/models";

/// Most bytes of a model that is not in the manifest. The largest Whisper model in 16 bits has 3.1 GB.
const MOST_BYTES: u64 = 4 << 30;

/// File name of the Silero speech detector, which checks each utterance.
pub const SILERO: &str = "ggml-silero-v6.2.0.bin";

/// An entry of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// File name.
    pub name: String,
    /// Description.
    pub what: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256, in lower-case hexadecimal.
    pub sha256: String,
    /// Licence, as an SPDX expression.
    pub licence: String,
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The manifest does not list it.
    #[error("model {name:?} is not in the manifest and has no sha256; there are: {}", known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names listed.
        known: Vec<String>,
    },
    /// It is in none of the directories.
    #[error("model {name:?} is not here; looked in {}", looked.iter().map(|d| d.display().to_string()).collect::<Vec<_>>().join(", "))]
    Missing {
        /// The name asked for.
        name: String,
        /// The directories.
        looked: Vec<PathBuf>,
    },
    /// It is not what the manifest says.
    #[error("model {}: {fault}; copy it again", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The difference, in words.
        fault: String,
    },
    /// It is not a Whisper model that can be loaded.
    #[error("model {}: {fault}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not, in words.
        fault: String,
    },
    /// It cannot be read.
    #[error("model {}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the kernel.
        #[source]
        cause: std::io::Error,
    },
}

/// The models that the manifest lists.
///
/// # Errors
/// Faults of the manifest. There are none: it is built in, and a test reads it.
pub fn manifest() -> Result<Vec<Model>, Problems> {
    parse(MANIFEST)
}

/// Reads a manifest.
///
/// # Errors
/// Its faults.
pub fn parse(text: &str) -> Result<Vec<Model>, Problems> {
    Document::new("models/manifest.toml", text).read(|root| {
        let listed = root.need("model", "[[model]]").and_then(|v| v.array()).unwrap_or_default();
        let models = listed.iter().filter_map(|v| v.section()).filter_map(entry).collect();
        root.end();
        models
    })
}

fn entry(section: Section<'_>) -> Option<Model> {
    let text = |name: &str| section.need(name, &format!("{name} = \"…\"")).and_then(|v| v.string());
    let (name, what, licence) = (text("name")?, text("what")?, text("licence")?);
    let (sha256, _url) = (text("sha256")?, text("url")?);
    let size = section.need("size", "size = 43550795")?.integer(1..=i64::MAX)?;
    if !is_sha256(&sha256.value) {
        section.problem_at(&sha256, "64 lower-case hexadecimal digits are needed");
    }
    section.get("boards").and_then(|v| v.array());
    section.end();
    Some(Model { name: name.value, what: what.value, size: size as u64, sha256: sha256.value, licence: licence.value })
}

/// Whether `text` has the form of a SHA-256.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The manifest's entry for `name`.
///
/// # Errors
/// [`ModelError::Unknown`].
pub fn known(name: &str) -> Result<Model, ModelError> {
    let mut all = manifest().unwrap_or_default();
    match all.iter().position(|m| m.name == name) {
        Some(i) => Ok(all.swap_remove(i)),
        None => {
            let known = all.into_iter().map(|m| m.name).filter(|n| n != SILERO).collect();
            Err(ModelError::Unknown { name: name.into(), known })
        }
    }
}

/// The directories that are searched for models: only `$HEARKEN_MODELS` if it is set; else the package's directory,
/// then `models/` beside the program or in a directory above it, as in a checkout.
pub fn directories() -> Vec<PathBuf> {
    if let Some(dir) = std::env::var_os("HEARKEN_MODELS").filter(|d| !d.is_empty()) {
        return vec![dir.into()];
    }
    let program = std::env::current_exe().and_then(|p| p.canonicalize()).unwrap_or_default();
    let beside = program.ancestors().skip(1).map(|dir| dir.join("models")).filter(|dir| dir.is_dir());
    std::iter::once(PathBuf::from(INSTALLED)).chain(beside).collect()
}

/// A model file that was compared with the SHA-256 of the manifest or of the user.
#[derive(Debug)]
pub struct Verified {
    /// Its path.
    pub path: PathBuf,
    /// The file that was compared, open.
    pub file: File,
    /// The bytes that were compared.
    pub bytes: Vec<u8>,
}

/// Whether the model `name` is not one of the manifest: its SHA-256 is given and differs from the manifest's.
pub fn is_foreign(name: &str, sha256: Option<&str>) -> bool {
    sha256.is_some_and(|sha256| known(name).map_or(true, |model| model.sha256 != sha256))
}

/// Finds, reads and compares the model `name`: a file name of the manifest, or with the user's own `sha256` any file
/// name or path. Blocks for some 100 ms with a file of 40 MB.
///
/// # Errors
/// [`ModelError`]: unknown, missing, not what the manifest or `sha256` says, or no Whisper model at all.
pub fn verified(name: &str, sha256: Option<&str>) -> Result<Verified, ModelError> {
    let listed = if is_foreign(name, sha256) { None } else { Some(known(name)?) };
    let looked = if name.contains('/') { vec![PathBuf::new()] } else { directories() };
    let path = looked.iter().map(|dir| dir.join(name)).find(|path| path.exists());
    match (path, listed) {
        (None, _) => Err(ModelError::Missing { name: name.into(), looked }),
        (Some(path), Some(model)) => compare(path, &model),
        (Some(path), None) => compare_foreign(path, name, sha256.unwrap_or_default()),
    }
}

fn compare_foreign(path: PathBuf, name: &str, sha256: &str) -> Result<Verified, ModelError> {
    let size = std::fs::metadata(&path).map_or(0, |m| m.len());
    if size > MOST_BYTES {
        return Err(ModelError::Unusable { path, fault: format!("{size} bytes are too many for a Whisper model") });
    }
    let (what, licence) = Default::default();
    let verified = compare(path, &Model { name: name.into(), what, size, sha256: sha256.into(), licence })?;
    match header::objection(&verified.bytes) {
        Some(fault) => Err(ModelError::Unusable { path: verified.path, fault }),
        None => Ok(verified),
    }
}

fn compare(path: PathBuf, model: &Model) -> Result<Verified, ModelError> {
    match read(&path, model.size) {
        Ok((file, bytes)) if bytes.len() as u64 == model.size => {
            let found = hex(&Sha256::digest(&bytes));
            if found == model.sha256 {
                return Ok(Verified { path, file, bytes });
            }
            let fault = format!("its SHA-256 is {found}, not {}", model.sha256);
            Err(ModelError::Wrong { path, fault })
        }
        Ok((file, _)) => {
            let found = file.metadata().map_or(0, |m| m.len());
            Err(ModelError::Wrong { path, fault: format!("it has {found} bytes, not {}", model.size) })
        }
        Err(None) => Err(ModelError::Wrong { path, fault: "it is not a regular file".into() }),
        Err(Some(cause)) => Err(ModelError::Io { path, cause }),
    }
}

/// Opens the file and reads at most one byte more than `size`. The error is `None` if it is not a regular file.
fn read(path: &Path, size: u64) -> Result<(File, Vec<u8>), Option<std::io::Error>> {
    // Checks the metadata first, because opening a FIFO would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(None);
    }
    let file = File::open(path)?;
    let mut bytes = Vec::with_capacity(size as usize + 1);
    (&file).take(size + 1).read_to_end(&mut bytes)?;
    Ok((file, bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_reads_and_lists_the_defaults() {
        let models = manifest().unwrap();
        assert!(models.iter().any(|m| m.name == SILERO));
        assert_eq!(known("ggml-tiny.en-q8_0.bin").unwrap().size, 43_550_795);
    }

    #[test]
    fn an_unknown_model_is_refused_with_the_names_there_are() {
        let error = known("ggml-huge.bin").unwrap_err().to_string();
        assert!(
            error.contains(
                "\"ggml-huge.bin\" is not in the manifest and has no sha256; there are: ggml-tiny.en-q8_0.bin"
            ),
            "{error}"
        );
    }

    #[test]
    fn a_model_is_foreign_unless_the_manifest_has_its_hash() {
        let name = "ggml-tiny.en-q8_0.bin";
        let ours = known(name).unwrap().sha256;
        assert!(!is_foreign(name, None) && !is_foreign(name, Some(&ours)));
        assert!(is_foreign(name, Some(&"0".repeat(64))) && is_foreign("/tmp/mine.bin", Some(&ours)));
    }

    #[test]
    fn a_model_has_the_table_that_was_made_for_its_hash() {
        let [default, other] = TABLES.map(|table| known(table.model).unwrap().sha256);
        let cases = [
            (TABLES[0].model, None, Some(TABLES[0].model)),
            (TABLES[1].model, None, Some(TABLES[1].model)),
            ("/tmp/mine.bin", Some(other.as_str()), Some(TABLES[1].model)),
            (TABLES[1].model, Some(default.as_str()), Some(TABLES[0].model)),
            ("/tmp/mine.bin", Some("0"), None),
            ("ggml-huge.bin", None, None),
        ];
        for (name, sha256, expected) in cases {
            assert_eq!(table(name, sha256).map(|table| table.model), expected, "{name}, {sha256:?}");
        }
    }

    #[test]
    fn a_file_that_differs_is_refused_with_the_difference() {
        let dir = tempfile::tempdir().unwrap();
        let model = Model {
            name: "m".into(),
            what: String::new(),
            size: 4,
            sha256: hex(&Sha256::digest(b"good")),
            licence: String::new(),
        };
        let refused = |bytes: &[u8]| {
            let path = dir.path().join("m");
            std::fs::write(&path, bytes).unwrap();
            compare(path, &model).map(|v| v.bytes).map_err(|e| e.to_string())
        };
        assert_eq!(refused(b"good"), Ok(b"good".to_vec()));
        assert!(refused(b"goo").unwrap_err().contains("it has 3 bytes, not 4; copy it again"));
        assert!(refused(b"good and more").unwrap_err().contains("it has 13 bytes, not 4"));
        assert!(refused(b"goad").unwrap_err().contains("its SHA-256 is "));
        let directory = compare(dir.path().into(), &model).unwrap_err().to_string();
        assert!(directory.contains("it is not a regular file"), "{directory}");
    }
}
