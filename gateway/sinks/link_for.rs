//! Who is meant by the `link` of a text: the one person whose answer it takes.

use std::sync::Arc;

use jiff::Timestamp;

use super::{roles, template::on_duty};
use crate::{
    domain::{DutyRole, EventData, Level},
    wire::case_links::{CaseLinks, NoLink},
};

/// Who gets the links of a sink's texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFor {
    /// As the sink's own `link_for` says.
    pub name: Option<String>,
    /// The sink's.
    pub levels: Vec<Level>,
    /// The sink's.
    pub departments: Vec<String>,
    /// The sink's.
    pub roles: Vec<DutyRole>,
}

impl LinkFor {
    /// By `link_for`; at a sink of levels whoever was told there last; at a sink of departments the person
    /// that the list names there; at a sink of roles the first of them on duty; else who is on duty, and else the person of the list.
    pub(super) fn person(&self, data: &EventData) -> Option<String> {
        if let Some(name) = &self.name {
            return Some(name.clone());
        }
        if !self.levels.is_empty() {
            return told(data, &self.levels);
        }
        let route = data.route.as_ref();
        let has_it = route.filter(|route| data.department() == Some(route.department.as_str()));
        let routed = has_it.and_then(|route| route.person.clone());
        if !self.departments.is_empty() {
            return routed;
        }
        if !self.roles.is_empty() {
            return roles::first(&self.roles, &data.detail);
        }
        let officer = on_duty(data).and_then(|one| one["name"].as_str());
        officer.map(str::to_owned).or(routed)
    }
}

/// Whoever was told last that a limit has passed, at one of these levels.
fn told(data: &EventData, levels: &[Level]) -> Option<String> {
    let escalation = data.detail.get("escalation")?;
    let level: Level = serde_json::from_value(escalation.get("level")?.clone()).ok()?;
    let name = escalation.get("name")?.as_str()?;
    levels.contains(&level).then(|| name.to_owned())
}

/// Makes the links of one sink.
#[derive(Clone)]
pub struct SinkLinks {
    /// Who gets them.
    pub link_for: LinkFor,
    /// All of this gateway's.
    pub links: Arc<CaseLinks>,
}

impl SinkLinks {
    /// None: the case is over, nobody is meant, or there are no links here.
    pub(super) fn of(&self, data: &EventData, at: Timestamp) -> Option<String> {
        if data.stage.is_over() {
            return None;
        }
        let person = self.link_for.person(data)?;
        match self.links.make(&person, data.incident, at) {
            Ok((link, _)) => Some(link),
            Err(why) => {
                match why {
                    NoLink::Key(_) | NoLink::Clock => {
                        tracing::warn!(incident = %data.incident, %why, "a text goes without its link");
                    }
                    NoLink::Off | NoLink::Unknown => {
                        tracing::debug!(incident = %data.incident, person, %why, "no link for this person");
                    }
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sinks::template::{self, tests::press};

    #[test]
    fn the_person_is_the_one_whom_the_sink_reaches() {
        let mut data = template::event(&press("opened", "")).unwrap().data;
        let person = |data: &EventData, link_for: &LinkFor| link_for.person(data);
        let duty = LinkFor::default();
        let named = LinkFor { name: Some("赵强".into()), ..LinkFor::default() };
        let heads = LinkFor { levels: vec![Level::GridHead], ..LinkFor::default() };
        let city = LinkFor { departments: vec!["城管".into()], ..LinkFor::default() };
        let helpers = LinkFor { roles: vec![DutyRole::Auxiliary], ..LinkFor::default() };
        for link_for in [&duty, &heads, &city, &helpers] {
            assert_eq!(person(&data, link_for), None, "{link_for:?}");
        }
        let list = json!([{"role": "lead", "name": "周长"}, {"role": "officer", "name": "王芳"},
            {"role": "auxiliary", "name": "孙"}, {"role": "auxiliary", "name": "吴"}]);
        data.detail.insert("duty".into(), list);
        data.route = serde_json::from_value(
            json!({"department": "城管", "item": "x", "person": "孙力", "admitted": true}),
        )
        .unwrap();
        let told = json!({"level": "grid-head", "name": "李建国", "urge": "催办"});
        data.detail.insert("escalation".into(), told);
        for (link_for, expected) in [
            (&duty, "王芳"),
            (&named, "赵强"),
            (&heads, "李建国"),
            (&city, "孙力"),
            (&helpers, "孙"),
        ] {
            assert_eq!(person(&data, link_for).as_deref(), Some(expected), "{link_for:?}");
        }
        // Told to others, and sent to another department than that of the list.
        let above = LinkFor { levels: vec![Level::Community], ..LinkFor::default() };
        assert_eq!(person(&data, &above), None);
        data.life.department = Some("消防".into());
        assert_eq!(person(&data, &city), None);
        data.detail.remove("duty");
        assert_eq!(person(&data, &duty), None);
    }
}
