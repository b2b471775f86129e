//! The web API: reads snapshots through its `Backend` and owns no state; replies enter by the junction, as those of MQTT do.

mod account_routes;
pub mod accounts;
mod alarms;
mod announce;
mod api_schema;
mod audit;
mod body;
mod caller;
mod camera_desk;
mod changes;
mod condition;
mod desk_view;
mod door;
mod entrance;
mod evidence;
mod faults;
mod figures;
mod fleet;
mod forms;
mod handed_out;
mod html;
mod link;
mod links;
mod listener;
mod live;
mod map;
mod overview;
mod package;
mod page;
mod platform;
mod presence;
mod problem;
mod proxies;
mod query;
mod replies;
pub mod reports;
mod route_list;
mod route_table;
mod routes;
mod rules;
mod seen;
mod sessions;
mod site_map;
mod socket;
mod step_pictures;
mod token;
mod token_routes;
mod weather;
mod web_config;
mod wrong_tokens;

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{net::TcpListener, sync::watch};

use accounts::{Failures, Walls};
use audit::Audit;
use door::Door;
use listener::{DoorRules, WebListener};
use proxies::Proxies;
use sessions::Sessions;

use crate::{
    base::Readiness,
    domain::{
        AccessNote, AnnounceOrder, Answer, CaseLines, Clock, DeviceTable, DroneView, EventContext,
        Evidence, EvidenceId, IncidentId, Kind, PostureOrder, PresenceView, RainView, Record,
        Reply, SpeaksFor,
    },
    wire::{
        case_links::{BadLink, LinkOf, NoLink},
        tls::ServerTls,
    },
};

pub use accounts::Accounts;
pub use api_schema::api_schema;
pub use condition::{CameraView, Condition, Person, SinkCondition, SiteWords, SpeakerView};
pub use desk_view::{CameraDesk, DeskRefusal, LiveView, NewButton, NewCamera, StillPicture};
pub use faults::{FaultCode, FaultView};
pub use handed_out::{NoEvidence, PackageFile};
pub use links::{LinkPages, LinksConfig};
pub use platform::{PlatformAnswer, PlatformDoor};
pub use proxies::ProxyHeader;
pub use site_map::{MapConfig, MapGrid, MapGround, MapSector, MapSource, MapView, SiteMap};
pub use step_pictures::NoPicture;
pub use token::load_or_make as load_or_make_token;
pub use web_config::{Config, ConsoleKeys, OwnTls};

/// What a Range header asks of a file of so many bytes, for the fuzzer.
#[doc(hidden)]
pub fn fuzz_range(text: &str, size: u64) -> Option<(u64, u64)> {
    evidence::part(text, size)
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
pub trait Backend: CameraDesk + Clone + Send + Sync + 'static {
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
    /// The map of the configuration that runs.
    fn map(&self) -> Arc<SiteMap>;
    /// How each camera is now, by id.
    fn camera_views(&self) -> Vec<CameraView>;
    /// How each loudspeaker is now, by id.
    fn speaker_views(&self) -> Vec<SpeakerView>;
    /// Where each drone was last, by id; one that never told it is not in it. `None`: the gateway stops.
    fn drone_views(&self) -> impl Future<Output = Option<Vec<DroneView>>> + Send;
    /// How many devices were where, in periods that are over.
    fn presence(&self) -> Vec<PresenceView>;
    /// How many are on duty then by the roster who may decide or help to: grid workers left out.
    fn officers_on_duty(&self, at: jiff::Timestamp) -> usize;
    /// By the wall clock.
    fn now(&self) -> jiff::Timestamp;
    fn evidence(&self, id: EvidenceId) -> Option<(PathBuf, Evidence)>;
    /// Somebody looks at evidence: journaled (P10), and answered when that is on disk. Within a minute of
    /// one, a further one of the same person is the same look. False: it cannot be written down.
    fn look(&self, id: EvidenceId, by: &str) -> impl Future<Output = bool> + Send;
    /// Whose piece it is.
    fn incident_of(&self, id: EvidenceId) -> Option<IncidentId>;
    /// Somebody logged in, failed to, or logged out: journaled. False: it is not on disk.
    fn note_access(&self, note: AccessNote) -> impl Future<Output = bool> + Send;
    /// The incident with its evidence as one file; that it was made is on disk before, and its evidence is
    /// kept from then on.
    fn export(
        &self,
        incident: IncidentId,
        by: &str,
        why: &str,
    ) -> impl Future<Output = Result<PackageFile, NoEvidence>> + Send;
    /// What this picture was before heads were blurred; that it was opened is on disk before.
    fn original(
        &self,
        picture: EvidenceId,
        by: &str,
        why: &str,
    ) -> impl Future<Output = Result<Vec<u8>, NoEvidence>> + Send;
    /// Keeps the evidence of an incident whatever its age; answers when that is on disk, with its end.
    fn hold(
        &self,
        incident: IncidentId,
        by: &str,
        why: &str,
    ) -> impl Future<Output = Result<jiff::Timestamp, NoEvidence>> + Send;
    /// Enters like a reply over MQTT; answers when it is on disk.
    fn reply(&self, reply: Reply) -> impl Future<Output = Answer> + Send;
    /// Whose link this is, by the last part of its address; blocks on the disk.
    fn link(&self, code: &str) -> Result<LinkOf, BadLink>;
    /// A link was refused, `wrong`, `expired`, because its case is `closed`, or for want of keys: it is counted.
    fn link_refused(&self, why: &'static str);
    /// The link of this person to this case, and until when it is good; that it was asked for, and by whom, is
    /// on disk then. `None`: that cannot be written down.
    fn make_link(
        &self,
        incident: IncidentId,
        person: &str,
        by: &str,
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
    /// A person's own words for loudspeakers; answers when they are on disk.
    fn announce(&self, order: AnnounceOrder) -> impl Future<Output = Answer> + Send;
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

/// Who may log in, who has, and who failed to. A cheap handle, which outlives a reload.
#[derive(Clone)]
pub struct LogIns {
    accounts: Accounts,
    sessions: Sessions,
    failures: Failures,
    walls: Walls,
    audit: Audit,
}

impl LogIns {
    /// As the data folder has them.
    pub fn at(data: &Path, clock: Arc<dyn Clock>) -> Self {
        Self {
            accounts: Accounts::at(data),
            sessions: Sessions::at(data, clock),
            failures: Failures::at(data),
            walls: Walls::default(),
            audit: Audit::default(),
        }
    }

    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }
}

/// A bound listener that nobody serves yet.
pub struct Console {
    listener: Arc<TcpListener>,
    tls: Option<ServerTls>,
    token: String,
    speaks_for: SpeaksFor,
    on_loopback: bool,
    proxies: Arc<Proxies>,
}

impl Console {
    pub async fn bind(config: &Config, keys: ConsoleKeys<'_>) -> Result<Self, String> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| format!("web: cannot listen on {}: {error}", config.listen))?;
        Self::on(Arc::new(listener), config, keys)
    }

    /// As [`Self::bind`], on a listener that is there: another console may serve it until now.
    pub fn on(
        listener: Arc<TcpListener>,
        config: &Config,
        keys: ConsoleKeys<'_>,
    ) -> Result<Self, String> {
        let tls = config.server_tls(&keys).map_err(|reason| format!("web: {reason}"))?;
        let on_loopback = config.listen.ip().is_loopback();
        let proxies = Arc::new(config.proxies());
        let speaks_for = config.speaks_for.clone();
        Ok(Self { listener, tls, token: keys.token, speaks_for, on_loopback, proxies })
    }

    pub fn listener(&self) -> Arc<TcpListener> {
        self.listener.clone()
    }

    /// Serves until told to stop; what is being answered then is answered.
    pub async fn serve<B: Backend>(
        self,
        backend: B,
        log_ins: LogIns,
        readiness: Readiness,
        stop: watch::Receiver<bool>,
    ) {
        let LogIns { accounts, sessions, failures, walls, audit } = log_ins;
        let door = Door {
            token: self.token.into(),
            speaks_for: Arc::new(self.speaks_for),
            tls: self.tls.is_some(),
            on_loopback: self.on_loopback,
            accounts,
            sessions,
            failures,
            walls,
            audit,
            wrong: Arc::default(),
            backend,
        };
        let app = routes::router(door, stop.clone());
        let Self { listener, tls, proxies, .. } = self;
        let rules = DoorRules::web();
        WebListener { listener, tls, app, readiness, rules, proxies }.serve(stop).await;
    }
}
