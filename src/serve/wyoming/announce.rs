//! Announces the server in the local network, by DNS service discovery over multicast DNS (RFC 6762, RFC 6763), as Home
//! Assistant looks for it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use mdns_sd::{ServiceDaemon, ServiceInfo};

/// The type of the service: that of every Wyoming server.
const SERVICE: &str = "_wyoming._tcp.local.";

/// Longest wait until the network has been told that the server is gone.
const GOODBYE: Duration = Duration::from_millis(200);

/// An announcement. It is taken back when this is dropped.
pub struct Announced(ServiceDaemon);

/// Announces the server that listens at `address`, which may be all addresses of this machine. `None`, and a warning, if
/// that fails.
pub fn announce(address: SocketAddr) -> Option<Announced> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let announced = ServiceDaemon::new().and_then(|daemon| {
        let (instance, host) = (format!("Hearken on {host}"), format!("{host}.local."));
        let (all, more) = (address.ip().is_unspecified(), HashMap::<String, String>::new());
        let ip = if all { String::new() } else { address.ip().to_string() };
        let service = ServiceInfo::new(SERVICE, &instance, &host, ip, address.port(), more)?;
        daemon.register(if all { service.enable_addr_auto() } else { service })?;
        tracing::info!(instance, "announced");
        Ok(Announced(daemon))
    });
    announced.inspect_err(|error| tracing::warn!("the Wyoming server is not announced: {error}")).ok()
}

impl Drop for Announced {
    fn drop(&mut self) {
        let _ended_already = self.0.shutdown().map(|ended| ended.recv_timeout(GOODBYE));
    }
}
