//! `levels` of a sink: who is told of a case only once it was taken to them.

use crate::domain::{Level, Record, What};

/// Whether this record is for a sink of these levels: an escalation, where it is to one of them; any other
/// change, once one of them was told. No levels: all of it.
pub(super) fn is_meant(levels: &[Level], record: &Record) -> bool {
    let Some(lowest) = levels.iter().min() else { return true };
    let deadline = record.incident.deadline.as_ref();
    let escalation = deadline.and_then(|deadline| deadline.escalation.as_ref());
    match (record.what, escalation) {
        (What::Escalated, Some(escalation)) => levels.contains(&escalation.level),
        // Who works in the grid has the case from its opening.
        _ if *lowest == Level::GridWorker => true,
        _ => deadline.and_then(|deadline| deadline.reached).is_some_and(|it| it >= *lowest),
    }
}

/// What is wrong with `levels`, as (key, message).
pub(super) fn problem(levels: &[Level], carries_evidence: bool) -> Option<(&'static str, String)> {
    let message =
        "with `send_pictures`: pictures go to a sink of all levels alone; leave one of the two out";
    (!levels.is_empty() && carries_evidence).then(|| ("levels", message.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(what: What, reached: &Value, told: &Value) -> Record {
        let at = "2026-07-01T04:00:00Z";
        let escalation =
            told.is_string().then(|| json!({"level": told, "urge": "催办", "for_step": "accept"}));
        let incident = json!({
            "id": "01900000-0000-7000-8000-000000000001", "revision": 1, "stage": "opened",
            "active": true, "kind": "intrusion", "severity": 2, "title": {"zh": "一", "en": "one"},
            "began_at": at, "opened_at": at, "changed_at": at, "sources": [], "objects": [],
            "evidence": [], "clock": {"gateway": at, "error_ms": 0}, "why": "w", "key": "k",
            "deadline": {
                "tier": "small", "accept_by": at, "finish_by": at, "reached": reached,
                "escalation": escalation,
            },
        });
        Record { what, incident: serde_json::from_value(incident).unwrap() }
    }

    #[test]
    fn a_case_is_told_where_it_was_taken_to_and_an_escalation_only_to_who_is_meant() {
        use Level::{Community, Department, GridHead, GridWorker};
        let none = Value::Null;
        let opened = record(What::Opened, &none, &none);
        let head = record(What::Escalated, &json!("grid-head"), &json!("grid-head"));
        let community = record(What::Escalated, &json!("community"), &json!("community"));
        let accepted = record(What::Accepted, &json!("community"), &none);
        for (levels, expected) in [
            (vec![], [true, true, true, true]),
            (vec![GridWorker], [true, false, false, true]),
            (vec![GridHead], [false, true, false, true]),
            (vec![Community], [false, false, true, true]),
            (vec![Community, GridHead], [false, true, true, true]),
            (vec![Department], [false, false, false, false]),
        ] {
            let meant = [&opened, &head, &community, &accepted].map(|it| is_meant(&levels, it));
            assert_eq!(meant, expected, "{levels:?}");
        }
        // A record of an older version has no level.
        let mut old = accepted;
        old.incident.deadline = None;
        assert!(is_meant(&[], &old) && !is_meant(&[GridHead], &old));
        assert!(problem(&[GridHead], true).is_some() && problem(&[], true).is_none());
        assert!(problem(&[GridHead], false).is_none());
    }
}
