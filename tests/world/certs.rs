//! An authority, and what it signs: a server's certificate, an expired one, one of a client.

use std::{fs, path::Path};

/// In the folder: `ca.pem`; `cert.pem`, `key.pem` of `localhost`; `expired.pem` with
/// `expired-key.pem`; `client.pem`, `client-key.pem`.
pub(crate) fn certificates(folder: &Path) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "gridpost test authority");
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(params, ca_key);
    fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    let sign = |names: &[&str], cert: &str, key: &str, until: Option<i32>| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        if let Some(year) = until {
            params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
        }
        let pair = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&pair, &issuer).unwrap();
        fs::write(folder.join(cert), certificate.pem()).unwrap();
        fs::write(folder.join(key), pair.serialize_pem()).unwrap();
    };
    sign(&["localhost", "127.0.0.1"], "cert.pem", "key.pem", None);
    sign(&["localhost", "127.0.0.1"], "expired.pem", "expired-key.pem", Some(2020));
    sign(&["gateway"], "client.pem", "client-key.pem", None);
}
