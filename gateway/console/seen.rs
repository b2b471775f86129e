//! The backend as one caller sees it: a worker's is that of his own grids, and what is foreign is not there.
//!
//! Every handler has this one and no other, so that none can forget to look whose case it is. What is added to
//! [`Backend`] does not build until somebody has said here who sees it.

use std::{collections::BTreeSet, convert::Infallible, path::PathBuf, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
use tokio::sync::watch;

use super::{
    Backend, CameraDesk, CameraView, Condition, DeskRefusal, Filter, LiveView, NewButton,
    NewCamera, NoEvidence, NoPicture, OpenCases, PackageFile, PlatformAnswer, PlatformDoor,
    Reloaded, SiteMap, SiteWords, SpeakerView, StillPicture, caller::Caller,
};
use crate::{
    domain::{
        AccessNote, AnnounceOrder, Answer, CaseLines, DeviceTable, DroneView, EventContext,
        Evidence, EvidenceId, IncidentId, PostureOrder, PresenceView, RainView, Record, Reply,
        SourceKind,
    },
    wire::case_links::{BadLink, LinkOf, NoLink},
};

/// Looked through at most, for a worker's list of cases that are over.
const LOOKED_MAX: usize = 65_536;

/// See above.
#[derive(Clone)]
pub(super) struct Seen<B> {
    all: B,
    /// None: all of them.
    grids: Option<Arc<BTreeSet<String>>>,
}

impl<B: Backend> Seen<B> {
    /// As this caller sees it.
    pub(super) fn by(all: &B, caller: &Caller) -> Self {
        Self { all: all.clone(), grids: caller.only_grids().cloned().map(Arc::new) }
    }

    fn is_own(&self, grid: Option<&str>) -> bool {
        self.grids.as_ref().is_none_or(|own| grid.is_some_and(|grid| own.contains(grid)))
    }

    fn sees(&self, record: &Record) -> bool {
        self.is_own(record.incident.grid.as_ref().map(|grid| grid.code.as_str()))
    }
}

/// Without a caller nothing is seen: a handler that nobody guards has an empty site.
impl<B: Backend> FromRequestParts<B> for Seen<B> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, all: &B) -> Result<Self, Infallible> {
        Ok(match parts.extensions.get::<Caller>() {
            Some(caller) => Self::by(all, caller),
            None => Self { all: all.clone(), grids: Some(Arc::default()) },
        })
    }
}

impl<B: Backend> Backend for Seen<B> {
    fn ready(&self) -> Vec<String> {
        self.all.ready()
    }

    fn notes(&self) -> Vec<String> {
        self.all.notes()
    }

    fn model(&self) -> Option<String> {
        self.all.model()
    }

    fn token_refused(&self) {
        self.all.token_refused();
    }

    fn metrics(&self) -> String {
        self.all.metrics()
    }

    fn incidents(&self, filter: &Filter) -> Vec<Record> {
        if self.grids.is_none() {
            return self.all.incidents(filter);
        }
        let mut looked = filter.limit.max(64);
        loop {
            let all = self.all.incidents(&Filter { limit: looked, ..filter.clone() });
            let are_all = all.len() < looked || looked >= LOOKED_MAX;
            let own: Vec<Record> =
                all.into_iter().filter(|record| self.sees(record)).take(filter.limit).collect();
            if are_all || own.len() >= filter.limit {
                return own;
            }
            looked *= 8;
        }
    }

    fn devices(&self) -> Arc<DeviceTable> {
        let all = self.all.devices();
        if self.grids.is_none() {
            return all;
        }
        let mut own = DeviceTable::clone(&all);
        own.devices.retain(|device| self.is_own(device.grid.as_deref()));
        Arc::new(own)
    }

    fn incident(&self, id: IncidentId) -> Option<Record> {
        self.all.incident(id).filter(|record| self.sees(record))
    }

    fn case_lines(&self, from: jiff::Timestamp, until: jiff::Timestamp) -> CaseLines {
        let mut lines = self.all.case_lines(from, until);
        lines.lines.retain(|line| self.is_own(line.grid.as_deref()));
        lines
    }

    fn rules(&self, since: jiff::Timestamp) -> Result<serde_json::Value, String> {
        match self.grids {
            None => self.all.rules(since),
            Some(_) => Err("rules are of the whole site".into()),
        }
    }

    fn open_cases(&self, most: usize) -> OpenCases {
        if self.grids.is_none() {
            return self.all.open_cases(most);
        }
        let mut open = self.all.open_cases(usize::MAX);
        open.records.retain(|record| self.sees(record));
        let left_out = open.records.len().saturating_sub(most);
        open.records.truncate(most);
        OpenCases { left_out, ..open }
    }

    /// All positions, and of these the records that may be seen: see [`Self::shows`].
    fn changes_after(&self, after: u64, most: usize) -> Option<Vec<(u64, Record)>> {
        self.all.changes_after(after, most)
    }

    fn change_position(&self) -> watch::Receiver<u64> {
        self.all.change_position()
    }

    /// What is wrong is told by names of the whole site: of a worker's grids it stands in his cases.
    fn condition(&self) -> Condition {
        let all = self.all.condition();
        match self.grids {
            None => all,
            Some(_) => {
                Condition { reasons: Vec::new(), notes: Vec::new(), faults: Vec::new(), ..all }
            }
        }
    }

    fn site_words(&self) -> SiteWords {
        self.all.site_words()
    }

    fn map(&self) -> Arc<SiteMap> {
        match &self.grids {
            None => self.all.map(),
            Some(own) => Arc::new(self.all.map().only(own)),
        }
    }

    fn camera_views(&self) -> Vec<CameraView> {
        let mut views = self.all.camera_views();
        views.retain(|camera| self.sees_camera(&camera.id));
        views
    }

    /// A worker has those of his grids.
    fn speaker_views(&self) -> Vec<SpeakerView> {
        let (mut views, map) = (self.all.speaker_views(), self.all.map());
        views.retain(|speaker| self.is_own(map.grid_of(SourceKind::Speaker, &speaker.id)));
        views
    }

    /// Drones fly over grids of others: they are of the whole site.
    async fn drone_views(&self) -> Option<Vec<DroneView>> {
        let all = self.all.drone_views().await?;
        Some(if self.grids.is_none() { all } else { Vec::new() })
    }

    fn presence(&self) -> Vec<PresenceView> {
        let mut all = self.all.presence();
        all.retain(|place| self.is_own(place.grid.as_deref()));
        all
    }

    fn officers_on_duty(&self, at: jiff::Timestamp) -> usize {
        self.all.officers_on_duty(at)
    }

    fn now(&self) -> jiff::Timestamp {
        self.all.now()
    }

    fn evidence(&self, id: EvidenceId) -> Option<(PathBuf, Evidence)> {
        if self.grids.is_some() {
            self.incident(self.all.incident_of(id)?)?;
        }
        self.all.evidence(id)
    }

    fn incident_of(&self, id: EvidenceId) -> Option<IncidentId> {
        self.all.incident_of(id).filter(|id| self.incident(*id).is_some())
    }

    async fn export(
        &self,
        incident: IncidentId,
        by: &str,
        why: &str,
    ) -> Result<PackageFile, NoEvidence> {
        if self.grids.is_some() {
            self.incident(incident).ok_or(NoEvidence::Unknown)?;
        }
        self.all.export(incident, by, why).await
    }

    async fn original(
        &self,
        picture: EvidenceId,
        by: &str,
        why: &str,
    ) -> Result<Vec<u8>, NoEvidence> {
        if self.grids.is_some() {
            self.incident_of(picture).ok_or(NoEvidence::Unknown)?;
        }
        self.all.original(picture, by, why).await
    }

    async fn hold(
        &self,
        incident: IncidentId,
        by: &str,
        why: &str,
    ) -> Result<jiff::Timestamp, NoEvidence> {
        if self.grids.is_some() {
            self.incident(incident).ok_or(NoEvidence::Unknown)?;
        }
        self.all.hold(incident, by, why).await
    }

    async fn look(&self, id: EvidenceId, by: &str) -> bool {
        self.all.look(id, by).await
    }

    async fn note_access(&self, note: AccessNote) -> bool {
        self.all.note_access(note).await
    }

    async fn reply(&self, reply: Reply) -> Answer {
        let both = [Some(reply.incident), reply.into];
        let foreign = |id: &IncidentId| self.incident(*id).is_none();
        if self.grids.is_some() && both.iter().flatten().any(foreign) {
            return Answer::NoSuchIncident;
        }
        self.all.reply(reply).await
    }

    fn link(&self, code: &str) -> Result<LinkOf, BadLink> {
        self.all.link(code)
    }

    fn link_refused(&self, why: &'static str) {
        self.all.link_refused(why);
    }

    async fn make_link(
        &self,
        incident: IncidentId,
        person: &str,
        by: &str,
    ) -> Option<Result<(String, jiff::Timestamp), NoLink>> {
        self.all.make_link(incident, person, by).await
    }

    async fn keep_picture(&self, bytes: Vec<u8>) -> Result<Evidence, NoPicture> {
        self.all.keep_picture(bytes).await
    }

    async fn drop_picture(&self, piece: Evidence) {
        self.all.drop_picture(piece).await;
    }

    fn platform(&self, id: &str) -> Option<PlatformDoor> {
        self.all.platform(id)
    }

    async fn platform_pushed(&self, id: &str, body: &[u8]) -> PlatformAnswer {
        self.all.platform_pushed(id, body).await
    }

    async fn rain(&self) -> Option<RainView> {
        let mut view = self.all.rain().await?;
        view.gauges.retain(|gauge| self.is_own(Some(&gauge.grid)));
        view.grids.retain(|grid| self.is_own(Some(&grid.code)));
        Some(view)
    }

    async fn posture(&self, order: PostureOrder) -> Answer {
        self.all.posture(order).await
    }

    async fn announce(&self, order: AnnounceOrder) -> Answer {
        if self.grids.is_some() {
            return Answer::Refused("loudspeakers are of the whole site".into());
        }
        self.all.announce(order).await
    }

    fn context(&self) -> EventContext {
        self.all.context()
    }

    async fn reload(&self, confirmed: bool) -> Reloaded {
        self.all.reload(confirmed).await
    }
}

impl<B: Backend> CameraDesk for Seen<B> {
    fn cameras(&self) -> serde_json::Value {
        let mut all = self.all.cameras();
        if self.grids.is_some()
            && let Some(list) = all["cameras"].as_array_mut()
        {
            list.retain(|camera| camera["id"].as_str().is_some_and(|id| self.sees_camera(id)));
        }
        all
    }

    fn watch_live(&self, camera: &str, main: bool) -> Result<LiveView, DeskRefusal> {
        self.own_camera(camera)?;
        self.all.watch_live(camera, main)
    }

    fn may_watch(&self, camera: &str) -> bool {
        self.sees_camera(camera) && self.all.may_watch(camera)
    }

    async fn still(&self, camera: &str) -> Result<StillPicture, DeskRefusal> {
        self.own_camera(camera)?;
        self.all.still(camera).await
    }

    fn try_rule(&self, asked: serde_json::Value) -> Result<serde_json::Value, DeskRefusal> {
        self.whole_site()?;
        self.all.try_rule(asked)
    }

    async fn apply_rule(&self, asked: serde_json::Value) -> Result<serde_json::Value, DeskRefusal> {
        self.whole_site()?;
        self.all.apply_rule(asked).await
    }

    async fn undo_applied(
        &self,
        asked: serde_json::Value,
    ) -> Result<serde_json::Value, DeskRefusal> {
        self.whole_site()?;
        self.all.undo_applied(asked).await
    }

    async fn add_camera(&self, asked: NewCamera) -> Result<serde_json::Value, DeskRefusal> {
        self.whole_site()?;
        self.all.add_camera(asked).await
    }

    async fn add_button(&self, asked: NewButton) -> Result<serde_json::Value, DeskRefusal> {
        self.whole_site()?;
        self.all.add_button(asked).await
    }

    fn find_cameras(&self) -> Result<serde_json::Value, DeskRefusal> {
        self.whole_site()?;
        self.all.find_cameras()
    }
}

impl<B: Backend> Seen<B> {
    fn sees_camera(&self, camera: &str) -> bool {
        self.grids.is_none() || self.is_own(self.all.map().grid_of(SourceKind::Camera, camera))
    }

    fn own_camera(&self, camera: &str) -> Result<(), DeskRefusal> {
        if self.sees_camera(camera) { Ok(()) } else { Err(DeskRefusal::NoSuchCamera) }
    }

    /// Rules are of the whole site.
    fn whole_site(&self) -> Result<(), DeskRefusal> {
        if self.grids.is_none() { Ok(()) } else { Err(DeskRefusal::NoSuchCamera) }
    }

    /// Whether this change may be told: the feed goes on over those that may not.
    pub(super) fn shows(&self, record: &Record) -> bool {
        self.sees(record)
    }
}
