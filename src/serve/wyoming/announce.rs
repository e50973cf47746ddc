//! Announces the server in the local network, by DNS service discovery over multicast DNS (RFC 6762, RFC 6763), as Home
//! Assistant looks for it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mdns_sd::{DaemonEvent, Receiver, ServiceDaemon, ServiceInfo};

/// The type of the service: that of every Wyoming server.
const SERVICE: &str = "_wyoming._tcp.local.";

/// Longest wait until the network has been told that the server is gone.
const GOODBYE: Duration = Duration::from_millis(200);

/// Time in which the network should have been told.
const SOON: Duration = Duration::from_secs(10);

/// An announcement. It is taken back when this is dropped.
pub struct Announced {
    daemon: ServiceDaemon,
    /// What became of it.
    news: Receiver<DaemonEvent>,
    /// When to complain that it has not been announced; `None` once it is settled.
    due: Option<Instant>,
}

impl Announced {
    /// Announces the server that listens at `address`, which may be all addresses of this machine. `None`, and a warning,
    /// if that fails.
    pub fn new(address: SocketAddr) -> Option<Announced> {
        let announced = announce(address);
        announced.inspect_err(|error| tracing::warn!("the Wyoming server is not announced: {error}")).ok()
    }

    /// Says what became of it since the last call. Does not wait.
    pub fn tell(&mut self) {
        while let Ok(event) = self.news.try_recv() {
            match event {
                DaemonEvent::Announce(name, addresses) if self.due.take().is_some() => {
                    tracing::info!(name, addresses, "announced");
                }
                DaemonEvent::Error(error) => tracing::warn!("multicast DNS: {error}"),
                _ => {}
            }
        }
        if self.due.take_if(|due| *due <= Instant::now()).is_some() {
            tracing::warn!("the Wyoming server is not announced: no network takes it; the service needs AF_NETLINK");
        }
    }
}

fn announce(address: SocketAddr) -> Result<Announced, mdns_sd::Error> {
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let node = node.split('.').next().unwrap_or_default();
    // A name of its own: that of the machine belongs to avahi, which may know other addresses.
    let (instance, host) = (format!("Hearken on {node}"), format!("hearken-{node}.local."));
    let (all, properties) = (address.ip().is_unspecified(), HashMap::<String, String>::new());
    let ip = if all { String::new() } else { address.ip().to_string() };
    let service = ServiceInfo::new(SERVICE, &instance, &host, ip, address.port(), properties)?;
    let daemon = ServiceDaemon::new()?;
    let news = daemon.monitor()?;
    daemon.register(if all { service.enable_addr_auto() } else { service })?;
    Ok(Announced { daemon, news, due: Some(Instant::now() + SOON) })
}

impl Drop for Announced {
    fn drop(&mut self) {
        let _ended_already = self.daemon.shutdown().map(|ended| ended.recv_timeout(GOODBYE));
    }
}
