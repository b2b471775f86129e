//! The same words once more: of a case in every state, and in lists of every make.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::said_again::{PlaceInAnswer, listed, new_id, numbered};
use crate::domain::{CaseStep, Incident, IncidentId, ReplyTo};

fn incident(steps: &[(ReplyTo, Option<&str>)]) -> Incident {
    let at = "2026-07-01T04:00:00Z";
    let incident = json!({
        "id": "01900000-0000-7000-8000-000000000001", "revision": 1, "stage": "opened",
        "active": true, "kind": "intrusion", "severity": 2, "title": {"zh": "一", "en": "one"},
        "began_at": at, "opened_at": at, "changed_at": at, "sources": [], "objects": [],
        "evidence": [], "clock": {"gateway": at, "error_ms": 0}, "why": "w", "key": "k",
    });
    let mut incident: Incident = serde_json::from_value(incident).unwrap();
    for (revision, (step, id)) in (2..).zip(steps) {
        let step = CaseStep::new(*step, "甲", Timestamp::UNIX_EPOCH, revision).with_id(*id);
        incident.life.push(step);
    }
    incident
}

#[test]
fn s2_the_same_words_are_new_once_another_step_was_taken_and_the_platform_knows_of_it() {
    use ReplyTo::{
        Accepted, Dispatched, Escalated, Granted, Handled, Reopened, SentBack, Transferred,
    };
    let (first, second) = (Some("d:h"), Some("d:h#2"));
    let all = |_: &CaseStep| true;
    for (steps, expected) in [
        (vec![], None),
        (vec![(Accepted, None)], None),
        (vec![(Handled, first)], None),
        (vec![(Handled, first), (Escalated, None)], None),
        (vec![(Handled, first), (SentBack, None)], Some("d:h#2")),
        (vec![(Handled, first), (SentBack, None), (Escalated, None)], Some("d:h#2")),
        (vec![(Handled, first), (SentBack, None), (Handled, second)], None),
        (
            vec![(Handled, first), (SentBack, None), (Handled, second), (Reopened, None)],
            Some("d:h#3"),
        ),
        // What one of another beginning or none says is not it.
        (vec![(Handled, Some("d:hh")), (SentBack, None)], None),
        (vec![(Handled, Some("d:h#x")), (SentBack, None)], None),
        // Whoever has it may transfer it at any time: new only where somebody else has it since.
        (vec![(Transferred, first), (ReplyTo::AskExtend, None), (ReplyTo::Refused, None)], None),
        (vec![(Transferred, first), (Dispatched, None)], Some("d:h#2")),
        (vec![(Transferred, first), (Granted, None)], Some("d:h#2")),
    ] {
        assert_eq!(new_id(&incident(&steps), "d:h", all).as_deref(), expected, "{steps:?}");
    }
    let back = incident(&[(Handled, first), (SentBack, None)]);
    assert_eq!(new_id(&back, "d:h", |_| false), None, "the platform was not told");
    assert_eq!(new_id(&back, "d:h", |step| step.revision <= 2), None, "only of what was before");
    assert_eq!(new_id(&back, "d:h", |step| step.revision <= 3).as_deref(), Some("d:h#2"));
    assert_eq!((numbered("x", 0), numbered("x", 1)), ("x".to_owned(), "x".to_owned()));
}

fn id(n: u128) -> IncidentId {
    format!("01900000-0000-7000-8000-{n:012x}").parse().unwrap()
}

#[test]
fn s2_a_list_says_by_itself_what_is_another_state_and_what_stands_there_twice() {
    let item = |case: u64, word: &str| json!({"case": case, "word": word});
    let case_of = |before: Option<Value>| {
        move |item: &Value| {
            let case = item["case"].as_u64()?;
            let before = before.as_ref().map(super::early_replies::digest);
            Some((id(case.into()), before))
        }
    };
    let found = |items: &[Value], before: Option<Value>| -> Vec<(bool, bool, u32)> {
        let all = listed(items, case_of(before)).into_iter();
        all.map(|PlaceInAnswer { alone, has_changed, nth }| (alone.is_some(), has_changed, nth))
            .collect()
    };
    let (one, two) = (item(1, "a"), item(1, "b"));
    assert_eq!(found(&[], None), []);
    // The latest state of each case: another one than before, or the same again and again.
    assert_eq!(found(std::slice::from_ref(&one), None), [(true, false, 1)]);
    assert_eq!(found(std::slice::from_ref(&one), Some(one.clone())), [(true, false, 1)]);
    assert_eq!(found(std::slice::from_ref(&one), Some(two.clone())), [(true, true, 1)]);
    let other = item(2, "a");
    assert_eq!(
        found(&[one.clone(), other], Some(one.clone())),
        [(true, false, 1), (true, true, 1)]
    );
    // All steps of a case: none of them is its state, and what stands there twice is twice.
    let steps = [one.clone(), two.clone(), one.clone()];
    assert_eq!(found(&steps, Some(two)), [(false, false, 1), (false, false, 1), (false, false, 2)]);
    // Nobody knows whose it is.
    assert_eq!(found(&[json!({"word": "a"}), one], None), [(false, false, 1), (true, false, 1)]);
}
