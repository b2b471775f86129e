//! The web API: reads snapshots through its `Backend` and owns no state; replies enter by the junction, as those of MQTT do.

mod body;
mod changes;
mod door;
mod evidence;
mod figures;
mod forms;
mod html;
mod link;
mod links;
mod listener;
mod overview;
mod page;
mod platform;
mod problem;
mod replies;
pub mod reports;
mod routes;
mod rules;
mod sessions;
mod step_pictures;
mod token;
mod weather;
mod wrong_tokens;

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::watch};

use door::Door;
use listener::{DoorRules, WebListener};

use crate::{
    base::Readiness,
    domain::{
        Answer, CaseLines, DeviceTable, EventContext, Evidence, EvidenceId, IncidentId, Kind,
        PostureOrder, RainView, Record, Reply,
    },
    wire::{
        case_links::{BadLink, LinkOf, NoLink},
        tls::{ListenKeys, ServerTls},
    },
};

pub use links::{LinkPages, LinksConfig};
pub use overview::{Condition, Person, SinkCondition, SiteWords};
pub use platform::{PlatformAnswer, PlatformDoor};
pub use sessions::Sessions;
pub use step_pictures::NoPicture;
pub use token::load_or_make as load_or_make_token;

/// What a Range header asks of a file of so many bytes, for the fuzzer.
#[doc(hidden)]
pub fn fuzz_range(text: &str, size: u64) -> Option<(u64, u64)> {
    evidence::part(text, size)
}

/// `[web]`: where the API listens.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port; default `127.0.0.1:8686`.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// How others reach it, for the `url` of evidence in events; without it there is none.
    #[serde(default)]
    pub public_url: Option<String>,
    /// File of the bearer token, made on first start; default `token` in the data folder.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// PEM of the certificate chain; with it the listener speaks TLS only. Read at each
    /// handshake, so that a renewed one is used.
    #[serde(default)]
    pub tls_cert_file: Option<PathBuf>,
    /// PEM of its private key.
    #[serde(default)]
    pub tls_key_file: Option<PathBuf>,
    /// Lets it listen beyond loopback without TLS: everything, the token too, is then readable
    /// on the way. For a reverse proxy on a network of its own. Default false.
    #[serde(default)]
    pub allow_plain_http_beyond_loopback: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: listen(),
            public_url: None,
            token_file: None,
            tls_cert_file: None,
            tls_key_file: None,
            allow_plain_http_beyond_loopback: false,
        }
    }
}

fn listen() -> SocketAddr {
    ([127, 0, 0, 1], 8686).into()
}

impl Config {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let plain = self.tls_cert_file.is_none();
        if plain && !self.listen.ip().is_loopback() && !self.allow_plain_http_beyond_loopback {
            problems.push((
                "listen",
                format!(
                    "{} is beyond loopback without TLS: give tls_cert_file and tls_key_file, or set allow_plain_http_beyond_loopback = true",
                    self.listen
                ),
            ));
        }
        problems.extend(self.tls().problem());
        if let Some(url) = self.public_url.as_deref().filter(|url| !url.starts_with("http")) {
            problems.push(("public_url", format!("`{url}`: expected http://… or https://…")));
        }
        problems
    }

    fn tls(&self) -> ListenKeys<'_> {
        ListenKeys { cert_file: &self.tls_cert_file, key_file: &self.tls_key_file }
    }
}

/// Which incidents a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub active: Option<bool>,
    pub kind: Option<Kind>,
    pub since: Option<jiff::Timestamp>,
    pub limit: usize,
}

/// Cases that are not over. Its twin is `store::OpenCases`.
#[derive(Clone, Debug, Default)]
pub struct OpenCases {
    /// Of the latest change that is in them.
    pub position: u64,
    /// The most urgent first, and of these the newest.
    pub records: Vec<Record>,
    /// So many more there are.
    pub left_out: usize,
}

/// What the console can see and say; the runtime makes it.
pub trait Backend: Clone + Send + Sync + 'static {
    /// Reasons not to be ready; empty is ready.
    fn ready(&self) -> Vec<String>;
    /// What works, but not as it was wished.
    fn notes(&self) -> Vec<String>;
    /// The model that looks, while one does.
    fn model(&self) -> Option<String>;
    /// Somebody gave a wrong token: it is counted.
    fn token_refused(&self);
    /// Prometheus text.
    fn metrics(&self) -> String;
    /// Newest first.
    fn incidents(&self, filter: &Filter) -> Vec<Record>;
    /// Listed devices and strangers, as they were at most a second ago.
    fn devices(&self) -> Arc<DeviceTable>;
    fn incident(&self, id: IncidentId) -> Option<Record>;
    /// Of cases that were opened in this time, and of silences that began before its end; blocks on the
    /// disk.
    fn case_lines(&self, from: jiff::Timestamp, until: jiff::Timestamp) -> CaseLines;
    /// How each rule does since then, and what could be changed of it, as JSON; blocks on the disk, and takes
    /// a second or two where there are hundreds of cases.
    fn rules(&self, since: jiff::Timestamp) -> Result<serde_json::Value, String>;
    /// Cases that are not over, at most so many, and the position of the journal that they are at.
    fn open_cases(&self, most: usize) -> OpenCases;
    /// Changes behind a position, each with its own, in order, at most so many; `None`: too far back.
    fn changes_after(&self, after: u64, most: usize) -> Option<Vec<(u64, Record)>>;
    /// Of the latest change.
    fn change_position(&self) -> watch::Receiver<u64>;
    /// How the gateway itself is.
    fn condition(&self) -> Condition;
    /// The site's own words, and its people.
    fn site_words(&self) -> SiteWords;
    /// By the wall clock.
    fn now(&self) -> jiff::Timestamp;
    fn evidence(&self, id: EvidenceId) -> Option<(PathBuf, Evidence)>;
    /// Somebody looks at evidence: journaled (P10), and answered when that is on disk. Within a minute of
    /// one, a further one of the same person is the same look. False: it cannot be written down.
    fn look(&self, id: EvidenceId, by: &str) -> impl Future<Output = bool> + Send;
    /// Enters like a reply over MQTT; answers when it is on disk.
    fn reply(&self, reply: Reply) -> impl Future<Output = Answer> + Send;
    /// Whose link this is, by the last part of its address.
    fn link(&self, code: &str) -> Result<LinkOf, BadLink>;
    /// A link was refused, `wrong`, `expired` or because its case is `closed`: it is counted.
    fn link_refused(&self, why: &'static str);
    /// The link of this person to this case, and until when it is good; that it was asked for is on disk
    /// then. `None`: that cannot be written down.
    fn make_link(
        &self,
        incident: IncidentId,
        person: &str,
    ) -> impl Future<Output = Option<Result<(String, jiff::Timestamp), NoLink>>> + Send;
    /// Cleans a picture of a stranger and puts it on disk, synced; no record names it yet.
    fn keep_picture(
        &self,
        bytes: Vec<u8>,
    ) -> impl Future<Output = Result<Evidence, NoPicture>> + Send;
    /// Takes away what [`Self::keep_picture`] has kept and no record names.
    fn drop_picture(&self, piece: Evidence) -> impl Future<Output = ()> + Send;
    /// What a district's platform must show that pushes replies of this sink; `None`: none does.
    fn platform(&self, id: &str) -> Option<PlatformDoor>;
    /// Replies that it has pushed; answers when they are on disk.
    fn platform_pushed(&self, id: &str, body: &[u8])
    -> impl Future<Output = PlatformAnswer> + Send;
    /// Sums, grades and curves as they are now; `None`: the gateway stops.
    fn rain(&self) -> impl Future<Output = Option<RainView>> + Send;
    /// Enters like an order over MQTT; answers when what it changed is on disk.
    fn posture(&self, order: PostureOrder) -> impl Future<Output = Answer> + Send;
    fn context(&self) -> EventContext;
    /// Reads the configuration anew; answers when it is in effect, or was refused. `confirmed`: it
    /// may take away whole parts.
    fn reload(&self, confirmed: bool) -> impl Future<Output = Reloaded> + Send;
}

/// What became of a reload. The body says what differs, or everything that is wrong.
#[derive(Clone, Debug)]
pub enum Reloaded {
    Done(serde_json::Value),
    /// The new file is wrong; the old configuration goes on.
    Wrong(serde_json::Value),
    /// The new file asks for what needs a restart or a second word; the old configuration goes on.
    Refused(serde_json::Value),
    /// The gateway stops.
    Stopping,
}

/// A bound listener that nobody serves yet.
pub struct Console {
    listener: Arc<TcpListener>,
    tls: Option<ServerTls>,
    token: String,
}

impl Console {
    pub async fn bind(config: &Config, token: String) -> Result<Self, String> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| format!("web: cannot listen on {}: {error}", config.listen))?;
        Self::on(Arc::new(listener), config, token)
    }

    /// As [`Self::bind`], on a listener that is there: another console may serve it until now.
    pub fn on(listener: Arc<TcpListener>, config: &Config, token: String) -> Result<Self, String> {
        let tls = config.tls().server().map_err(|reason| format!("web: {reason}"))?;
        Ok(Self { listener, tls, token })
    }

    pub fn listener(&self) -> Arc<TcpListener> {
        self.listener.clone()
    }

    /// Serves until told to stop; what is being answered then is answered.
    pub async fn serve<B: Backend>(
        self,
        backend: B,
        sessions: Sessions,
        readiness: Readiness,
        stop: watch::Receiver<bool>,
    ) {
        let door = Door {
            token: self.token.into(),
            tls: self.tls.is_some(),
            sessions,
            wrong: Arc::default(),
            backend,
        };
        let app = routes::router(door, stop.clone());
        let Self { listener, tls, .. } = self;
        WebListener { listener, tls, app, readiness, rules: DoorRules::web() }.serve(stop).await;
    }
}
