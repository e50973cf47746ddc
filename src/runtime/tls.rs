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
/// A file that cannot be read; `InvalidData` if there is no certificate.
pub fn authorities(file: Option<&Path>) -> io::Result<Vec<CertificateDer<'static>>> {
    let none = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let found = match file {
        Some(file) => {
            let text = std::fs::read(file)?;
            let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
            all.map_err(|error| none(format!("no certificate in PEM: {error}")))?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    match (found.is_empty(), file) {
        (false, _) => Ok(found),
        (true, Some(_)) => Err(none("there is no certificate in it".into())),
        (true, None) => Err(none("this machine trusts no server; install the package ca-certificates".into())),
    }
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
