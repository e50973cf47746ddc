//! Which servers are trusted on connections that are encrypted. Blocks while files are read.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificates of the authorities that are trusted: those in `file` (PEM), or without one those that this machine
/// trusts, which Debian has in its package ca-certificates.
///
/// # Errors
/// A file that cannot be read, with its name; `InvalidData` if there is no certificate.
pub fn authorities(file: Option<&Path>) -> io::Result<Vec<CertificateDer<'static>>> {
    let none = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let Some(file) = file else {
        let found = rustls_native_certs::load_native_certs().certs;
        let missing = || none("this machine trusts no server; install the package ca-certificates".into());
        return if found.is_empty() { Err(missing()) } else { Ok(found) };
    };
    let named = |cause: io::Error| io::Error::new(cause.kind(), format!("{}: {cause}", file.display()));
    let text = std::fs::read(file).map_err(named)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = all.map_err(|error| named(none(format!("no certificate in PEM: {error}"))))?;
    if found.is_empty() { Err(named(none("there is no certificate in it".into()))) } else { Ok(found) }
}

/// What a client needs that trusts these [`authorities`].
///
/// # Errors
/// As [`authorities`], and certificates of which none can be used.
pub fn client(file: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let (used, _ignored) = roots.add_parsable_certificates(authorities(file)?);
    if used == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no certificate in it can be used"));
    }
    let versions = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = versions.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}
