//! Services that every thread of the program uses.

/// The check that this processor can run the program.
pub mod cpu;
/// A bounded queue that drops its oldest item.
pub mod mailbox;
/// How the threads of one inference wait for each other.
pub mod openmp;
/// Limits of this process.
pub mod process;
/// Secrets from files.
pub mod secret;
/// Notifications to the service manager, such as "ready".
pub mod service;
/// Questions to the running daemon over a Unix socket, and its answers.
pub mod status;
/// The flag that stops all threads.
pub mod stop;
/// Which servers are trusted on connections that are encrypted.
pub mod tls;
