//! Whether the other end of an HTTP sink answers, and what: one question, and nothing is delivered.

use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use reqwest::{Method, header};

use super::{
    Config,
    link::{Link, drain},
};
use crate::sinks::sink::SinkAnswer;

/// HEAD of the address with our token: every server knows it, and it changes nothing there.
pub(in crate::sinks) async fn ask(config: &Config) -> Result<SinkAnswer, String> {
    let mut link = Link::new(config);
    let request = link
        .request(Method::HEAD, config.url.clone())
        .map_err(|error| error.to_string())?
        .timeout(link.within);
    let answer = request.send().await.map_err(|error| link.broken(error).to_string())?;
    let status = answer.status();
    let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok());
    let its_clock = date.and_then(|date| DateTimeParser::new().parse_zoned(date).ok());
    let told = SinkAnswer {
        says: format!("HTTP {status}"),
        refuses_us: matches!(status.as_u16(), 401 | 403 | 407),
        fails: status.is_server_error() && status.as_u16() != 501,
        its_clock: its_clock.map(|at| Timestamp::from(&at)),
    };
    drain(answer).await;
    Ok(told)
}
