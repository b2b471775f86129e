//! 喊话: a person's own words are an incident, so that who said what when is on record; speakers say it while it is open.

use super::{Desk, Effects, resumed};
use crate::domain::{
    AnnounceOrder, Answer, ClockError, Grid, Incident, Kind, Life, Now, SPOKEN_CHARS_MAX, SourceId,
    SourceInfo, SourceKind, SourceRef, Stage, Stamp, Title, What, clean_cut, speakable,
};

/// Of the words in the title.
const TITLE_CHARS: usize = 40;
const VALID_S: std::ops::RangeInclusive<u32> = 1..=3_600;

impl Desk {
    /// Opens one, or says why not.
    pub(super) fn announce(
        &mut self,
        now: Now,
        stamp: Stamp,
        order: &AnnounceOrder,
        effects: &mut Effects,
    ) {
        let text = speakable(&order.text);
        let speakers = match self.speakers_of(order, &text) {
            Ok(speakers) => speakers,
            Err(reason) => {
                effects.answer = Answer::Refused(reason);
                return;
            }
        };
        let id = self.ids.incident(now);
        let grid = speakers.first().and_then(|one| one.grid.as_deref().cloned());
        let (zh, en) = Kind::Announcement.words();
        let words = clean_cut(&text, TITLE_CHARS);
        let names: Vec<&str> = speakers.iter().map(|one| one.id.as_str()).collect();
        let mut detail = self.duty(now, grid.as_ref());
        detail.insert("text".into(), text.into());
        detail.insert("speakers".into(), serde_json::json!(names));
        detail.insert("valid_s".into(), order.valid_s.into());
        detail.insert("by".into(), order.by.clone().into());
        let sources = speakers.iter().map(|one| SourceRef {
            id: one.id.clone(),
            kind: one.kind,
            name: one.name.clone(),
        });
        let incident = Incident {
            id,
            revision: 0,
            stage: Stage::Opened,
            active: false,
            kind: Kind::Announcement,
            severity: order.severity,
            title: Title { zh: format!("{zh}：{words}"), en: format!("{en}: {words}") },
            route: None,
            grid,
            place: speakers.first().and_then(|one| one.place.clone()),
            began_at: now.wall,
            opened_at: now.wall,
            changed_at: now.wall,
            ended_at: Some(now.wall),
            sources: sources.collect(),
            objects: Vec::new(),
            evidence: Vec::new(),
            // Nobody has to take it on.
            deadline: None,
            life: Life::default(),
            clock: ClockError::of(stamp),
            why: format!("{} said it", order.by),
            detail,
            rule: None,
            key: format!("announcement/{id}"),
        };
        let mut live = resumed(incident, now);
        live.reported = false;
        effects.entries.push(live.record(now, What::Opened));
        effects.answer = Answer::Changed(Box::new(live.incident.clone()));
        self.live.insert(id, live);
    }

    /// Where it is said; the error says what was expected.
    fn speakers_of(&self, order: &AnnounceOrder, text: &str) -> Result<Vec<SourceInfo>, String> {
        if order.text.chars().count() > SPOKEN_CHARS_MAX {
            return Err(format!("`text`: expected at most {SPOKEN_CHARS_MAX} characters"));
        }
        if text.is_empty() {
            return Err("`text`: there is nothing in it that can be spoken".into());
        }
        if order.by.trim().is_empty() {
            return Err("`by`: expected who says it".into());
        }
        if !VALID_S.contains(&order.valid_s) {
            return Err(format!("`valid_s` {}: expected 1 to 3600 seconds", order.valid_s));
        }
        let all = || {
            let all = self.directory.sources.values();
            all.filter(|one| one.kind == SourceKind::Speaker)
        };
        let found: Vec<SourceInfo> = match (&order.speakers, &order.grid) {
            (Some(named), None) => {
                let of = |id: &SourceId| {
                    let found = all().find(|one| one.id == *id).cloned();
                    found.ok_or_else(|| format!("no speaker is called `{id}`"))
                };
                named.iter().map(of).collect::<Result<_, _>>()?
            }
            (None, Some(code)) => {
                let there = |one: &&SourceInfo| {
                    one.grid.as_deref().is_some_and(|grid: &Grid| grid.code == *code)
                };
                let mut found: Vec<SourceInfo> = all().filter(there).cloned().collect();
                found.sort_by(|one, other| one.id.cmp(&other.id));
                found
            }
            _ => return Err("expected `speakers` or `grid`, one of the two".into()),
        };
        match (found.is_empty(), &order.grid) {
            (false, _) => Ok(found),
            (true, Some(code)) => Err(format!("no speaker stands in grid `{code}`")),
            (true, None) => Err("`speakers` names none".into()),
        }
    }
}

/// After so long the gateway closes one, milliseconds: its time, and a minute for what has begun. None: it
/// is none.
pub(super) fn closed_after_ms(incident: &Incident) -> Option<i64> {
    if incident.kind != Kind::Announcement {
        return None;
    }
    let valid_s = incident.detail.get("valid_s").and_then(serde_json::Value::as_i64).unwrap_or(60);
    Some(valid_s.clamp(1, 3_600).saturating_add(60).saturating_mul(1_000))
}
