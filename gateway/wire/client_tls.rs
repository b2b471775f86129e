//! TLS as a client: whom to trust and who we are, from PEM files that may be renewed while we run.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
};

use super::file_stamp::read_file;

/// The files; nothing is read before a connection is made.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    /// Authorities to trust; without it, the web's own.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate chain (mutual TLS), with `key_file`.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// The web's own authorities count beside those of `ca_file`.
    pub web_too: bool,
}

impl ClientTls {
    /// All files, for [`super::file_stamp::FileStamp`].
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.ca_file, &self.cert_file, &self.key_file].into_iter().flatten()
    }

    /// The error as (key, message): a certificate without its key, or a key without its certificate.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        match (&self.cert_file, &self.key_file) {
            (Some(_), None) => Some((
                "client_cert_file",
                "client_cert_file needs client_key_file too, the PEM of its private key".into(),
            )),
            (None, Some(_)) => Some((
                "client_key_file",
                "client_key_file needs client_cert_file too, the PEM of its certificate".into(),
            )),
            _ => None,
        }
    }

    /// A warning as (key, message): a file that could not be used if we connected now. It may still come.
    pub fn warning(&self) -> Option<(&'static str, String)> {
        if let Some(Err(reason)) = self.ca_file.as_deref().map(|path| authorities(path).map(drop)) {
            return Some(("ca_file", reason));
        }
        match self.config() {
            Err(reason) if self.cert_file.is_some() => Some(("client_cert_file", reason)),
            _ => None,
        }
    }

    /// Reads the files; the error names the one that is wrong and what was expected.
    pub fn config(&self) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        if self.ca_file.is_none() || self.web_too {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        if let Some(path) = &self.ca_file {
            for authority in authorities(path)? {
                roots.add(authority).map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let (Some(cert), Some(key)) = (&self.cert_file, &self.key_file) else {
            return Ok(builder.with_no_client_auth());
        };
        builder.with_client_auth_cert(authorities(cert)?, private_key(key)?).map_err(|error| {
            format!("{} and {} do not fit: {error}", cert.display(), key.display())
        })
    }
}

/// For a device on the site's own network whose certificate nobody signed: what is said stays
/// between us and whoever answers there, and who that is we do not know.
pub fn any_certificate() -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let any = Arc::new(AnyCertificate(provider));
    Ok(builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth())
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    // Whoever answers may bring a certificate of his own making: whether he holds its key says
    // nothing more, and many devices have one that cannot be read (X.509 version 1).
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Puts the cause that an installer can act on in front of what the TLS library says.
pub fn explain(reason: String) -> String {
    let means = [
        ("certificate expired", "the server's certificate has expired, or our clock is ahead"),
        (
            "certificate not valid yet",
            "the server's certificate is not valid yet, or our clock is behind",
        ),
        (
            "certificate not valid for name",
            "the server's certificate is for another name than the url's",
        ),
        (
            "UnknownIssuer",
            "no authority that we trust signed the server's certificate; see ca_file",
        ),
        ("BadSignature", "no authority that we trust signed the server's certificate; see ca_file"),
        ("received fatal alert", "the server does not accept us; see client_cert_file"),
    ];
    match means.iter().find(|(mark, _)| reason.contains(mark)) {
        Some((_, meaning)) => format!("{meaning} ({reason})"),
        None => reason,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_file(path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))
}

/// All certificates of a PEM file; none is an error.
fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = rustls_pemfile::certs(&mut &read(path)?[..])
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    if found.is_empty() {
        let path = path.display();
        return Err(format!("{path}: no certificate in it; expected PEM with BEGIN CERTIFICATE"));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    rustls_pemfile::private_key(&mut &read(path)?[..])
        .map_err(|error| format!("{}: {error}", path.display()))?
        .ok_or_else(|| {
            let path = path.display();
            format!("{path}: no private key in it; expected PEM with BEGIN PRIVATE KEY")
        })
}
