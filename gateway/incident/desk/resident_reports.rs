//! 邹全办: a resident's report is an incident of its own, never an emergency and never closed by itself; and 漏报.
//!
//! Reports of one place and minute stay apart: each resident is answered. An officer merges them.

use super::{Desk, Effects};
use crate::domain::{
    Answer, ClockError, Entry, Incident, Kind, Life, Missed, Now, REPORTS_NAME, Reply,
    ResidentReport, Severity, SourceId, SourceKind, SourceRef, Stage, Stamp, Title, What,
    clean_cut,
};

/// Of the report's own words in the title.
const TITLE_CHARS: usize = 40;
/// Of a rule's id in a reply: it may be one of before, and so any.
const RULE_BYTES_MAX: usize = 200;
/// Of the place in the resident's own words.
const PLACE_CHARS: usize = 20;
/// In `detail`: who marked it as missed, and what was.
const MISSED: &str = "missed";

impl Desk {
    /// Opens a case; the same report once more is answered with the case that it opened.
    pub(super) fn resident_report(
        &mut self,
        now: Now,
        (source, stamp): (&SourceId, Stamp),
        report: &ResidentReport,
        effects: &mut Effects,
    ) {
        let key = report.key();
        let known = self.by_key.get(&key).and_then(|id| self.live.get(id));
        if let Some(live) = known {
            effects.repeated = true;
            effects.answer = Answer::Changed(Box::new(live.incident.clone()));
            return;
        }
        let grid = report.grid.clone();
        let postures = self.postures();
        let mut detail = self.duty(now, grid.as_ref());
        let mut put = |name: &str, value: serde_json::Value| detail.insert(name.into(), value);
        put("text", report.text.clone().into());
        put("language", report.language.into());
        report.address().into_iter().for_each(|place| drop(put("address", place.into())));
        if let Some(Title { zh, en }) = &report.picture_refused {
            put("picture_refused", serde_json::json!({ "zh": zh, "en": en }));
        }
        let id = self.ids.incident(now);
        let kind = SourceKind::Resident;
        let incident = Incident {
            id,
            revision: 0,
            stage: Stage::Opened,
            // What it tells of may be over or not: nobody watches it.
            active: false,
            kind: Kind::Report,
            severity: Severity::NOTICE,
            title: title(report),
            route: self.directory.routes.route(Kind::Report, grid.as_ref(), &postures),
            grid,
            place: None,
            began_at: stamp.at,
            opened_at: stamp.at,
            changed_at: now.wall,
            ended_at: Some(stamp.at),
            sources: vec![SourceRef { id: source.clone(), kind, name: REPORTS_NAME.into() }],
            objects: Vec::new(),
            evidence: report.picture.iter().cloned().collect(),
            deadline: None,
            life: Life::default(),
            clock: ClockError::of(stamp),
            why: "a resident reported it on the public page".into(),
            detail,
            rule: None,
            key: key.clone(),
        };
        let evidence = report.picture.iter().cloned();
        effects.entries.extend(evidence.map(|evidence| Entry::Evidence { incident: id, evidence }));
        self.open_at_once(now, incident, &postures, effects);
        self.by_key.insert(key, id);
    }

    /// Whether a reply may say that this was missed.
    pub(super) fn may_mark(&self, incident: &Incident, reply: &Reply) -> Result<(), String> {
        let Some(missed) = &reply.missed else { return Ok(()) };
        if incident.kind != Kind::Report || incident.is_drill() {
            return Err("`missed` is for residents' reports alone".into());
        }
        if *missed == Missed::default() {
            return Err("`missed` needs at least one of `kind`, `rule`, `source`".into());
        }
        if missed.rule.as_ref().is_some_and(|rule| rule.as_str().len() > RULE_BYTES_MAX) {
            return Err(format!("`missed.rule`: expected at most {RULE_BYTES_MAX} bytes"));
        }
        match &missed.source {
            Some(source) if !self.directory.sources.contains_key(source) => {
                Err(format!("`missed.source`: no source is called `{source}`"))
            }
            _ => Ok(()),
        }
    }

    /// A reply that moves nothing any more may still mark the case.
    pub(super) fn mark_alone(&mut self, now: Now, reply: &Reply, effects: &mut Effects) {
        let Some(live) = self.live.get(&reply.incident) else { return };
        if let Err(reason) = self.may_mark(&live.incident, reply) {
            effects.answer = Answer::Refused(reason);
            return;
        }
        let Some(live) = self.live.get_mut(&reply.incident) else { return };
        if !mark(&mut live.incident, reply, now) {
            return;
        }
        effects.entries.push(Entry::Reply { reply: reply.clone(), at: now.wall });
        effects.entries.push(live.record(now, What::Updated));
        effects.answer = Answer::Changed(Box::new(live.incident.clone()));
    }
}

/// Writes into the case what was missed; whether that says anything new.
pub(super) fn mark(incident: &mut Incident, reply: &Reply, now: Now) -> bool {
    let Some(missed) = &reply.missed else { return false };
    let Ok(mut said) = serde_json::to_value(missed) else { return false };
    let before = incident.detail.get(MISSED).cloned().map(|mut before| {
        before.as_object_mut().map(|fields| (fields.remove("by"), fields.remove("at")));
        before
    });
    if before.as_ref() == Some(&said) {
        return false;
    }
    said["by"] = reply.by.clone().into();
    said["at"] = now.wall.to_string().into();
    incident.detail.insert(MISSED.into(), said);
    true
}

/// What it is comes first, and a stranger's words stand behind it and in quotes: none reads as the
/// headline of another kind.
fn title(report: &ResidentReport) -> Title {
    let (zh, en) = Kind::Report.words();
    let (mut zh, mut en) = (vec![zh.to_owned()], vec![en.to_owned()]);
    let grid = report.grid.as_ref().map(|grid| &grid.name);
    let known = report.place.as_ref().or(grid).cloned();
    let own = report.own_place.as_ref().map(|own| clean_cut(own, PLACE_CHARS).replace('」', "』"));
    let own_zh = own.as_ref().map(|own| format!("自述地点「{own}」"));
    let own_en = own.map(|own| format!("place as told「{own}」"));
    let text = clean_cut(&report.text, TITLE_CHARS);
    let text = (!text.is_empty()).then_some(text);
    zh.extend(known.clone().into_iter().chain(own_zh).chain(text.clone()));
    en.extend(known.into_iter().chain(own_en).chain(text));
    Title { zh: zh.join("："), en: en.join(": ") }
}
