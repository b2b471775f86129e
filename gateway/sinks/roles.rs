//! `roles` of a sink: those of the duty who are behind it are told while they are on duty for the case. Pure.

use serde_json::Value;

use crate::domain::{Detail, DutyRole, Record};

/// Whether this record is for a sink of these roles: somebody of them was on duty for the case when it was opened.
/// Where the list had nobody at all, or the site has none, it is told too: rather twice than to nobody.
pub(super) fn is_meant(roles: &[DutyRole], record: &Record) -> bool {
    let on_duty = on_duty(&record.incident.detail);
    roles.is_empty() || on_duty.is_empty() || on_duty.iter().any(|one| is_of(one, roles))
}

/// Everybody on duty for the case, as its record tells it.
fn on_duty(detail: &Detail) -> &[Value] {
    detail.get("duty").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn is_of(one: &Value, roles: &[DutyRole]) -> bool {
    let role = one.get("role").and_then(|role| serde_json::from_value(role.clone()).ok());
    role.is_some_and(|role: DutyRole| roles.contains(&role))
}

/// Of those on duty only these roles are left, for a text to them; no roles: everybody.
pub(super) fn keep(roles: &[DutyRole], detail: &mut Detail) {
    let all = detail.get_mut("duty").and_then(Value::as_array_mut);
    if let Some(all) = all.filter(|_| !roles.is_empty()) {
        all.retain(|one| is_of(one, roles));
    }
}

/// The name of the first on duty of these roles.
pub(super) fn first(roles: &[DutyRole], detail: &Detail) -> Option<String> {
    let first = on_duty(detail).iter().find(|one| is_of(one, roles))?;
    first.get("name").and_then(Value::as_str).map(str::to_owned)
}

/// What is wrong with `roles`, as (key, message).
pub(super) fn problem(
    roles: &[DutyRole],
    carries_evidence: bool,
) -> Option<(&'static str, String)> {
    let message =
        "with `send_pictures`: pictures go to a sink of all roles alone; leave one of the two out";
    (!roles.is_empty() && carries_evidence).then(|| ("roles", message.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::DutyRole::{Auxiliary, Lead, Officer, Worker};

    fn record(duty: &Value) -> Record {
        let at = "2026-07-01T04:00:00Z";
        let detail = if duty.is_null() { json!({}) } else { json!({ "duty": duty }) };
        let incident = json!({
            "id": "01900000-0000-7000-8000-000000000001", "revision": 1, "stage": "opened",
            "active": true, "kind": "intrusion", "severity": 2, "title": {"zh": "一", "en": "one"},
            "began_at": at, "opened_at": at, "changed_at": at, "sources": [], "objects": [],
            "evidence": [], "clock": {"gateway": at, "error_ms": 0}, "why": "w", "key": "k",
            "detail": detail,
        });
        let what = crate::domain::What::Opened;
        Record { what, incident: serde_json::from_value(incident).unwrap() }
    }

    #[test]
    fn a_role_is_told_while_somebody_of_it_is_on_duty_and_everybody_where_nobody_is() {
        let one = |role: &str, name: &str| json!({"role": role, "name": name});
        let night = json!([one("officer", "王"), one("auxiliary", "孙"), one("auxiliary", "赵")]);
        let strange = json!([one("chief", "周"), {"name": "吴"}]);
        for (duty, roles, expected) in [
            (&night, vec![], true),
            (&night, vec![Officer], true),
            (&night, vec![Auxiliary, Worker], true),
            (&night, vec![Worker], false),
            (&night, vec![Lead, Worker], false),
            (&strange, vec![Officer], false),
            (&strange, vec![], true),
            (&json!([]), vec![Officer], true),
            (&Value::Null, vec![Worker], true),
        ] {
            assert_eq!(is_meant(&roles, &record(duty)), expected, "{roles:?} {duty}");
        }
        let mut detail = record(&night).incident.detail;
        assert_eq!(first(&[Auxiliary], &detail).as_deref(), Some("孙"));
        assert_eq!(first(&[Worker], &detail), None);
        keep(&[], &mut detail);
        assert_eq!(on_duty(&detail).len(), 3);
        keep(&[Auxiliary], &mut detail);
        assert_eq!(on_duty(&detail), [one("auxiliary", "孙"), one("auxiliary", "赵")]);
        assert!(problem(&[Officer], true).is_some() && problem(&[Officer], false).is_none());
        assert!(problem(&[], true).is_none());
    }
}
