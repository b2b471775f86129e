//! What the junction had in hand when it ended by a fault: an input that does so twice is not taken a third time.
//!
//! Such an input was not acknowledged, so its sender sends it again after the restart, and without
//! this the gateway would end for ever. It is set aside instead as what nobody can read is: kept in
//! the quarantine, told as an incident of its device, and acknowledged. `in-hand.json` in the data
//! folder holds how often each has ended the junction.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{
    base::{Sync, write_whole},
    domain::{Body, Observation, Unreadable},
};

/// From so many ends on it is set aside.
const ENDS_MAX: u32 = 2;
/// Inputs that are remembered.
const INPUTS_MAX: usize = 64;
/// Of what is kept for people.
const TEXT_BYTES_MAX: usize = 2_000;

/// By the fingerprint of the input: how often it ended the junction.
#[derive(Default)]
pub(super) struct InHand {
    path: PathBuf,
    ends: BTreeMap<String, u32>,
}

impl InHand {
    /// What earlier processes wrote; nothing, with a log line, if that cannot be read.
    pub(super) fn read(data: &Path) -> Self {
        let path = data.join("in-hand.json");
        let ends = match std::fs::read(&path) {
            Err(_) => BTreeMap::new(),
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "what ended the junction before cannot be read");
                BTreeMap::new()
            }),
        };
        Self { path, ends }
    }

    /// The junction ends over this input.
    pub(super) fn ended_by(&mut self, observation: &Observation) {
        let Some(print) = fingerprint(observation) else { return };
        *self.ends.entry(print).or_default() += 1;
        while self.ends.len() > INPUTS_MAX {
            self.ends.pop_first();
        }
        let bytes = serde_json::to_vec(&self.ends).unwrap_or_default();
        if let Err(error) = write_whole(&self.path, &bytes, Sync::Yes) {
            tracing::error!(%error, "what ended the junction cannot be written down");
        }
    }

    /// The input, or in its place one that nobody can read, if it has ended the junction before.
    pub(super) fn judge(&self, observation: Observation) -> Observation {
        if self.ends.is_empty() {
            return observation;
        }
        let ends = fingerprint(&observation).and_then(|print| self.ends.get(&print).copied());
        let Some(ends) = ends.filter(|ends| *ends >= ENDS_MAX) else { return observation };
        let Observation { source, stamp, body } = observation;
        tracing::error!(%source, ends, "an input has ended the junction before: it is set aside");
        let mut payload = format!("{body:?}").into_bytes();
        payload.truncate(TEXT_BYTES_MAX);
        let body = Body::Unreadable(Unreadable {
            origin: source.to_string(),
            reason: format!("it has ended the gateway {ends} times by a fault inside"),
            payload,
        });
        Observation { source, stamp, body }
    }
}

/// Of what is sent again when it is not acknowledged; without the times that we gave it.
fn fingerprint(observation: &Observation) -> Option<String> {
    match &observation.body {
        Body::Press(_)
        | Body::Device(_)
        | Body::Reply(_)
        | Body::Gauge(_)
        | Body::Posture(_)
        | Body::Pose(_) => {
            let text = format!("{}\n{:?}", observation.source, observation.body);
            let digest = Sha256::digest(text.as_bytes());
            Some(digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{Now, Press};

    fn press(id: &str, wall: i64) -> Observation {
        let now = Now { wall: Timestamp::from_second(wall).unwrap(), mono_ms: 0 };
        let text =
            format!(r#"{{"id":"{id}","at":null,"battery":null,"retained":false,"via":"intake"}}"#);
        let press: Press = serde_json::from_str(&text).unwrap();
        Observation::of_gateway("b1".into(), now, Body::Press(press))
    }

    #[test]
    fn a_press_that_ended_the_junction_twice_is_set_aside_after_each_restart_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        for ends in 0..2 {
            let mut hand = InHand::read(folder.path());
            let same = hand.judge(press("1", ends));
            assert!(matches!(same.body, Body::Press(_)), "after {ends} ends it is tried");
            hand.ended_by(&same);
        }
        let hand = InHand::read(folder.path());
        let judged = hand.judge(press("1", 99));
        assert!(matches!(judged.body, Body::Unreadable(ref why) if why.reason.contains("2 times")));
        assert_eq!(judged.source.as_str(), "b1");
        assert!(matches!(hand.judge(press("2", 99)).body, Body::Press(_)));
    }
}
