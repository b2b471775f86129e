//! Requests to a camera, authenticated as that camera wants it: with a token in its own time, or by HTTP Digest.

use std::{path::PathBuf, sync::Arc, time::Duration};

use http_auth::{PasswordClient, PasswordParams};
use jiff::SignedDuration;
use tokio_rustls::rustls::ClientConfig;
use url::Url;

use super::{
    Failure,
    address::{self, candidates},
    http::{self, HttpAnswer, Post},
    read,
    soap::{SoapRequest, token},
};
use crate::{
    domain::Clock,
    sources::camera::{self, Credentials},
    wire::client_tls::{ClientTls, any_certificate},
};

/// As it is told: once without HTTP Digest, once with, once in the camera's time, once with both.
const TRIES_MAX: usize = 5;
/// To where a camera sends us on.
const REDIRECTS_MAX: usize = 2;
/// For an answer that is not waited for on purpose.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What is known of how to speak to one camera.
pub(super) struct Link {
    device: Url,
    user: Option<Credentials>,
    clock: Arc<dyn Clock>,
    tls: Arc<ClientConfig>,
    /// The camera's clock minus ours.
    offset: SignedDuration,
    digest: Option<PasswordClient>,
    /// The envelope says who we are.
    signs: bool,
}

impl Link {
    /// To the camera of this section, as its user.
    pub(super) fn of(config: &camera::Config, clock: &Arc<dyn Clock>) -> Result<Self, Failure> {
        let device = config.onvif_url().unwrap_or_else(|| Err("it has no `onvif`".into()));
        let device = device.map_err(Failure::Broken)?;
        let user = config.onvif_credentials().map_err(Failure::Refused)?;
        Self::new(device, user, config.onvif_ca_file.clone(), clock.clone())
    }

    pub(super) fn new(
        device: Url,
        user: Option<Credentials>,
        ca_file: Option<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let tls = match ca_file {
            None => any_certificate(),
            ca_file => ClientTls { ca_file, ..ClientTls::default() }.config(),
        };
        let tls = Arc::new(tls.map_err(Failure::Broken)?);
        let signs = user.is_some();
        Ok(Self { device, user, clock, tls, offset: SignedDuration::ZERO, digest: None, signs })
    }

    /// Says who we are only when it is asked to: whoever answers may be anybody.
    pub(super) fn unsigned(self) -> Self {
        Self { signs: false, ..self }
    }

    /// Where it is asked.
    pub(super) fn device(&self) -> &Url {
        &self.device
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

    /// An address that it names, as we can reach it.
    pub(super) fn reach(&self, address: &str) -> Result<Url, Failure> {
        let mut all = candidates(&self.device, address).map_err(Failure::Broken)?;
        Ok(all.swap_remove(0))
    }

    /// Asks at each place that the address may mean, and at last where the camera itself is asked,
    /// until one answers; which one did.
    pub(super) async fn ask_at(
        &mut self,
        address: Option<&str>,
        request: &SoapRequest,
    ) -> Result<(String, Url), Failure> {
        let mut last = None;
        let mut places = match address.map(|address| candidates(&self.device, address)) {
            Some(Ok(places)) => places,
            Some(Err(why)) => {
                last = Some(Failure::Broken(why));
                Vec::new()
            }
            None => Vec::new(),
        };
        // Many have one address for all, whatever they name.
        if !places.contains(&self.device) {
            places.push(self.device.clone());
        }
        for place in places {
            match self.ask(&place, request, ANSWER_WITHIN).await {
                Ok(answer) => return Ok((answer, place)),
                Err(failure @ Failure::Refused(_)) => return Err(failure),
                // What the first place said is what is wrong.
                Err(failure) => last = last.or(Some(failure)),
            }
        }
        Err(last.unwrap_or_else(|| Failure::Broken("it names no address".into())))
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

    /// Follows a redirect to the same camera, and to nobody else.
    async fn post(
        &mut self,
        to: &Url,
        request: &SoapRequest,
        within: Duration,
        named: bool,
    ) -> Result<HttpAnswer, Failure> {
        let mut to = to.clone();
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.post_once(&to, request, within, named).await?;
            let Some(location) = answer.location.as_deref().filter(|_| answer.is_redirect()) else {
                return Ok(answer);
            };
            to = address::redirected(&self.device, &to, location).map_err(Failure::Broken)?;
        }
        Err(Failure::Broken(format!("it sends us on more than {REDIRECTS_MAX} times")))
    }

    async fn post_once(
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
        let tls = self.tls.clone();
        let post = Post { url: to, action: request.action, body: envelope, authorization, tls };
        http::post(post, within).await.map_err(Failure::Broken)
    }
}
