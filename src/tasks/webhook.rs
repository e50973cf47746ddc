//! Sends a request by HTTP with a body of JSON. This is the one file that knows the HTTP client.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::act::task::Post;
use crate::report::Fate;
use crate::runtime::stop::{POLL_INTERVAL, Stop};
use crate::runtime::tls;

/// Pause before the second attempt; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Sends `body` to the address of `post`, and again after a fault that may pass: no answer in time, no connection, or
/// an answer of 408, 429 or 5xx. Returns the number of attempts too. Nothing of an answer but its status is read, and a
/// redirection is not followed. Blocks for the limit of each attempt and the pauses between them.
pub fn send(post: &Post, body: &Map<String, Value>, stop: &Stop) -> (Fate, u32) {
    let text = Value::Object(body.clone()).to_string();
    let agent = match agent(post) {
        Ok(agent) => agent,
        Err(error) => return (Fate::Failed(error.to_string()), 0),
    };
    let mut pause = FIRST_PAUSE;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let (why, may_pass) = match attempt_once(&agent, &post.url, &text) {
            Ok(()) => return (Fate::Done, attempt),
            Err(fault) => fault,
        };
        if !may_pass || attempt > post.retries {
            return (Fate::Failed(why), attempt);
        }
        if !slept(pause, stop) {
            return (Fate::Stopped, attempt);
        }
        pause *= 2;
    }
}

/// A client for the address of `post`, which trusts the authorities that it names.
///
/// # Errors
/// Certificates that cannot be read.
pub(super) fn agent(post: &Post) -> io::Result<Agent> {
    let mut encryption = TlsConfig::builder().unversioned_rustls_crypto_provider(tls::provider());
    if post.url.starts_with("https:") {
        let trusted = tls::authorities(post.ca_file.as_deref())?;
        let trusted = trusted.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
        encryption = encryption.root_certs(RootCerts::Specific(Arc::new(trusted)));
    }
    let config = Agent::config_builder()
        .tls_config(encryption.build())
        .timeout_global(Some(post.limit))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        // The service has no business with a proxy that happens to be in its environment.
        .proxy(None)
        .max_idle_connections(0)
        .user_agent(concat!("hearken/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(config.new_agent())
}

/// Sends once. The error says why it failed, and whether another attempt may succeed.
fn attempt_once(agent: &Agent, url: &str, text: &str) -> Result<(), (String, bool)> {
    let answer = agent.post(url).content_type("application/json").send(text);
    let status = answer.map_err(|error| (error.to_string(), true))?.status().as_u16();
    match status {
        200..=299 => Ok(()),
        status => Err((format!("the answer was {status}"), matches!(status, 408 | 429 | 500..=599))),
    }
}

/// Sleeps. Returns false if `stop` was raised meanwhile.
fn slept(time: Duration, stop: &Stop) -> bool {
    let begun = Instant::now();
    while !stop.raised() {
        let left = time.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(POLL_INTERVAL));
    }
    false
}
