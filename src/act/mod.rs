//! Carrying out commands: outputs, their limits and states, and pins.

/// Buttons, and the debouncing of their contacts.
pub mod buttons;
/// Commands, outputs, and what commands do to outputs.
pub mod command;
/// Pins, with three drivers: rppal, gpiocdev and simulated.
pub mod gpio;
/// The rules by which actions change outputs.
pub mod outputs;
/// The requested states of outputs, in a file that is read after a restart.
pub mod remembered;
/// The states of the outputs, for other threads.
pub mod states;
/// What commands do besides switching outputs.
pub mod task;
