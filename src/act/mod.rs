//! What commands do.

/// Buttons and their contacts.
pub mod buttons;
/// Commands, and what they do to outputs.
pub mod command;
/// Pins: rppal, gpiocdev, simulated.
pub mod gpio;
/// The rules by which actions move outputs.
pub mod outputs;
/// What outputs were asked to be, in a file that outlives the daemon.
pub mod remembered;
/// What the outputs are, for other threads.
pub mod states;
