//! Cameras as the console sees them: their state and rules, what they show, and what is tried and applied for them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    button_adding::add_button,
    camera_adding::add_camera,
    camera_table::{states, streams},
    console_backend::ConsoleBackend,
    discover::{Search, discover},
    from_config::rules,
    rule_changes::{apply_rule, undo_applied},
    rule_trial::try_rule,
};
use crate::{
    camera::{CameraFeeds, LiveWatch},
    config::versions,
    console::{CameraDesk, DeskRefusal, LiveView, NewButton, NewCamera, StillPicture},
    domain::SourceId,
    sources::camera,
};

/// Cameras that hear a search answer within it.
const SEARCH_WAIT: Duration = Duration::from_secs(3);
/// And tell what they offer: the page waits no longer than both.
const DESCRIBED_WITHIN: Duration = Duration::from_secs(8);

type Polygon = Vec<[f32; 2]>;

impl ConsoleBackend {
    /// With the polygons of its picture that nobody may see; a camera that has some is never shown live.
    fn camera(&self, id: &str) -> Result<(SourceId, CameraFeeds, Vec<Polygon>), DeskRefusal> {
        let config = self.config();
        let camera = config.cameras.iter().find(|camera| camera.id == id);
        let camera = camera.ok_or(DeskRefusal::NoSuchCamera)?;
        let source = SourceId::from(id);
        let feeds = self.live.get(&source).ok_or(DeskRefusal::NoSuchCamera)?;
        Ok((source, feeds, camera.private.clone()))
    }

    fn camera_line(
        &self,
        camera: &camera::Config,
        rules: &[crate::rules::Config],
        state: Option<Value>,
    ) -> Value {
        let feeds = self.live.get(&camera.id.as_str().into());
        let stream = |sub: bool| {
            let feed = feeds.as_ref().map(|feeds| feeds.of(sub))?;
            let facts = feed.facts()?;
            let mut shown = json!(facts);
            shown["viewers"] = feed.viewers().into();
            shown["last_at"] = self.context.borrow().time(facts.last_at).into();
            Some(shown)
        };
        let has_sub = feeds.as_ref().is_some_and(|feeds| feeds.sub.is_some());
        let own: Vec<_> = rules.iter().filter(|rule| rule.cameras.contains(&camera.id)).collect();
        json!({
            "id": camera.id,
            "name": if camera.name.is_empty() { &camera.id } else { &camera.name },
            "private": !camera.private.is_empty(),
            "mask": camera.mask,
            "main": stream(false),
            "sub": has_sub.then(|| stream(true)),
            "state": state,
            "rules": own,
        })
    }
}

impl CameraDesk for ConsoleBackend {
    fn cameras(&self) -> Value {
        let config = self.config();
        let known = states(&self.registry, &streams(&self.stream_urls));
        let state = |id: &str| known.iter().find(|state| state.id == id).map(|state| json!(state));
        let rules = rules(&config);
        let cameras: Vec<Value> = config
            .cameras
            .iter()
            .map(|camera| self.camera_line(camera, &rules, state(&camera.id)))
            .collect();
        let is_there = |id: &SourceId| config.cameras.iter().any(|one| one.id == id.as_str());
        self.stills.keep(is_there);
        let (kept, current) = versions(&config.data.path);
        let context = self.context.borrow().clone();
        let applied = kept.iter().find(|one| one.version == current).map(|one| {
            json!({ "at": context.time(one.at), "by": one.by, "why": one.why, "changes": one.changes })
        });
        json!({
            "at": context.time(self.clock.now().wall),
            "up_s": self.clock.now().mono_ms as f64 / 1000.0,
            "version": current,
            "applied": applied,
            "tracks_kept": config.tracks.is_on(),
            "cameras": cameras,
        })
    }

    fn watch_live(&self, camera: &str, main: bool) -> Result<LiveView, DeskRefusal> {
        let (_, feeds, private) = self.camera(camera)?;
        if !private.is_empty() {
            return Err(DeskRefusal::Private);
        }
        let stream = if main || feeds.sub.is_none() { "main" } else { "sub" };
        let LiveWatch { begin, next, why_not, seat } = feeds.of(!main).watch();
        Ok(LiveView { stream, begin, next, why_not, seat: Box::new(seat) })
    }

    fn may_watch(&self, camera: &str) -> bool {
        self.camera(camera).is_ok_and(|(_, _, private)| private.is_empty())
    }

    async fn still(&self, camera: &str) -> Result<StillPicture, DeskRefusal> {
        let (id, feeds, private) = self.camera(camera)?;
        self.stills.of(&id, &feeds, private, || self.clock.now().mono_ms).await
    }

    fn try_rule(&self, asked: Value) -> Result<Value, DeskRefusal> {
        try_rule(&self.config(), asked, self.clock.now().wall)
    }

    async fn apply_rule(&self, asked: Value) -> Result<Value, DeskRefusal> {
        let (config, now) = (self.config(), self.clock.now().wall);
        apply_rule(config, asked, now, &self.reloads).await
    }

    async fn undo_applied(&self, asked: Value) -> Result<Value, DeskRefusal> {
        let (config, now) = (self.config(), self.clock.now().wall);
        undo_applied(config, asked, now, &self.reloads).await
    }

    async fn add_camera(&self, asked: NewCamera) -> Result<Value, DeskRefusal> {
        let (config, now) = (self.config(), self.clock.now().wall);
        add_camera(config, asked, now, &self.reloads).await
    }

    async fn add_button(&self, asked: NewButton) -> Result<Value, DeskRefusal> {
        let (config, now) = (self.config(), self.clock.now().wall);
        add_button(config, asked, now, &self.reloads).await
    }

    fn find_cameras(&self) -> Result<Value, DeskRefusal> {
        let search = Search {
            addresses: Vec::new(),
            wait: SEARCH_WAIT,
            username: None,
            password_file: None,
            ca_file: None,
            described_within: Some(DESCRIBED_WITHIN),
        };
        let found = discover(search).map_err(DeskRefusal::Failed)?;
        Ok(json!({ "found": found, "waited_s": SEARCH_WAIT.as_secs() }))
    }
}
