//! Hearken hears a spoken command, offline, and switches GPIO pins.
//!
//! ```text
//!  cpal's thread  |              listener                              |       decider      | actuator
//!  samples -> ring -> Frame -> Voice -> Cue -> Utterance -> Recording -> Heard -> Verdict -> Action -> pins -> report
//! ```
//! Data flows one way, from the microphone to the pins. The modules below are listed so that each uses only those above
//! it; `tests/house.rs` checks this. The threads of the daemon are started in `daemon`.

/// Services for every thread: the stop flag, bounded queues, the service manager, the status socket, the processor
/// check.
pub mod runtime;

/// Reading a TOML file, with the line and column of every fault.
pub mod document;

/// Sound input: turns a microphone or a WAV file into frames of 16 kHz mono samples.
pub mod audio;

/// Everything that depends on the spoken language: numbers, spellings and the sounds of words.
pub mod language;

/// Recording of utterances: the speech detector, the endpoint detector, and scratch files that leave nothing on a disk.
pub mod utterance;

/// The user's sentences: compiles templates into a word graph.
pub mod grammar;

/// Recognition: finds the sentence that fits a sound best, with Whisper, its model files and the search.
pub mod recognize;

/// Carrying out commands: outputs, their limits, their states, and the drivers of the pins.
pub mod act;

/// The decision to accept or reject an utterance: features, the weights of each model, and rules.
pub mod decide;

/// Reports of what happened, for people and for programs.
pub mod report;

/// Publishing to an MQTT broker, in the form that Home Assistant reads, and what a message from there asks for.
pub mod publish;

/// Tasks: what commands do besides switching outputs. Running programs, sending requests, and publishing messages.
pub mod tasks;

/// Servers for other programs: recordings that come over the network, decided like those of the microphone.
pub mod serve;

/// The configuration: reads one TOML file into checked settings; the boards; warnings about weak configurations.
pub mod config;

/// The daemon: its threads, and the queues between them.
pub mod daemon;

/// Measuring how well a configuration works on recorded sound.
pub mod measure;

/// The command line.
pub mod cli;
