//! TLS as a server: certificate and key from PEM files, read anew at each handshake, so that a renewed one is used.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::file_stamp::read_file;

/// A connection that has not finished its handshake within this time is closed.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// A connection, plain or not.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Certificate chain and private key of a listener.
#[derive(Clone, Debug)]
pub struct ServerTls {
    cert_file: PathBuf,
    key_file: PathBuf,
}

/// `tls_cert_file` and `tls_key_file` of a section that listens.
#[derive(Clone, Copy)]
pub struct ListenKeys<'c> {
    pub cert_file: &'c Option<PathBuf>,
    pub key_file: &'c Option<PathBuf>,
}

impl ListenKeys<'_> {
    /// The error as (key, message): one key without the other, or a file that cannot be used.
    pub fn problem(self) -> Option<(&'static str, String)> {
        match self.pair() {
            Ok(tls) => Some(("tls_cert_file", tls?.acceptor().err()?)),
            Err(problem) => Some(problem),
        }
    }

    /// None without the keys. The error is a sentence that names the key.
    pub fn server(self) -> Result<Option<ServerTls>, String> {
        self.pair().map_err(|(key, message)| format!("{key}: {message}"))
    }

    fn pair(self) -> Result<Option<ServerTls>, (&'static str, String)> {
        match (self.cert_file, self.key_file) {
            (None, None) => Ok(None),
            (Some(cert), Some(key)) => {
                Ok(Some(ServerTls { cert_file: cert.clone(), key_file: key.clone() }))
            }
            (Some(_), None) => Err(("tls_key_file", "tls_cert_file needs tls_key_file too".into())),
            (None, Some(_)) => {
                Err(("tls_cert_file", "tls_key_file needs tls_cert_file too".into()))
            }
        }
    }
}

impl ServerTls {
    /// Reads both files; the error names the one that is wrong.
    fn acceptor(&self) -> Result<TlsAcceptor, String> {
        let read = |path: &PathBuf| {
            read_file(path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))
        };
        let chain: Vec<_> = rustls_pemfile::certs(&mut &read(&self.cert_file)?[..])
            .collect::<Result<_, _>>()
            .map_err(|error| format!("{}: {error}", self.cert_file.display()))?;
        if chain.is_empty() {
            return Err(format!(
                "{}: no certificate in it; expected PEM with BEGIN CERTIFICATE",
                self.cert_file.display()
            ));
        }
        let key = rustls_pemfile::private_key(&mut &read(&self.key_file)?[..])
            .map_err(|error| format!("{}: {error}", self.key_file.display()))?
            .ok_or_else(|| {
                format!(
                    "{}: no private key in it; expected PEM with BEGIN PRIVATE KEY",
                    self.key_file.display()
                )
            })?;
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| {
                format!(
                    "{} and {} do not fit: {error}",
                    self.cert_file.display(),
                    self.key_file.display()
                )
            })?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Takes a connection in: the TLS handshake, where there is TLS. The error is one sentence.
pub async fn handshake(
    tls: Option<&ServerTls>,
    stream: TcpStream,
) -> Result<Box<dyn Wire>, String> {
    // A PUBACK is a few bytes that somebody waits for.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let accepted = timeout(HANDSHAKE_WITHIN, tls.acceptor()?.accept(stream)).await;
    match accepted {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(format!("TLS handshake: {error}")),
        Err(_) => Err("TLS handshake: timed out".into()),
    }
}
