//! One POST to a camera, on a connection of its own: bounded in time and bytes; a redirect is the caller's affair.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};
use url::Url;

use crate::wire::client_tls::explain;

/// A pull of 32 notices has some tens of kilobytes, the profiles of a recorder with 64 channels
/// some hundreds.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// A camera is near; one that is not there must not be waited for.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct HttpAnswer {
    pub(super) status: u16,
    /// Of a 401: what it asks for.
    pub(super) challenges: Vec<String>,
    /// Of a redirect: where to.
    pub(super) location: Option<String>,
    pub(super) body: String,
}

impl HttpAnswer {
    pub(super) fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }
}

/// What is posted.
pub(super) struct Post<'p> {
    pub(super) url: &'p Url,
    pub(super) action: &'p str,
    pub(super) body: String,
    pub(super) authorization: Option<String>,
    /// For `https://`: whom to trust.
    pub(super) tls: Arc<ClientConfig>,
}

/// `within`: from the connection to the answer's last byte. The error is one sentence, without
/// the address.
pub(super) async fn post(post: Post<'_>, within: Duration) -> Result<HttpAnswer, String> {
    let Post { url, action, body, authorization, tls } = post;
    let request = request(url, action, body, authorization)?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let connecting = TcpStream::connect((host.as_str(), port));
    let stream = tokio::time::timeout(CONNECT_WITHIN, connecting)
        .await
        .map_err(|_| format!("no connection within {CONNECT_WITHIN:?}"))?
        .map_err(|error| format!("cannot connect: {error}"))?;
    let talk = async {
        if url.scheme() != "https" {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(host.clone())
            .map_err(|error| format!("its host cannot be asked over TLS: {error}"))?;
        let stream = TlsConnector::from(tls).connect(name, stream).await;
        let stream = stream.map_err(|error| format!("no TLS: {}", explain(error.to_string())))?;
        exchange(stream, request).await
    };
    tokio::time::timeout(within, talk)
        .await
        .map_err(|_| format!("no whole answer within {within:?}"))?
}

fn request(
    url: &Url,
    action: &str,
    body: String,
    authorization: Option<String>,
) -> Result<Request<Full<Bytes>>, String> {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let kind = format!("application/soap+xml; charset=utf-8; action=\"{action}\"");
    let mut request = Request::post(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, kind)
        .header(header::CONNECTION, "close");
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    request.body(Full::from(body)).map_err(|error| format!("its address cannot be asked: {error}"))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<HttpAnswer, String> {
    let broke = |error: hyper::Error| format!("the connection broke: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
    let talk = async move {
        let response = sender.send_request(request).await.map_err(broke)?;
        let status = response.status().as_u16();
        let challenges = response.headers().get_all(header::WWW_AUTHENTICATE).iter();
        let challenges = challenges.filter_map(|one| Some(one.to_str().ok()?.to_owned())).collect();
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|one| Some(one.to_str().ok()?.to_owned()));
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| format!("its answer ended early: {error}"))?.to_bytes();
        // Some cameras write a name in another alphabet: what is no UTF-8 is in no element we read.
        Ok(HttpAnswer {
            status,
            challenges,
            location,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    };
    tokio::pin!(talk, connection);
    let mut over = false;
    loop {
        tokio::select! {
            answer = &mut talk => return answer,
            // What it has read is still to be taken.
            _ = &mut connection, if !over => over = true,
        }
    }
}
