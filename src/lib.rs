//! Hearken hears a spoken command, offline, and switches GPIO pins.
//!
//! ```text
//!  cpal's thread  |              hearken-ear                           |        main                 | hearken-hands
//!  samples -> ring -> Frame -> Voice -> Cue -> Utterance -> Recording -> Heard -> Verdict -> Action -> pins -> report
//! ```
//! Data goes one way, from the microphone to the pins. The modules stand here in that order, and a module uses only those
//! above it: this list is the map and the rule (`tests/house.rs` holds the code to it).

/// A TOML file read with the place of every fault.
pub mod document;

/// Frames of sound, and where they come from: a microphone, a WAV file.
pub mod audio;

/// Frame to voice: is this speech?
pub mod vad;

/// Voices to cues: where an utterance begins and ends.
pub mod endpoint;

/// Unnamed, size-capped recordings on tmpfs.
pub mod scratch;

/// The one flag that ends everything.
pub mod stop;

/// A bounded queue that drops its oldest item.
pub mod mailbox;

/// What the service manager is told.
pub mod service;

/// The user's sentences: templates to a word graph.
pub mod grammar;

/// Model files, compared with the manifest before they are loaded.
pub mod models;

/// Sound to the sentence that it supports best.
pub mod recognize;

/// Accept or reject, and why: features, their weights by the model, rules.
pub mod decide;

/// Pins: rppal, gpiocdev, simulated.
pub mod gpio;

/// What each board's header is like.
pub mod board;

/// Outputs, and what commands do to them.
pub mod command;

/// The rules by which actions move outputs.
pub mod outputs;

/// What the outputs are, for other threads.
pub mod panel;

/// What outputs were asked to be, in a file that outlives the daemon.
pub mod memory;

/// What happened, for people and programs.
pub mod report;

/// Named files: recordings that were asked for, and the sweep.
pub mod keep;

/// How the running daemon is, over a Unix socket.
pub mod status;

/// Thread: buttons to commands.
pub mod buttons;

/// Thread: what can wait: kept recordings, the sweep, the status.
pub mod keeper;

/// Thread: sound to recordings.
pub mod ear;

/// Thread: recordings to decisions.
pub mod mind;

/// Thread: decisions to pins.
pub mod hands;

/// How well a configuration does on recorded sound.
pub mod eval;

/// Thresholds from recordings.
pub mod calibrate;

/// Recordings of the user's own sentences, for `eval`.
pub mod record;

/// The configuration file.
pub mod config;

/// What a good configuration is warned of.
pub mod lint;

/// The processor that this program needs.
pub mod cpu;

/// How the threads of an inference wait for each other.
pub mod openmp;

/// What ends the program, and its exit code.
pub mod error;

/// A foreign model, loaded in a process of its own first.
pub mod trial;

/// All parts together.
pub mod daemon;

/// The command line.
pub mod cli;
