//! Reads the sections of what other programs use: `[metrics]`, `[serve]` and `[wyoming]`.

use super::{assign, keys};
use crate::document::Section;
use crate::report::metrics::MetricsSettings;
use crate::serve::wyoming::WyomingSettings;
use crate::serve::{self, Address, ServeSettings};
use crate::utterance::endpoint::EndpointSettings;
use crate::utterance::scratch::ScratchSettings;

/// Reads `[metrics]`.
pub fn metrics(section: &Section<'_>) -> MetricsSettings {
    let mut settings = MetricsSettings::default();
    if let Some(file) = keys::METRICS_FILE.text(section) {
        if !(file.value.starts_with('/') && file.value.ends_with(".prom")) {
            section
                .problem_at(&file, "a path from / on that ends in .prom is needed; node_exporter reads no other file");
        }
        settings.file = Some(file.value.into());
    }
    assign(&mut settings.every, keys::METRICS_EVERY.time(section));
    settings
}

/// Reads `[serve]`.
pub fn serve(section: &Section<'_>, scratch: &ScratchSettings, endpoint: &EndpointSettings) -> ServeSettings {
    let token_file = keys::TOKEN_FILE.text(section).map(|file| file.value.into());
    let mut settings = ServeSettings { token_file, ..ServeSettings::default() };
    if let Some(listen) = keys::LISTEN.text(section) {
        match Address::parse(&listen.value) {
            Some(address) if settings.token_file.is_none() && !address.is_local() => section.problem_at(
                &listen,
                "other machines can connect to this address, so token_file is needed: a file with a token that they must show",
            ),
            Some(address) => settings.listen = address,
            None => section.problem_at(
                &listen,
                "an address with a port is needed, as in \"127.0.0.1:8765\", or \"unix:\" and a path from / on",
            ),
        }
    }
    assign(&mut settings.act, keys::ACT.boolean(section));
    if let Some(bytes) = keys::MAX_BYTES.bytes(section) {
        let room = serve::room(scratch, endpoint);
        if bytes > room {
            let what =
                format!("max_bytes is above {room}, the bytes of scratch.capacity that the microphone does not need");
            section.problem(what);
        }
        settings.max_bytes = bytes;
    }
    assign(&mut settings.uploads, keys::UPLOADS.whole(section).map(|n| n as usize));
    assign(&mut settings.timeout, keys::UPLOAD_TIMEOUT.time(section));
    settings
}

/// Reads `[wyoming]`.
pub fn wyoming(section: &Section<'_>) -> WyomingSettings {
    let mut settings = WyomingSettings::default();
    let from = keys::WYOMING_FROM.get(section).map(|v| v.one_or_many()).unwrap_or_default();
    for from in from.iter().filter_map(|value| value.string()) {
        match from.value.parse() {
            Ok(address) => settings.from.push(address),
            Err(_) => section.problem_at(&from, "the address of a machine is needed, as in \"192.168.1.20\""),
        }
    }
    if let Some(listen) = keys::WYOMING_LISTEN.text(section) {
        match listen.value.parse::<std::net::SocketAddr>() {
            Ok(address) if !address.ip().is_loopback() && settings.from.is_empty() => section.problem_at(
                &listen,
                "other machines can connect to this address, so from is needed: the addresses of those that may",
            ),
            Ok(address) => settings.listen = address,
            Err(_) => section
                .problem_at(&listen, "an address of this machine with a port is needed, as in \"127.0.0.1:10300\""),
        }
    }
    assign(&mut settings.act, keys::WYOMING_ACT.boolean(section));
    assign(&mut settings.handle, keys::HANDLE.boolean(section));
    if settings.act && settings.handle {
        section
            .problem("act and handle together would carry out a sentence twice: as it is heard, and as its text comes");
    }
    assign(&mut settings.announce, keys::ANNOUNCE.boolean(section));
    if settings.announce && settings.listen.ip().is_loopback() {
        section.problem("announce is of no use while only this machine can connect; set listen to another address");
    }
    settings
}
