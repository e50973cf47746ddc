//! What depends on the language that is spoken. The configuration chooses it; English is the only one yet. The modules
//! hold what is English: a second language needs its own of each, and callers that pass [`Language`] on to them.

/// Yes and no.
pub mod answers;
/// Words of a home that have another name.
pub mod names;
/// Numbers in words and digits.
pub mod number;
/// How long people take to say something.
pub mod pace;
/// How words are pronounced, roughly, so that they can be compared.
pub mod pronunciation;
/// The different ways to write the same word.
pub mod spelling;

/// A language that commands may be spoken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
}

impl Language {
    /// Each language's name in a configuration: its code by ISO 639-1, which Whisper uses too.
    pub const NAMES: [(&'static str, Language); 1] = [("en", Language::English)];

    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Language::English => "en",
        }
    }
}
