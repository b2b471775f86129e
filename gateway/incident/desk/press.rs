//! Presses at the desk: judged against those seen before, written down, and made an emergency.

use jiff::Timestamp;

use super::{
    super::{
        presses::{self, PressVerdict, RememberedPress},
        strangers::NAME_CHARS_MAX,
    },
    Desk, Effects, Live,
};
use crate::domain::{
    Claim, ClockError, Entry, Finding, IncidentId, Kind, Mark, Now, Phase, Press, PressForm,
    Severity, SourceId, Stamp, ThingReport, Title, clean_cut,
};

/// Further messages that nobody can read are told at most once in this time.
const UNREADABLE_EVERY_MS: u64 = 60_000;

impl Desk {
    /// Of a press that comes next: what the store is to be asked for, because it may have been forgotten
    /// here. None as long as all that counts is remembered.
    pub fn press_to_recall(&self, now: Now, source: &SourceId, press: &Press) -> Vec<Mark> {
        self.presses.to_recall(now, source, press)
    }

    /// [`Self::restore`] was given the newest presses only: the store knows the older ones.
    pub fn restored_in_part(&mut self, now: Now) {
        self.presses.restored_in_part(now);
    }

    /// What the store knows of the press that comes next: marks, and when they were taken.
    pub fn recall_press(&mut self, now: Now, seen: &[(Mark, Timestamp)]) {
        self.presses.recall(now, seen);
    }

    /// A press, or the repeat of one.
    pub(super) fn press(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        press: &Press,
        effects: &mut Effects,
    ) {
        if let PressForm::Unreadable { reason, text } = &press.form {
            return self.unreadable_press(now, source, stamp, press, [reason, text], effects);
        }
        let is_level = press.form == PressForm::Level;
        let known_to_call = is_level && self.fleet.is_calling(source);
        if known_to_call && !press.retained {
            return self.said_again(now, source, stamp, press, effects);
        }
        let verdict = self.presses.judge(now, source, press);
        if is_level && !press.retained {
            self.fleet.begins_to_call(now, source);
        }
        if verdict == PressVerdict::Same || known_to_call {
            return;
        }
        let key = format!("press/{source}");
        let stale = verdict == PressVerdict::Stale;
        let open = self.by_key.get(&key).copied();
        if stale {
            effects.entries.push(presses::entry(
                source,
                stamp,
                press,
                RememberedPress::Stale,
                None,
            ));
            return;
        }
        if open.is_none() && self.is_test(now, source) {
            self.fleet.battery(now, source, press.battery);
            return self.test_press(now, source, stamp, press, effects);
        }
        if open.is_none() && self.is_stranger(source, Some(press)) && self.strangers_are_many() {
            return self.join_strangers(now, source, stamp, press, effects);
        }
        let open = open.or_else(|| self.call_again(now, source, &key));
        self.fleet.battery(now, source, press.battery);
        self.fleet.pressed(now, source, &press.via, press.retained, false);
        let finding = self.press_finding(key.clone(), open, source, stamp, press);
        // Those of the press before are its own.
        if let Some(live) = open.and_then(|id| self.live.get_mut(&id)) {
            live.incident.detail.remove("doubts");
        }
        self.finding(now, finding, effects);
        let id = self.by_key.get(&key).copied();
        // A second press is reported at once, without the ten seconds between updates.
        let again = open.and(id).and_then(|id| self.live.get_mut(&id));
        if let Some(live) = again.filter(|live| live.dirty) {
            effects.entries.push(live.updated(now));
        }
        effects.entries.insert(0, presses::entry(source, stamp, press, RememberedPress::Call, id));
        if let (None, Some(id)) = (open, id) {
            self.count_stranger(source, press, &key);
            self.picture_press(now, source, id);
        }
        self.judge_device(now, source, effects);
    }

    /// The emergency that a press makes. `open`: the incident of earlier presses, for their number.
    pub(super) fn press_finding(
        &self,
        key: String,
        open: Option<IncidentId>,
        source: &SourceId,
        stamp: Stamp,
        press: &Press,
    ) -> Finding {
        let claim = press.claim.as_deref();
        // Who speaks for one device alone is that device, whatever it says that it is.
        let one = claim.and_then(|claim| match claim.speaks_for.as_slice() {
            [one] => Some(one),
            _ => None,
        });
        let mut detail = self.for_the_officer(one.unwrap_or(source));
        if let Some(claim) = claim {
            detail.insert("claims".into(), clean_cut(claim.device.as_str(), NAME_CHARS_MAX).into());
            let own = claim.speaks_for.iter().map(ToString::to_string);
            detail.insert("speaks_for".into(), own.collect::<Vec<_>>().into());
        }
        if self.is_stranger(source, Some(press)) {
            detail.insert("unlisted".into(), true.into());
        }
        if let Some(battery) = press.battery {
            detail.insert("battery".into(), battery.into());
        }
        detail.insert("via".into(), press.via.clone().into());
        if !press.doubts.is_empty() {
            detail.insert("doubts".into(), press.doubts.clone().into());
        }
        let count = open
            .and_then(|id| self.live.get(&id))
            .and_then(|live| live.incident.detail.get("presses")?.as_u64())
            .unwrap_or(0)
            + 1;
        detail.insert("presses".into(), count.into());
        Finding {
            key,
            phase: Phase::Begins,
            rule: None,
            source: source.clone(),
            kind: Kind::EmergencyButton,
            severity: Severity::EMERGENCY,
            title: claim.map(|claim| self.title_of_claim(one.unwrap_or(source), claim)),
            began_at: stamp.at,
            at: stamp.at,
            clock: ClockError::of(stamp),
            objects: Vec::new(),
            why: match claim {
                None => format!("{source} was pressed ({count} so far)"),
                Some(Claim { device, .. }) => format!(
                    "{source} was pressed ({count} so far): its sender may not speak for {device}, which it names"
                ),
            },
            detail,
            things: ThingReport::default(),
            shot: None,
            notable: true,
        }
    }

    /// A state that is true since an earlier press is said again. Soon after that press it is the same
    /// one; later, or when its case is closed, somebody is asked, at most once an hour while that
    /// question is open.
    fn said_again(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        press: &Press,
        effects: &mut Effects,
    ) {
        self.fleet.begins_to_call(now, source);
        let is_open = self.by_key.contains_key(&format!("press/{source}"));
        let is_same = is_open && self.fleet.pressed_lately(now, source);
        let is_asked = self.by_key.contains_key(&format!("again/{source}"));
        if is_same || self.is_test(now, source) || !self.fleet.may_ask(now, source, is_asked) {
            effects.repeated = true;
            return self.judge_device(now, source, effects);
        }
        if !is_open && self.is_stranger(source, Some(press)) && self.strangers_are_many() {
            return self.join_strangers(now, source, stamp, press, effects);
        }
        let why = format!(
            "{source} says in each report that it calls, since an earlier press: a new call, or only a report?"
        );
        let title = self.title_of(
            source,
            ["仍报求助：是新的求助，还是重复上报？", "still calls: a new call, or only a report?"],
        );
        let mut finding = self.doubtful_press(format!("again/{source}"), source, stamp, press, why);
        finding.title = Some(title);
        finding.detail.insert("repeated".into(), true.into());
        self.tell_doubtful(now, finding, effects);
        self.count_stranger(source, press, &format!("again/{source}"));
        self.judge_device(now, source, effects);
    }

    /// A message that nobody can read, of a button or on a topic for presses alone: one incident a
    /// device, until a person closes it; what comes meanwhile is counted there.
    fn unreadable_press(
        &mut self,
        now: Now,
        source: &SourceId,
        stamp: Stamp,
        press: &Press,
        [reason, text]: [&String; 2],
        effects: &mut Effects,
    ) {
        let key = format!("unreadable/{source}");
        if self.presses.is_sent_again(now, press) {
            effects.repeated = true;
            return;
        }
        self.presses.remember_packet(now, press);
        if let Some(live) = self.by_key.get(&key).and_then(|id| self.live.get_mut(id)) {
            effects.entries.extend(one_more_unreadable(now, live));
            return;
        }
        if self.is_stranger(source, Some(press)) && self.strangers_are_many() {
            return self.join_strangers(now, source, stamp, press, effects);
        }
        let why = format!(
            "{source} sent what nobody can read, where presses are sent ({reason}): it may be a call"
        );
        let title = self.title_of(
            source,
            ["按钮消息无法识别，可能是求助", "a message that cannot be read, maybe a call"],
        );
        let mut finding = self.doubtful_press(key.clone(), source, stamp, press, why);
        finding.title = Some(title);
        finding.detail.insert("unreadable".into(), true.into());
        finding.detail.insert("payload".into(), text.clone().into());
        finding.detail.insert("reason".into(), reason.clone().into());
        self.tell_doubtful(now, finding, effects);
        let id = self.by_key.get(&key).copied();
        effects.entries.insert(0, presses::entry(source, stamp, press, RememberedPress::Call, id));
        if let Some(id) = id {
            self.count_stranger(source, press, &key);
            self.picture_press(now, source, id);
        }
    }

    /// Who pressed, and whose name is used.
    fn title_of_claim(&self, sender: &SourceId, claim: &Claim) -> Title {
        let (name, claimed) = (self.source(sender).name, self.source(&claim.device).name);
        Title {
            zh: format!("{name}：紧急按钮求助（自称 {claimed}）"),
            en: format!("{name}: emergency button pressed (says that it is {claimed})"),
        }
    }

    fn title_of(&self, source: &SourceId, [zh, en]: [&str; 2]) -> Title {
        let name = self.source(source).name;
        Title { zh: format!("{name}：{zh}"), en: format!("{name}: {en}") }
    }

    /// What may be a press, at severity 2.
    fn doubtful_press(
        &self,
        key: String,
        source: &SourceId,
        stamp: Stamp,
        press: &Press,
        why: String,
    ) -> Finding {
        let mut finding = self.press_finding(key, None, source, stamp, press);
        finding.detail.remove("presses");
        (finding.severity, finding.why) = (Severity::ALERT, why);
        finding
    }

    /// Opens it, or tells at once that it goes on.
    fn tell_doubtful(&mut self, now: Now, finding: Finding, effects: &mut Effects) {
        let key = finding.key.clone();
        let open = self.by_key.get(&key).copied();
        self.finding(now, finding, effects);
        let again = open.and_then(|id| self.live.get_mut(&id));
        if let Some(live) = again.filter(|live| live.dirty) {
            effects.entries.push(live.updated(now));
        }
    }
}

/// Counts one more that nobody can read. It is told at most once a minute, and at once if nothing was
/// told since a person's step: whoever took it knows of none after it.
fn one_more_unreadable(now: Now, live: &mut Live) -> Option<Entry> {
    let detail = &mut live.incident.detail;
    let count = detail.get("messages").and_then(serde_json::Value::as_u64).unwrap_or(1) + 1;
    detail.insert("messages".into(), count.into());
    let last = live.incident.life.steps.last();
    let after_a_step = last.is_some_and(|step| step.revision == live.incident.revision);
    let told_ms = now.mono_ms.saturating_sub(live.reported_at_ms);
    (after_a_step || told_ms >= UNREADABLE_EVERY_MS).then(|| live.updated(now))
}
