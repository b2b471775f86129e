//! One HTTP client of a sink: made anew when its certificates change; what an answer means, in one sentence.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode,
    header::{self, HeaderMap, HeaderValue},
};

use super::Config;
use crate::{
    sinks::sink::DeliverError,
    wire::{
        client_tls::explain,
        file_stamp::{FileStamp, read_text},
    },
};

/// What is kept of an answer that refuses something, bytes.
const ANSWER_BYTES_MAX: usize = 1024;
/// More than this of an answer is not read; its connection is not used again.
const DRAIN_BYTES_MAX: usize = 64 * 1024;
/// An answer that is not whole by then costs its connection, not the lane's time.
const DRAIN_WITHIN: Duration = Duration::from_millis(200);
/// Unused for so long, a connection is not trusted: on the way, NAT forgets it silently.
const IDLE_MAX: Duration = Duration::from_secs(20);

pub(super) struct Link {
    pub(super) config: Config,
    /// For one request, or without progress.
    pub(super) within: Duration,
    client: Option<(FileStamp, Client)>,
    token: Option<(FileStamp, HeaderValue)>,
}

impl Link {
    /// Reads nothing: a missing file is a reason to try again, not to be down (P6).
    pub(super) fn new(config: &Config) -> Self {
        let within = Duration::from_secs(config.timeout_s.max(1));
        Self { config: config.clone(), within, client: None, token: None }
    }

    /// A request with our token, by a client with the certificates of this moment.
    pub(super) fn request(
        &mut self,
        method: Method,
        url: url::Url,
    ) -> Result<RequestBuilder, DeliverError> {
        let token = self.token()?;
        let mut request = self.client()?.request(method, url);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, token);
        }
        Ok(request)
    }

    fn client(&mut self) -> Result<Client, DeliverError> {
        let tls = self.config.tls();
        let stamp = FileStamp::of(tls.files());
        if let Some((made, client)) = &self.client
            && *made == stamp
        {
            return Ok(client.clone());
        }
        // The old one's connections were made with the old certificates.
        self.client = None;
        let mut tls = tls.config().map_err(DeliverError::retry)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = Client::builder()
            .use_preconfigured_tls(tls)
            .connect_timeout(self.within)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(IDLE_MAX)
            .build()
            .map_err(|error| DeliverError::retry(chain(&error)))?;
        self.client = Some((stamp, client.clone()));
        Ok(client)
    }

    fn token(&mut self) -> Result<Option<HeaderValue>, DeliverError> {
        let Some(path) = &self.config.token_file else { return Ok(None) };
        let stamp = FileStamp::of([path]);
        if let Some((read, token)) = &self.token
            && *read == stamp
        {
            return Ok(Some(token.clone()));
        }
        let wrong =
            |what: &str| DeliverError::retry(format!("token_file {}: {what}", path.display()));
        let text = read_text(path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        let text = text.trim();
        if text.is_empty() {
            return Err(wrong("is empty; expected a bearer token"));
        }
        let mut token = HeaderValue::from_str(&format!("Bearer {text}"))
            .map_err(|_| wrong("has characters that no header can carry; expected one line"))?;
        token.set_sensitive(true);
        self.token = Some((stamp, token.clone()));
        Ok(Some(token))
    }

    /// Why there was no answer. The url may hold credentials: it is left out.
    pub(super) fn broken(&self, error: reqwest::Error) -> DeliverError {
        let error = error.without_url();
        let why = if error.is_timeout() && error.is_connect() {
            format!("no connection within {:?}", self.within)
        } else if error.is_timeout() {
            format!("no whole answer within {:?}", self.within)
        } else if error.is_connect() {
            format!("cannot connect: {}", chain(&error))
        } else {
            format!("the connection broke before an answer: {}", chain(&error))
        };
        DeliverError::retry(explain(why))
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Delivered,
    Refused,
    Later,
}

/// As `gateway/docs/contract.md` says of delivery: what is not clearly refused for good is tried again.
pub(super) fn judge(status: StatusCode) -> Judgement {
    match status.as_u16() {
        200..=299 | 409 => Judgement::Delivered,
        400 | 413 | 415 | 422 => Judgement::Refused,
        _ => Judgement::Later,
    }
}

/// Reads the rest of an answer that nobody needs, so that its connection can be used again.
pub(super) async fn drain(answer: Response) {
    let _ = tokio::time::timeout(DRAIN_WITHIN, body(answer, DRAIN_BYTES_MAX)).await;
}

/// The beginning of an answer that says in its body what it means.
pub(super) async fn whole(answer: Response) -> Vec<u8> {
    tokio::time::timeout(DRAIN_WITHIN, body(answer, DRAIN_BYTES_MAX)).await.unwrap_or_default()
}

/// All of an answer that says in its body what it means; the error is that it was cut off or has no
/// end. How long it may take, the request says.
pub(super) async fn all_of(mut answer: Response, bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut kept = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if kept.len() + chunk.len() > bytes_max => {
                return Err(format!("answered with more than {bytes_max} bytes"));
            }
            Ok(Some(chunk)) => kept.extend_from_slice(&chunk),
            Ok(None) => return Ok(kept),
            Err(error) => {
                let why = chain(&error.without_url());
                return Err(format!("the answer broke off: {why}"));
            }
        }
    }
}

/// Refused for good, with the beginning of the answer.
pub(super) async fn refusal(answer: Response) -> DeliverError {
    let status = answer.status();
    let kept = tokio::time::timeout(DRAIN_WITHIN, body(answer, ANSWER_BYTES_MAX)).await;
    let kept = kept.unwrap_or_default();
    DeliverError::Reject { answer: format!("{status}: {}", String::from_utf8_lossy(&kept).trim()) }
}

/// To be tried again, when the answer says or the back-off does.
pub(super) async fn later(answer: Response) -> DeliverError {
    let after_ms = retry_after_ms(answer.headers());
    let reason = match answer.status() {
        status @ StatusCode::UNAUTHORIZED => format!("answered {status}; is the token right?"),
        status if status.is_redirection() => {
            format!("answered {status}; redirects are not followed, give the new address as url")
        }
        status => format!("answered {status}"),
    };
    drain(answer).await;
    DeliverError::Retry { reason, after_ms }
}

/// At most so many bytes of it; a break in the middle ends it.
async fn body(mut answer: Response, bytes_max: usize) -> Vec<u8> {
    let mut kept = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        let room = bytes_max.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if room <= chunk.len() {
            break;
        }
    }
    kept
}

/// Seconds, or an HTTP date. The date is compared with the answer's own `Date`, so that a wrong
/// clock on this box changes nothing; without a `Date` it is ignored.
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    // A wrong day of the week is no reason to refuse a date.
    let parser = DateTimeParser::new().relaxed_weekday(true);
    let until = parser.parse_timestamp(text).ok()?;
    let date = parser.parse_timestamp(headers.get(header::DATE)?.to_str().ok()?.trim()).ok()?;
    Some(u64::try_from(until.duration_since(date).as_millis()).unwrap_or(0))
}

/// An error with its causes, without those that only say that something went wrong.
fn chain(error: &dyn std::error::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let says = !["error sending request", "client error", "error sending request for url"]
            .iter()
            .any(|empty| text.starts_with(empty));
        if says && parts.last() != Some(&text) {
            parts.push(text);
        }
        next = error.source();
    }
    if parts.is_empty() { error.to_string() } else { parts.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_as_the_contract_says() {
        for (status, expected) in [
            (200, Judgement::Delivered),
            (202, Judgement::Delivered),
            (409, Judgement::Delivered),
            (400, Judgement::Refused),
            (413, Judgement::Refused),
            (415, Judgement::Refused),
            (422, Judgement::Refused),
            (301, Judgement::Later),
            (401, Judgement::Later),
            (403, Judgement::Later),
            (404, Judgement::Later),
            (429, Judgement::Later),
            (500, Judgement::Later),
            (503, Judgement::Later),
        ] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_other_ends_own_clock() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (after, date, expected) in [
            ("7", None, Some(7_000)),
            (" 7 ", None, Some(7_000)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(date), Some(10_000)),
            ("Mon, 06 Nov 1994 08:49:47 GMT", Some(date), Some(10_000)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(date), Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", None, None),
            ("soon", Some(date), None),
            ("-1", Some(date), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, after.parse().unwrap());
            headers.extend(date.map(|date| (header::DATE, date.parse().unwrap())));
            assert_eq!(retry_after_ms(&headers), expected, "{after:?} at {date:?}");
        }
    }
}
