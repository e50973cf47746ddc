//! Certificates for the servers of tests.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The certificates, as files, for a server on 127.0.0.1, and the authority that they come from.
pub struct Certificates {
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificates {
    pub fn new_in(dir: &Path, name: &str) -> Certificates {
        let at = |what: &str| dir.join(format!("{name}-{what}.pem"));
        let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        let authority = parameters.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(parameters, authority_key);
        let server = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().signed_by(&key, &issuer).unwrap();
        let written = Certificates { authority: at("authority"), certificate: at("certificate"), key: at("key") };
        fs::write(&written.authority, authority.pem()).unwrap();
        fs::write(&written.certificate, server.pem()).unwrap();
        fs::write(&written.key, key.serialize_pem()).unwrap();
        written
    }
}
