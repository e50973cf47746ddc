//! Servers for other programs: recordings that come over the network are decided like those of the microphone.
//!
//! There is no server unless the configuration asks for it. What comes in is limited in size, number and time, is held
//! in scratch until it is decided, and leaves nothing behind, whatever becomes of the sender.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::audio::SAMPLE_RATE;
use crate::utterance::endpoint::EndpointSettings;
use crate::utterance::scratch::ScratchSettings;

pub mod access;
pub mod answer;
pub mod http;
pub mod queue;
mod upload;
pub mod wyoming;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A TCP port at an address of this machine.
    Tcp(SocketAddr),
    /// A Unix socket, which only this user and root can use.
    Unix(PathBuf),
}

impl Address {
    /// Reads `127.0.0.1:8765`, `[::1]:8765` or `unix:/run/hearken/http.sock`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Address> {
        match text.strip_prefix("unix:") {
            Some(path) => path.starts_with('/').then(|| Address::Unix(path.into())),
            None => text.parse().ok().map(Address::Tcp),
        }
    }

    /// Whether only programs on this machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Tcp(address) => address.ip().is_loopback(),
            Address::Unix(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The settings of the HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeSettings {
    /// Where it listens.
    pub listen: Address,
    /// The file with the token that every request must have, or the name of a systemd credential. It must be there
    /// unless the address is local.
    pub token_file: Option<PathBuf>,
    /// Whether an upload may switch outputs if it asks for that.
    pub act: bool,
    /// Most bytes of one upload.
    pub max_bytes: u64,
    /// Most uploads that are taken or wait at the same time.
    pub uploads: usize,
    /// Longest time in which an upload must have come in.
    pub timeout: Duration,
}

impl Default for ServeSettings {
    fn default() -> Self {
        ServeSettings {
            listen: Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 8765))),
            token_file: None,
            act: false,
            max_bytes: 4 << 20,
            uploads: 8,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Bytes that uploads may take in scratch: all but what the microphone needs, which is an utterance that is recorded,
/// two that wait, and one that is decided, each as long as one may be.
pub fn room(scratch: &ScratchSettings, endpoint: &EndpointSettings) -> u64 {
    const FOR_THE_MICROPHONE: u64 = 4;
    let bytes_a_second = u64::from(SAMPLE_RATE) * 2;
    let utterance = endpoint.max_length.as_millis() as u64 * bytes_a_second / 1000;
    scratch.capacity.saturating_sub(FOR_THE_MICROPHONE * utterance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_or_a_socket_and_local_or_not() {
        let cases = [
            ("127.0.0.1:8765", Some(true)),
            ("[::1]:1", Some(true)),
            ("0.0.0.0:80", Some(false)),
            ("192.168.1.7:8765", Some(false)),
            ("unix:/run/hearken/http.sock", Some(true)),
            ("unix:http.sock", None),
            ("localhost:8765", None),
            ("8765", None),
        ];
        for (text, local) in cases {
            let address = Address::parse(text);
            assert_eq!(address.as_ref().map(Address::is_local), local, "{text}");
            assert!(address.is_none_or(|address| address.to_string() == text), "{text}");
        }
    }
}
