//! Requests to a camera, authenticated as that camera wants it: with a token in its own time, or by HTTP Digest.

use std::{sync::Arc, time::Duration};

use http_auth::{PasswordClient, PasswordParams};
use jiff::SignedDuration;
use url::Url;

use super::{
    Failure,
    http::{self, HttpAnswer},
    read,
    soap::{SoapRequest, token},
};
use crate::{domain::Clock, sources::camera::Credentials};

/// As it is told: once without HTTP Digest, once with, once in the camera's time, once with both.
const TRIES_MAX: usize = 5;
/// For an answer that is not waited for on purpose.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What is known of how to speak to one camera.
pub(super) struct Link {
    device: Url,
    user: Option<Credentials>,
    clock: Arc<dyn Clock>,
    /// The camera's clock minus ours.
    offset: SignedDuration,
    digest: Option<PasswordClient>,
    /// The envelope says who we are.
    signs: bool,
}

impl Link {
    pub(super) fn new(device: Url, user: Option<Credentials>, clock: Arc<dyn Clock>) -> Self {
        let signs = user.is_some();
        Self { device, user, clock, offset: SignedDuration::ZERO, digest: None, signs }
    }

    /// Asks its time. One that does not tell is taken to have ours.
    pub(super) async fn set_clock(&mut self) -> Result<(), Failure> {
        let body = "<GetSystemDateAndTime xmlns=\"http://www.onvif.org/ver10/device/wsdl\"/>";
        let action = "http://www.onvif.org/ver10/device/wsdl/GetSystemDateAndTime";
        let request = SoapRequest::new(action, body);
        let device = self.device.clone();
        // Without a user: who we are can only be said in its time.
        let answer = self.post(&device, &request, ANSWER_WITHIN, false).await?;
        let now = self.clock.now().wall;
        let offset = read::parse(&answer.body).ok().and_then(|tree| read::clock_offset(&tree, now));
        self.offset = offset.unwrap_or(SignedDuration::ZERO);
        Ok(())
    }

    /// The answer's text: SOAP without a fault.
    pub(super) async fn ask(
        &mut self,
        to: &Url,
        request: &SoapRequest,
        within: Duration,
    ) -> Result<String, Failure> {
        let (mut challenged, mut timed) = (false, false);
        for _ in 0..TRIES_MAX {
            let answer = self.post(to, request, within, true).await?;
            if answer.status == 401 && !challenged && self.take_challenge(&answer) {
                challenged = true;
                continue;
            }
            let fault = read::parse(&answer.body).map(|tree| read::fault(&tree));
            let refused = matches!(answer.status, 400 | 401 | 403)
                || matches!(&fault, Ok(Some(fault)) if fault.is_user);
            if refused && self.user.is_some() {
                if !self.signs {
                    // Its web server asks for one thing, and what is behind it for the other.
                    self.signs = true;
                    continue;
                }
                if !std::mem::replace(&mut timed, true) {
                    let before = self.offset;
                    self.set_clock().await?;
                    if before != self.offset {
                        continue;
                    }
                }
            }
            return match fault {
                Ok(Some(fault)) if fault.is_user => Err(self.refused(&fault.reason)),
                _ if matches!(answer.status, 401 | 403) => {
                    Err(self.refused(&format!("HTTP {}", answer.status)))
                }
                Ok(Some(fault)) if fault.is_unknown => Err(Failure::Unknown(fault.reason)),
                Ok(Some(fault)) => Err(Failure::Broken(fault.reason)),
                _ if answer.status != 200 => Err(Failure::Broken(format!(
                    "expected HTTP 200 with SOAP, and it is {}",
                    answer.status
                ))),
                Ok(None) => Ok(answer.body),
                Err(reason) => Err(Failure::Broken(reason)),
            };
        }
        Err(self.refused("it asks for a user again and again"))
    }

    /// Its address as we can reach it: behind NAT a camera names one that nobody outside has, and
    /// nobody but the camera itself must ever be told who we are.
    pub(super) fn reach(&self, address: &str) -> Result<Url, Failure> {
        let told = |why: String| Failure::Broken(format!("the address `{address}`: {why}"));
        let mut url = Url::parse(address).map_err(|error| told(error.to_string()))?;
        if url.scheme() != "http" {
            return Err(told(format!("{}://… is not spoken, expected http://…", url.scheme())));
        }
        let _ = url.set_username("").and(url.set_password(None));
        if url.host() != self.device.host() {
            let moved = url.set_host(self.device.host_str());
            moved.map_err(|error| told(error.to_string()))?;
            let _ = url.set_port(self.device.port());
        }
        Ok(url)
    }

    fn refused(&self, reason: &str) -> Failure {
        let user = match &self.user {
            Some(_) => "it refuses our user or password",
            None => "it asks for a user, and none is configured (username, password_file)",
        };
        Failure::Refused(format!("{user}: {reason}"))
    }

    /// Whether it asks for HTTP Digest, which we can do.
    fn take_challenge(&mut self, answer: &HttpAnswer) -> bool {
        if self.user.is_none() {
            return false;
        }
        let clients = answer.challenges.iter();
        let digest = clients.filter_map(|one| PasswordClient::try_from(one.as_str()).ok()).next();
        // A device wants one of the two, as a rule: only one that says so gets both.
        self.signs &= digest.is_none();
        self.digest = digest.or(self.digest.take());
        !self.signs
    }

    async fn post(
        &mut self,
        to: &Url,
        request: &SoapRequest,
        within: Duration,
        named: bool,
    ) -> Result<HttpAnswer, Failure> {
        let created = self.clock.now().wall.checked_add(self.offset);
        let created = created.unwrap_or_else(|_| self.clock.now().wall);
        let signed = match &self.user {
            Some(user) if self.signs && named => token(user, rand::random(), created),
            _ => String::new(),
        };
        let envelope =
            request.envelope(to.as_str(), uuid::Uuid::from_bytes(rand::random()), &signed);
        let authorization = match (&self.user, &mut self.digest) {
            (Some(user), Some(digest)) if named => digest
                .respond(&PasswordParams {
                    username: &user.username,
                    password: &user.password,
                    uri: &to[url::Position::BeforePath..url::Position::AfterQuery],
                    method: "POST",
                    body: Some(envelope.as_bytes()),
                })
                .ok(),
            _ => None,
        };
        http::post(to, request.action, envelope, authorization, within)
            .await
            .map_err(Failure::Broken)
    }
}
