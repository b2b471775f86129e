//! What the junction had in hand when it ended by a fault: an input that does so twice is not taken a third time.
//!
//! Such an input was not acknowledged, so its sender sends it again after the restart, and without
//! this the gateway would end for ever. A press is taken instead as one that nobody can read, which
//! still is an incident and goes into the reserve of a full disk; anything else, and a press that
//! ends the gateway even so, goes to the quarantine. Both are acknowledged. `in-hand.json` in the
//! data folder holds how often each has ended the junction; it is forgotten after an hour, and by
//! another version: the next press of the same button may have the same bytes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    base::{Sync, write_whole},
    domain::{Body, Observation, Press, PressForm, Unreadable},
};

/// From so many ends on it is taken as one that cannot be read.
const ENDS_MAX: u32 = 2;
/// And a press that has still ended it so often goes to the quarantine alone.
const PRESS_ENDS_MAX: u32 = 4;
/// An end counts for so long.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);
/// Inputs that are remembered.
const INPUTS_MAX: usize = 64;
/// Of what is kept for people.
const TEXT_BYTES_MAX: usize = 2_000;
/// Of a press, as a message that nobody can read shows it.
const SHOWN_CHARS_MAX: usize = 200;
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// By the fingerprint of the input: how often it ended the junction.
#[derive(Default)]
pub(super) struct InHand {
    path: PathBuf,
    noted: Noted,
}

/// `in-hand.json`. What an earlier version wrote reads as nothing.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Noted {
    version: String,
    inputs: BTreeMap<String, Ends>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Ends {
    count: u32,
    /// Of the last one.
    at: Timestamp,
}

impl Ends {
    fn counts(self, now: Timestamp) -> bool {
        // A clock that was set back makes nothing older than it is.
        now.duration_since(self.at).abs() <= REMEMBERED
    }
}

impl InHand {
    /// What earlier processes of this version wrote; nothing, with a log line, if that cannot be read.
    pub(super) fn read(data: &Path) -> Self {
        let path = data.join("in-hand.json");
        let noted = match std::fs::read(&path) {
            Err(_) => Noted::default(),
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "what ended the junction before cannot be read");
                Noted::default()
            }),
        };
        let noted = if noted.version == VERSION { noted } else { Noted::default() };
        Self { path, noted }
    }

    /// The junction ends over this input.
    pub(super) fn ended_by(&mut self, observation: &Observation) {
        let Some(print) = fingerprint(observation) else { return };
        let now = observation.stamp.gateway;
        let inputs = &mut self.noted.inputs;
        inputs.retain(|_, ends| ends.counts(now));
        let ends = inputs.entry(print).or_insert(Ends { count: 0, at: now });
        *ends = Ends { count: ends.count.saturating_add(1), at: now };
        while inputs.len() > INPUTS_MAX {
            let oldest = inputs.iter().min_by_key(|(_, ends)| ends.at).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            inputs.remove(&oldest);
        }
        self.noted.version = VERSION.into();
        let bytes = serde_json::to_vec(&self.noted).unwrap_or_default();
        if let Err(error) = write_whole(&self.path, &bytes, Sync::Yes) {
            tracing::error!(%error, "what ended the junction cannot be written down");
        }
    }

    /// The input, or in its place one that nobody can read, if it has ended the junction before.
    pub(super) fn judge(&self, observation: Observation) -> Observation {
        if self.noted.inputs.is_empty() {
            return observation;
        }
        let ends = fingerprint(&observation).and_then(|print| self.noted.inputs.get(&print));
        let now = observation.stamp.gateway;
        let ends = ends.filter(|ends| ends.count >= ENDS_MAX && ends.counts(now));
        let Some(Ends { count, .. }) = ends.copied() else { return observation };
        let Observation { source, stamp, body } = observation;
        tracing::error!(%source, ends = count, "an input has ended the junction before: it is set aside");
        let reason = format!("it has ended the gateway {count} times by a fault inside");
        let body = match body {
            Body::Press(press) if count < PRESS_ENDS_MAX => Body::Press(unread(press, reason)),
            body => {
                let mut payload = format!("{body:?}").into_bytes();
                payload.truncate(TEXT_BYTES_MAX);
                Body::Unreadable(Unreadable { origin: source.to_string(), reason, payload })
            }
        };
        Observation { source, stamp, body }
    }
}

/// A press as one that nobody can read; what tells it from others stays, so that it counts once.
fn unread(press: Press, reason: String) -> Press {
    let said = format!("id {:?}, at {:?}, {:?}", press.id, press.at, press.form);
    let text = said.chars().take(SHOWN_CHARS_MAX).collect();
    let Press { id, at, retained, via, arrival, .. } = press;
    let form = PressForm::Unreadable { reason, text };
    Press { id, at, retained, via, arrival, form, ..Press::default() }
}

/// Of what is sent again when it is not acknowledged, and the same each time it is: without the times
/// that we gave it, and without what its transport changes (DUP, packet id, client id).
fn fingerprint(observation: &Observation) -> Option<String> {
    let said = match &observation.body {
        Body::Press(Press { id, at, arrival: Some(arrival), .. }) => {
            format!("press {id:?} {at:?} {}", arrival.digest)
        }
        Body::Press(Press { id, at, form, .. }) => format!("press {id:?} {at:?} {form:?}"),
        Body::Gauge(report) => {
            let measures: Vec<_> = report.readings.iter().map(|one| one.measure).collect();
            format!("gauge {:?} {measures:?}", report.id)
        }
        body @ (Body::Device(_) | Body::Reply(_) | Body::Posture(_) | Body::Pose(_)) => {
            format!("{body:?}")
        }
        _ => return None,
    };
    let digest = Sha256::digest(format!("{}\n{said}", observation.source).as_bytes());
    Some(digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Arrival, GaugeReport, Measure, Now, Reading};

    fn now(wall: i64) -> Now {
        Now { wall: Timestamp::from_second(1_782_864_000 + wall).unwrap(), mono_ms: 0 }
    }

    /// Handed in anew each time: another packet of another client.
    fn press(id: Option<&str>, wall: i64) -> Observation {
        let arrival = Arrival {
            way: "intake".into(),
            client: format!("random-{wall}"),
            packet: u16::try_from(wall % 60_000).ok(),
            dup: wall % 2 == 1,
            digest: "same".into(),
        };
        let press = Press { id: id.map(str::to_owned), arrival: Some(arrival), ..Press::default() };
        Observation::of_gateway("b1".into(), now(wall), Body::Press(press))
    }

    fn is_unread(judged: &Observation) -> bool {
        match &judged.body {
            Body::Press(press) => matches!(press.form, PressForm::Unreadable { .. }),
            _ => panic!("a press is always one: {judged:?}"),
        }
    }

    #[test]
    fn a_press_that_ended_the_junction_twice_is_a_call_that_cannot_be_read_after_each_restart() {
        let folder = tempfile::tempdir().unwrap();
        for wall in 0..2 {
            let mut hand = InHand::read(folder.path());
            let same = hand.judge(press(Some("1"), wall));
            assert!(!is_unread(&same), "after {wall} ends it is tried");
            hand.ended_by(&same);
        }
        let mut hand = InHand::read(folder.path());
        let judged = hand.judge(press(Some("1"), 99));
        assert!(is_unread(&judged) && judged.source.as_str() == "b1");
        assert!(!is_unread(&hand.judge(press(Some("2"), 99))), "another one is not touched");
        // Even so it ends the gateway: then it stands in nobody's way.
        hand.ended_by(&judged);
        let judged = hand.judge(press(Some("1"), 100));
        assert!(is_unread(&judged));
        hand.ended_by(&judged);
        let judged = InHand::read(folder.path()).judge(press(Some("1"), 101));
        assert!(matches!(judged.body, Body::Unreadable(ref why) if why.reason.contains("4 times")));
    }

    #[test]
    fn an_hour_later_and_in_another_version_a_button_that_always_says_the_same_is_heard_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut hand = InHand::read(folder.path());
        (0..2).for_each(|wall| hand.ended_by(&press(None, wall)));
        assert!(is_unread(&hand.judge(press(None, 3_601))));
        assert!(!is_unread(&hand.judge(press(None, 3_602))));
        let path = folder.path().join("in-hand.json");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(VERSION, "0.0.0-other")).unwrap();
        assert!(!is_unread(&InHand::read(folder.path()).judge(press(None, 5))));
        std::fs::write(&path, r#"{"00112233445566778899aabb":2}"#).unwrap();
        assert!(InHand::read(folder.path()).noted.inputs.is_empty(), "as it was before");
    }

    #[test]
    fn a_report_of_a_gauge_that_is_dated_by_its_arrival_is_known_again() {
        let report = |wall: i64, tips| {
            let at = now(wall).wall;
            let readings = vec![Reading { at, measure: Measure::Tips(tips) }];
            let report = GaugeReport { readings, ..GaugeReport::default() };
            Observation::of_gateway("g1".into(), now(wall), Body::Gauge(report))
        };
        let folder = tempfile::tempdir().unwrap();
        let mut hand = InHand::read(folder.path());
        (0..2).for_each(|wall| hand.ended_by(&report(wall, 7)));
        assert!(matches!(hand.judge(report(9, 7)).body, Body::Unreadable(_)));
        assert!(matches!(hand.judge(report(9, 8)).body, Body::Gauge(_)));
    }
}
