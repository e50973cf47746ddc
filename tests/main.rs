//! The one test crate; each module is a topic.
//!
//! Parts are real where a user has real parts: the built program, the real model, a virtual microphone, a real tmpfs.

#![allow(clippy::unwrap_used, reason = "in a test it is the check")]

mod support;

/// Where the words of a clip end.
#[path = "support/words.rs"]
mod words;

/// Stand-ins that several tests use.
mod parts;

/// Certificates for the servers of tests.
mod certificates;

/// The laws of the house: modules look up only, a crate has one door.
mod house;

/// Configuration files: the shipped ones are good, bad ones are refused in words.
mod configuration;

/// What configurations accept, and what Whisper may write for it.
mod sentences;

/// What holds for any input.
mod laws;

/// The laws on inputs that nobody wrote.
mod properties;

/// The search finds what listing everything finds.
mod searching;

/// Recordings leave nothing behind.
mod scratch;

/// Sound in, recordings out.
mod listening;

/// Commands that are carried out before the silence after them is over.
mod early;

/// The real model on the clips.
mod deciding;

/// What is right of a folder of clips.
mod eval;

/// Thresholds from a folder of clips.
mod calibrate;

/// The weights of the decision, fitted again.
mod fitting;
#[path = "fit/regression.rs"]
#[expect(dead_code, reason = "`make fit` uses more of it")]
mod regression;
#[path = "fit/table.rs"]
mod table;

/// The built program asks for sentences and records them.
mod record;

/// The rules of outputs, by a clock that does not run.
mod outputs;

/// Pins rest, whatever happens.
mod actuator;

/// The built program, its subcommands and exit codes.
mod program;

/// The built daemon on a virtual microphone.
mod daemon;

/// Recordings that come over HTTP.
mod serving;

/// The daemon and a button that is held to talk.
mod talk;

/// The built daemon and a microphone that fails.
mod microphone;

/// The built program's audit of its recordings.
mod audit;

/// What commands do besides switching outputs.
mod tasks;

/// The daemon and a command that waits to be confirmed.
mod confirm;

/// The daemon at a real MQTT broker.
mod mqtt;

/// Metrics, checked by the tools of Prometheus.
mod metrics;

/// Recordings kept as named files, and the sweep.
mod keep;

/// The daemon when a part dies or the kernel refuses.
mod failing;

/// Model files that are not what they should be.
mod models;

/// The explanation of a decision.
mod why;

/// The pages of the book: made from the program where they say so, and true in what they show.
mod book;
