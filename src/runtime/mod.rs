//! What every thread of the program needs.

/// The processor that this program needs.
pub mod cpu;
/// A bounded queue that drops its oldest item.
pub mod mailbox;
/// How the threads of an inference wait for each other.
pub mod openmp;
/// Limits of this process.
pub mod process;
/// What the service manager is told.
pub mod service;
/// How the running daemon is, over a Unix socket.
pub mod status;
/// The one flag that ends everything.
pub mod stop;
