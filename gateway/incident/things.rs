//! The things of one incident: who was told of, what shows them, and who is news. Pure.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::domain::{Detail, EvidenceId, Now, SourceId, Thing, ThingReport, Track};

/// Things that a record lists; further ones are counted.
const LISTED_THINGS_MAX: usize = 50;
/// Things that are known not to be new, at most; beyond that one who comes back may count twice.
const KNOWN_THINGS_MAX: usize = 10_000;
/// Newcomers within so long share one record.
const NEWS_SHARED_MS: u64 = 1_000;
/// That record waits so long for their pictures, and no longer.
const NEWS_WAIT_MS: u64 = 1_500;
/// Pictures that are asked for of one thing, at most: on a full disk none can be made.
const TRIES_MAX: u8 = 3;

/// Who it is: the id of a track is unique within its source.
pub(super) type ThingKey = (SourceId, u64);

fn key_of(thing: &Thing) -> ThingKey {
    (thing.source.clone(), thing.id)
}

struct Listed {
    thing: Thing,
    pictures: Vec<EvidenceId>,
    clips: Vec<EvidenceId>,
    tries: u8,
}

impl Listed {
    fn is(&self, key: &ThingKey) -> bool {
        self.thing.source == key.0 && self.thing.id == key.1
    }
}

/// Newcomers that no record has told yet.
struct News {
    keys: Vec<ThingKey>,
    /// Of the first of them, monotonic milliseconds.
    since_ms: u64,
}

/// Everything that is known of the things of one incident.
#[derive(Default)]
pub(super) struct Things {
    listed: Vec<Listed>,
    known: HashSet<ThingKey>,
    total: u64,
    news: Option<News>,
    /// Evidence that is being made, and whom it shows.
    asked: Vec<(EvidenceId, Vec<ThingKey>)>,
}

impl Things {
    /// Of a record, after a restart.
    pub(super) fn of(detail: &Detail) -> Self {
        let mut things = Self::default();
        let listed = detail.get("things").and_then(Value::as_array).into_iter().flatten();
        for (thing, evidence) in listed.filter_map(read) {
            things.list(thing);
            if let Some(one) = things.listed.last_mut() {
                // What each is does not matter any more: it is listed, and none is asked for again.
                one.pictures = evidence;
            }
        }
        let total = detail.get("things_total").and_then(Value::as_u64).unwrap_or(0);
        things.total = things.total.max(total);
        things
    }

    /// Takes over what a finding says of things. One that is unknown counts only if it is news: else
    /// it belongs to another incident. `tells`: newcomers are to be told. Returns the newcomers.
    pub(super) fn take(&mut self, now: Now, report: &ThingReport, tells: bool) -> Vec<Thing> {
        let mut newcomers = Vec::new();
        for thing in &report.things {
            let key = key_of(thing);
            let is_news = report.news.contains(&thing.id);
            match self.listed.iter_mut().find(|one| one.is(&key)) {
                Some(one) => renew(&mut one.thing, thing),
                None if is_news && !self.known.contains(&key) => self.list(thing.clone()),
                None => {}
            }
            if is_news {
                newcomers.push(thing.clone());
            }
        }
        if tells && !newcomers.is_empty() {
            let news =
                self.news.get_or_insert_with(|| News { keys: Vec::new(), since_ms: now.mono_ms });
            for thing in &newcomers {
                let key = key_of(thing);
                if !news.keys.contains(&key) && news.keys.len() < KNOWN_THINGS_MAX {
                    news.keys.push(key);
                }
            }
        }
        newcomers
    }

    fn list(&mut self, thing: Thing) {
        self.total += 1;
        if self.known.len() < KNOWN_THINGS_MAX {
            self.known.insert(key_of(&thing));
        }
        if self.listed.len() < LISTED_THINGS_MAX {
            self.listed.push(Listed { thing, pictures: Vec::new(), clips: Vec::new(), tries: 0 });
        }
    }

    /// Takes over the things of an incident that became part of this one.
    pub(super) fn join(&mut self, other: &mut Self) {
        let joined = std::mem::take(other);
        let new = |key: &ThingKey| !self.known.contains(key);
        let twice = joined.known.iter().filter(|key| !new(key)).count();
        self.total += joined.total.saturating_sub(twice as u64);
        let is_new = |one: &Listed| new(&key_of(&one.thing));
        let listed: Vec<Listed> = joined.listed.into_iter().filter(is_new).collect();
        self.listed.extend(listed);
        self.listed.truncate(LISTED_THINGS_MAX);
        self.known.extend(joined.known);
    }

    /// Whether one of these things of this source is part of it.
    pub(super) fn has_any(&self, things: &[Thing]) -> bool {
        things.iter().any(|thing| self.known.contains(&key_of(thing)))
    }

    /// Those of these boxes of a source that no picture shows, and that none is being made of.
    pub(super) fn unpictured(&self, source: &SourceId, boxes: &[Track]) -> Vec<ThingKey> {
        let keys = boxes.iter().map(|one| (source.clone(), one.id));
        let lacks = |key: &ThingKey| {
            let one = self.listed.iter().find(|one| one.is(key));
            one.is_some_and(|one| one.pictures.is_empty() && one.tries < TRIES_MAX)
                && !self.asked.iter().any(|(_, shows)| shows.contains(key))
        };
        keys.filter(lacks).collect()
    }

    /// Evidence under this id is being made; it shows these.
    pub(super) fn ask(&mut self, id: EvidenceId, shows: Vec<ThingKey>) {
        for one in self.listed.iter_mut().filter(|one| shows.iter().any(|key| one.is(key))) {
            one.tries = one.tries.saturating_add(1);
        }
        self.asked.push((id, shows));
    }

    /// It is there.
    pub(super) fn made(&mut self, id: EvidenceId, is_picture: bool) {
        let Some(at) = self.asked.iter().position(|(asked, _)| *asked == id) else { return };
        let (_, shows) = self.asked.remove(at);
        for one in self.listed.iter_mut().filter(|one| shows.iter().any(|key| one.is(key))) {
            if is_picture { &mut one.pictures } else { &mut one.clips }.push(id);
        }
    }

    /// It could not be made.
    pub(super) fn failed(&mut self, id: EvidenceId) {
        self.asked.retain(|(asked, _)| *asked != id);
    }

    /// Whether a picture may leave the record, because another one shows everybody whom it shows; it
    /// is forgotten then.
    pub(super) fn may_drop(&mut self, picture: EvidenceId) -> bool {
        let only = |one: &Listed| one.pictures == [picture];
        if self.listed.iter().any(only) {
            return false;
        }
        self.listed.iter_mut().for_each(|one| one.pictures.retain(|id| *id != picture));
        true
    }

    /// Whether a record is to tell of newcomers now.
    pub(super) fn news_is_due(&self, now: Now) -> bool {
        self.news.as_ref().is_some_and(|news| {
            let waited_ms = now.mono_ms.saturating_sub(news.since_ms);
            let pending = |key: &ThingKey| self.asked.iter().any(|(_, shows)| shows.contains(key));
            waited_ms >= NEWS_WAIT_MS
                || (waited_ms >= NEWS_SHARED_MS && !news.keys.iter().any(pending))
        })
    }

    /// Whether newcomers wait to be told.
    pub(super) fn has_news(&self) -> bool {
        self.news.is_some()
    }

    /// Ids of the newcomers, once.
    pub(super) fn take_news(&mut self) -> Option<Vec<u64>> {
        Some(self.news.take()?.keys.into_iter().map(|(_, id)| id).collect())
    }

    /// Writes them into the `detail` of a record.
    pub(super) fn fill(&self, detail: &mut Detail) {
        if self.total > 0 {
            let listed = self.listed.iter().map(shown).collect::<Vec<_>>();
            detail.insert("things".into(), listed.into());
            detail.insert("things_total".into(), self.total.into());
        }
    }
}

/// As [`shown`] wrote it.
fn read(shown: &Value) -> Option<(Thing, Vec<EvidenceId>)> {
    let text = |key: &str| shown.get(key)?.as_str();
    let thing = Thing {
        id: shown.get("id")?.as_u64()?,
        source: text("source")?.into(),
        label: text("label")?.into(),
        first_at: text("first_at")?.parse().ok()?,
        last_at: text("last_at")?.parse().ok()?,
        score: shown.get("score")?.as_f64()? as f32,
        standing: shown.get("standing").and_then(Value::as_bool).unwrap_or(false),
    };
    let evidence = shown.get("evidence")?.as_array()?;
    let ids = evidence.iter().filter_map(|id| id.as_str()?.parse().ok()).collect();
    Some((thing, ids))
}

fn renew(old: &mut Thing, new: &Thing) {
    old.first_at = old.first_at.min(new.first_at);
    old.last_at = old.last_at.max(new.last_at);
    old.score = old.score.max(new.score);
    old.label = new.label.clone();
    old.standing = new.standing;
}

fn shown(one: &Listed) -> Value {
    let thing = &one.thing;
    let evidence: Vec<String> =
        one.pictures.iter().chain(&one.clips).map(ToString::to_string).collect();
    let mut shown = json!({
        "id": thing.id,
        "source": thing.source,
        "label": &*thing.label,
        "first_at": thing.first_at.to_string(),
        "last_at": thing.last_at.to_string(),
        "score": (f64::from(thing.score) * 100.0).round() / 100.0,
        "evidence": evidence,
    });
    if thing.standing {
        shown["standing"] = true.into();
    }
    shown
}
