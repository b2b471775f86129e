//! The `profile` sink: a district's own platform, told of each case by the requests of a profile.
//!
//! A case is opened once. The map of cases (`sinks/case_map.rs`) holds its id there before the record
//! counts as delivered; after an answer that was lost the platform is asked for it by our id, where the
//! profile knows how.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    talk::Talk,
    telling::{Telling, is_emergency},
};
use crate::{
    domain::{EventData, IncidentId, Kind, SpeaksFor},
    sinks::{
        case_map::{Busy, CaseMap, CaseMaps},
        meant::{NOT_MEANT, is_meant},
        profile::{Categories, Profile, Wrong},
        sink::{DeliverError, Delivery, Sink},
        template,
    },
    wire::file_stamp::missing,
};

/// While the other lane of the sink tells of the same incident: it is looked so often, for so long.
const OTHER_LANE: Duration = Duration::from_millis(50);
const OTHER_LANE_LOOKS: u32 = 40;

/// `[[sink]] kind = "profile"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the sink in the ledger, and of the platform in `POST /api/v1/platform/<id>`.
    pub id: String,
    /// Where the platform is; the paths of the profile come behind it.
    pub url: url::Url,
    /// The profile: which requests are made and how answers and replies are read. Read with this file.
    pub profile_file: PathBuf,
    /// CSV with the platform's codes: columns `kind` (or `*`), `code`, `name` and any others, which
    /// templates call `category.code`. Read with this file.
    #[serde(default)]
    pub categories_file: Option<PathBuf>,
    /// Only incidents of these kinds. Default all.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// Only incidents at least as urgent: 1 emergency … 4 notice. Default 4.
    #[serde(default = "severity_max")]
    pub severity_max: u8,
    /// Only incidents in grids with these codes. Default all.
    #[serde(default)]
    pub grids: Vec<String>,
    /// File with a bearer token; read anew when it changes.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// File of the token with which the platform pushes replies, made on first start; default
    /// `platforms/<id>.token` in the data folder.
    #[serde(default)]
    pub push_token_file: Option<PathBuf>,
    /// Whose names its replies may have: names, how names begin (`城管*`), or `*` for anybody. In other names, and
    /// where a reply has none, it grants and verifies nothing, and its steps say so (`claimed_through`). Default
    /// anybody, and `check` says so where persons are named.
    #[serde(default)]
    pub speaks_for: SpeaksFor,
    /// PEM file of the authority that signed the server's certificate; beside the web's own.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// PEM file of our own certificate chain, where the server asks for one (mutual TLS).
    #[serde(default)]
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of its private key.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// Seconds for one request, connecting included. Default 10.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// Whose link the `link` of its templates is: a person of the duty list, of `[[life.contact]]`, of
    /// `[routing]` or of a grid. Default the officer on duty.
    #[serde(default)]
    pub link_for: Option<String>,
    /// What was read and checked.
    #[serde(skip)]
    #[schemars(skip)]
    profile: Option<Arc<Profile>>,
}

fn severity_max() -> u8 {
    4
}

fn timeout_s() -> u64 {
    10
}

impl Config {
    /// Reads the profile and tries it; everything that is wrong with it, with its lines.
    pub fn load(&mut self, categories: Categories) -> Vec<Wrong> {
        match Profile::load(&self.profile_file, &self.kinds, categories) {
            Ok(profile) => {
                self.profile = Some(Arc::new(profile));
                Vec::new()
            }
            Err(wrong) => wrong,
        }
    }

    /// The profile, once it was read.
    pub fn profile(&self) -> Option<Arc<Profile>> {
        self.profile.clone()
    }

    /// Its platform answers: it pushes, or is asked.
    pub fn takes_replies(&self) -> bool {
        self.profile().is_some_and(|it| it.pushes().is_some() || it.polls().is_some())
    }

    /// The file of the profile that is wrong, or could not be read: nothing can be told by it.
    pub fn wrong_profile(&self) -> Option<&Path> {
        self.profile.is_none().then_some(&*self.profile_file)
    }

    /// Its file, for messages.
    pub fn profile_file(&self) -> &Path {
        &self.profile_file
    }

    /// The connection is that of the `http` sink.
    pub(in crate::sinks) fn link(&self) -> super::Config {
        super::Config {
            id: self.id.clone(),
            url: self.url.clone(),
            token_file: self.token_file.clone(),
            ca_file: self.ca_file.clone(),
            client_cert_file: self.client_cert_file.clone(),
            client_key_file: self.client_key_file.clone(),
            timeout_s: self.timeout_s,
            send_pictures: false,
            evidence_url: None,
            send_plates: false,
            levels: Vec::new(),
            roles: Vec::new(),
        }
    }

    /// A connection of its own; none: the profile was never read.
    pub(super) fn talk(&self) -> Option<Talk> {
        Some(Talk::new(&self.link(), self.profile()?))
    }

    /// Errors as (key, message).
    pub(in crate::sinks) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !["http", "https"].contains(&self.url.scheme()) {
            problems
                .push(("url", format!("`{}`: expected http://… or https://…", self.url.scheme())));
        }
        if self.url.query().is_some() || self.url.fragment().is_some() {
            problems.push(("url", "has a query: the paths of the profile come behind it".into()));
        }
        problems.extend(self.link().tls().problem());
        problems.extend(self.speaks_for.problem().map(|message| ("speaks_for", message)));
        if !(1..=4).contains(&self.severity_max) {
            problems.push(("severity_max", "expected 1 (emergency) to 4 (notice)".into()));
        }
        problems
    }

    /// Warnings as (key, message): what may be right by the time it is needed.
    pub(in crate::sinks) fn warnings(&self) -> Vec<(&'static str, String)> {
        let mut warnings: Vec<_> = self.link().tls().warning().into_iter().collect();
        warnings.extend(missing("token_file", self.token_file.as_deref()));
        warnings
    }

    /// The reason to pass this event over, if there is one.
    pub(in crate::sinks) fn passes(&self, data: &EventData) -> Option<&'static str> {
        let meant = is_meant(data, &self.kinds, self.severity_max, &self.grids);
        (!meant).then_some(NOT_MEANT)
    }
}

/// A connection of its own for one lane.
pub struct PlatformSink {
    config: Config,
    talk: Option<Talk>,
    map: Arc<CaseMap>,
}

impl PlatformSink {
    pub(in crate::sinks) fn new(config: &Config, maps: &CaseMaps) -> Self {
        let map = maps.of(&config.id.as_str().into());
        Self { config: config.clone(), talk: config.talk(), map }
    }

    /// Two lanes at once could open two cases of one incident.
    async fn free(&self, incident: IncidentId) -> Option<Busy> {
        for _ in 0..OTHER_LANE_LOOKS {
            if let Some(busy) = self.map.begin(incident) {
                return Some(busy);
            }
            tokio::time::sleep(OTHER_LANE).await;
        }
        self.map.begin(incident)
    }
}

impl Sink for PlatformSink {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        let event = template::event_without_link(delivery)?;
        let incident = event.data.incident;
        let Some(_busy) = self.free(incident).await else {
            return Err(DeliverError::retry("its other lane still tells of the same incident"));
        };
        let unread = self.map.ready();
        let case = self.map.case(incident).unwrap_or_default();
        let passed = self.config.passes(&event.data);
        // It may be open there. An emergency that is meant for it goes all the same: twice is better than
        // never.
        if let Err(error) = unread
            && (passed.is_some() || !is_emergency(&event.data))
        {
            return Err(DeliverError::retry(format!("the map of cases cannot be read: {error}")));
        }
        // Once it is told of, it is told of to its end, whatever the filters say by then.
        if !case.open
            && !case.opening
            && let Some(why) = passed
        {
            return Err(DeliverError::passed(why));
        }
        let Some(talk) = &mut self.talk else {
            return Err(DeliverError::retry("its profile was not read"));
        };
        let map = self.map.clone();
        let (link, at) = (delivery.link.as_deref(), delivery.at);
        Telling { talk, map: &map, event: &event, link, at }.tell(case).await
    }
}
