//! 演练, a drill: an incident like any other on its way to people, and like none for everything else: it joins
//! nothing, nothing joins it, and it ends by itself.

use jiff::{SignedDuration, Timestamp};

use super::{Desk, Effects, Live, resumed, titles};
use crate::domain::{
    Answer, ClockError, DismissReason, DrillOrder, GATEWAY, Incident, IncidentId, Life, Now,
    Posture, Reply, ReplyTo, SourceId, SourceRef, Stage, Stamp, Title, What,
};

/// In front of its title.
const MARK: (&str, &str) = ("【演练】", "[DRILL] ");

impl Desk {
    /// Opens one, or says why not.
    pub(super) fn drill(
        &mut self,
        now: Now,
        (source, stamp): (&SourceId, Stamp),
        order: &DrillOrder,
        effects: &mut Effects,
    ) {
        if !self.directory.sources.contains_key(source) {
            let names = "the id of a button, camera, gauge or drone of the configuration";
            effects.answer =
                Answer::Refused(format!("no source is called `{source}`: give {names}"));
            return;
        }
        let info = self.source(source);
        let areas = self.directory.areas.as_ref().zip(info.place.as_ref());
        let answering = || areas.and_then(|(areas, place)| areas.answering(place));
        let grid = info.grid.clone().or_else(answering).as_deref().cloned();
        let mut detail = self.duty(now, grid.as_ref());
        let until = now.wall + SignedDuration::from_secs(i64::from(order.lasts_s));
        detail.insert("drill".into(), true.into());
        detail.insert("drill_by".into(), order.by.clone().into());
        detail.insert("drill_until".into(), until.to_string().into());
        let title = titles::title(order.kind, &info);
        let postures = self.postures();
        let id = self.ids.incident(now);
        let incident = Incident {
            id,
            revision: 0,
            stage: Stage::Opened,
            active: false,
            kind: order.kind,
            severity: order.severity,
            title: Title {
                zh: format!("{}{}", MARK.0, title.zh),
                en: format!("{}{}", MARK.1, title.en),
            },
            route: self.directory.routes.route(order.kind, grid.as_ref(), &postures),
            grid,
            place: info.place,
            began_at: now.wall,
            opened_at: now.wall,
            changed_at: now.wall,
            ended_at: Some(now.wall),
            sources: vec![SourceRef { id: info.id, kind: info.kind, name: info.name }],
            objects: Vec::new(),
            evidence: Vec::new(),
            deadline: None,
            life: Life::default(),
            clock: ClockError::of(stamp),
            why: format!("a drill, asked for by {}", order.by),
            detail,
            rule: None,
            key: format!("drill/{id}"),
        };
        self.open_at_once(now, incident, &postures, effects);
    }

    /// A case that begins and is told at once, by no finding; its answer is the case.
    pub(super) fn open_at_once(
        &mut self,
        now: Now,
        mut incident: Incident,
        postures: &[Posture],
        effects: &mut Effects,
    ) {
        self.directory.limits.open(&mut incident, postures, now.wall);
        let mut live = resumed(incident, now);
        live.reported = false;
        effects.entries.push(live.record(now, What::Opened));
        live.arm(now);
        effects.answer = Answer::Changed(Box::new(live.incident.clone()));
        self.live.insert(live.incident.id, live);
    }

    /// A drill whose time is over is dismissed, whoever had it.
    pub(super) fn end_drill(&mut self, now: Now, id: IncidentId, effects: &mut Effects) {
        let mut reply = Reply::new(id, ReplyTo::Dismissed, GATEWAY);
        reply.reason = Some(DismissReason::Test);
        let mut told = Effects::default();
        self.reply(now, &reply, &mut told);
        effects.entries.append(&mut told.entries);
    }
}

/// A drill's time is over: by the monotonic clock from its beginning on, since the wall clock may be set
/// meanwhile.
pub(super) fn is_over(live: &Live, now: Now) -> bool {
    let incident = &live.incident;
    if !live.is_drill || live.is_closed() {
        return false;
    }
    let until = incident.detail.get("drill_until").and_then(|until| until.as_str());
    let until = until.and_then(|until| until.parse::<Timestamp>().ok());
    let lasts = until.zip(incident.ended_at).map(|(until, began)| until.duration_since(began));
    let lasts_ms = lasts.and_then(|lasts| i64::try_from(lasts.as_millis()).ok());
    lasts_ms
        .zip(live.ended_ms)
        .is_some_and(|(lasts_ms, began_ms)| now.mono() - began_ms >= lasts_ms)
}
