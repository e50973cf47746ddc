//! Hearken hears a spoken command, offline, and switches GPIO pins.
//!
//! ```text
//!  cpal's thread  |              listener                              |       decider      | actuator
//!  samples -> ring -> Frame -> Voice -> Cue -> Utterance -> Recording -> Heard -> Verdict -> Action -> pins -> report
//! ```
//! Data goes one way, from the microphone to the pins. The rooms of the program stand here in an order in which each uses only
//! those above it: this list is the map and the rule (`tests/house.rs` holds the code to it). Threads live in `daemon` alone.

/// What every thread needs: the stop flag, bounded queues, the service manager, the status socket, the processor.
pub mod runtime;

/// A TOML file read with the place of every fault.
pub mod document;

/// Sound in: a microphone or a WAV file to frames of 16 kHz mono.
pub mod audio;

/// What depends on the language that is spoken: numbers, spellings, sounds, time.
pub mod language;

/// Frames to a recording that leaves nothing behind: speech or not, where an utterance begins and ends, scratch files.
pub mod utterance;

/// The user's sentences: templates to a word graph.
pub mod grammar;

/// Sound to the sentence that it supports best: Whisper, its models, the search.
pub mod recognize;

/// What commands do: outputs, their rules, their states, pins.
pub mod act;

/// Accept or reject, and why: features, their weights by the model, rules.
pub mod decide;

/// What happened, for people and programs.
pub mod report;

/// One TOML file to checked settings; boards; what a good configuration is warned of.
pub mod config;

/// The threads in the order of the data, and what joins them.
pub mod daemon;

/// How well a configuration does on recorded sound.
pub mod measure;

/// The command line.
pub mod cli;
