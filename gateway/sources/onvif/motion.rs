//! Which notices say that something begins to move. Pure.

use std::collections::BTreeMap;

use super::read::{Notice, Operation};

/// Topics of motion, without prefixes; the value is a yes or no, under a name that makers differ
/// in (`IsMotion`, `State`, `IsInside`).
const STATES: &[&str] = &[
    "RuleEngine/CellMotionDetector/Motion",
    "RuleEngine/MotionRegionDetector/Motion",
    "RuleEngine/FieldDetector/ObjectsInside",
    "VideoSource/MotionAlarm",
    "VideoAnalytics/MotionAlarm",
    // Cameras that know what moves (Reolink, TP-Link and others).
    "RuleEngine/MyRuleDetector/PeopleDetect",
    "RuleEngine/MyRuleDetector/HumanDetect",
    "RuleEngine/MyRuleDetector/VehicleDetect",
];
/// A moment, without a yes or no.
const MOMENTS: &[&str] = &["RuleEngine/LineDetector/Crossed"];
/// Some cameras say it again and again, or never that it is over: after so long, one more is news.
const AGAIN_AFTER_MS: u64 = 10_000;
/// Sources and rules of one camera that are told apart.
const STATES_MAX: usize = 64;

/// What moves, by what the camera has said so far.
#[derive(Default)]
pub(super) struct Motion {
    /// Topic and source → when it last said yes, monotonic milliseconds.
    on: BTreeMap<(String, String), u64>,
}

impl Motion {
    /// Whether something begins to move.
    pub(super) fn take(&mut self, notice: Notice, now_ms: u64) -> bool {
        let Notice { topic, source, operation, on } = notice;
        if MOMENTS.contains(&topic.as_str()) {
            return operation == Operation::Changed;
        }
        if !STATES.contains(&topic.as_str()) {
            return false;
        }
        let name = (topic, source);
        if operation == Operation::Deleted || on != Some(true) {
            self.on.remove(&name);
            return false;
        }
        let known = self.on.contains_key(&name);
        if !known && self.on.len() >= STATES_MAX {
            self.on.pop_first();
        }
        let before = self.on.insert(name, now_ms);
        let news = before.is_none_or(|before| now_ms.saturating_sub(before) >= AGAIN_AFTER_MS);
        // How it stood when we began to listen is nothing that begins.
        news && operation == Operation::Changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(topic: &str, operation: Operation, on: Option<bool>) -> Notice {
        Notice { topic: topic.into(), source: "Rule=1;".into(), operation, on }
    }

    const CELLS: &str = "RuleEngine/CellMotionDetector/Motion";

    #[test]
    fn only_what_begins_is_a_sign() {
        let mut motion = Motion::default();
        let on =
            |motion: &mut Motion, at| motion.take(say(CELLS, Operation::Changed, Some(true)), at);
        assert!(!motion.take(say(CELLS, Operation::Initialized, Some(true)), 0));
        assert!(!on(&mut motion, 500), "it moved already");
        assert!(!motion.take(say(CELLS, Operation::Changed, Some(false)), 1_000));
        assert!(on(&mut motion, 2_000));
        assert!(!on(&mut motion, 3_000), "said again");
        assert!(on(&mut motion, 13_000), "it never says that it is over");
        assert!(!motion.take(say(CELLS, Operation::Changed, None), 14_000), "no yes or no");
        assert!(!motion.take(say("Device/Trigger/Relay", Operation::Changed, Some(true)), 0));
        let line = "RuleEngine/LineDetector/Crossed";
        assert!(motion.take(say(line, Operation::Changed, None), 0));
        assert!(!motion.take(say(line, Operation::Initialized, None), 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut motion = Motion::default();
        for n in 0..10_000 {
            let mut notice = say(CELLS, Operation::Changed, Some(true));
            notice.source = n.to_string();
            assert!(motion.take(notice, 0));
        }
        assert_eq!(motion.on.len(), STATES_MAX);
    }
}
