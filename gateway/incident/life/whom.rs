//! Who is told at a level, by the site's list, else by the grid; and in words who was meant where there is nobody. Pure.

use super::config::Contact;
use crate::domain::{Incident, Level};

/// The person or office at a level.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Whom {
    /// None: the site names nobody.
    pub(super) name: Option<String>,
    /// Telephone.
    pub(super) phone: Option<String>,
    /// For the officer's eye, without a name: who was meant.
    pub(super) nobody: Option<String>,
}

/// Who that is for this case.
pub(super) fn whom(contacts: &[Contact], level: Level, incident: &Incident) -> Whom {
    let grid = incident.grid.as_ref();
    let route = incident.route.as_ref().map(|route| route.department.as_str());
    let department = incident.life.department.as_deref().or(route);
    let of = |wanted: &[String], is: Option<&str>| {
        wanted.is_empty() || is.is_some_and(|is| wanted.iter().any(|one| one == is))
    };
    let fits = |contact: &&Contact| {
        contact.level == level
            && of(&contact.grids, grid.map(|grid| grid.code.as_str()))
            && of(&contact.communities, grid.and_then(|grid| grid.community.as_deref()))
            && of(&contact.townships, grid.and_then(|grid| grid.township.as_deref()))
            && of(&contact.departments, department)
    };
    let (name, phone) = match (contacts.iter().find(fits), level) {
        (Some(contact), _) => (Some(contact.name.clone()), contact.phone.clone()),
        (None, Level::GridWorker) => grid
            .and_then(|grid| grid.workers.first())
            .map_or((None, None), |one| (Some(one.name.clone()), one.phone.clone())),
        (None, Level::GridHead) => {
            grid.map_or((None, None), |grid| (grid.head.clone(), grid.head_phone.clone()))
        }
        (None, Level::Community) => (grid.and_then(|grid| grid.community.clone()), None),
        (None, Level::Township) => (grid.and_then(|grid| grid.township.clone()), None),
        (None, Level::Department) => (department.map(str::to_owned), None),
    };
    // A name that shows nothing is none.
    let name = name.filter(|name| !name.trim().is_empty());
    let nobody = name.is_none().then(|| {
        let grid = grid.map_or("不在任何网格内", |grid| grid.name.as_str());
        match level {
            Level::Department => format!("{}（{grid}，未定部门）名单上无人", level.zh()),
            _ => format!("{}（{grid}）名单上无人", level.zh()),
        }
    });
    Whom { name, phone, nobody }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn incident(grid: serde_json::Value, department: Option<&str>) -> Incident {
        let at = "2026-07-01T04:00:00Z";
        let life = json!({ "department": department });
        let incident = json!({
            "id": "01900000-0000-7000-8000-000000000001", "revision": 1, "stage": "opened",
            "active": true, "kind": "intrusion", "severity": 2, "title": {"zh": "一", "en": "one"},
            "began_at": at, "opened_at": at, "changed_at": at, "sources": [], "objects": [],
            "evidence": [], "clock": {"gateway": at, "error_ms": 0}, "why": "w", "key": "k",
            "grid": grid, "life": life,
        });
        serde_json::from_value(incident).unwrap()
    }

    #[test]
    fn whoever_is_named_is_told_and_where_nobody_is_it_is_said_who_was_meant() {
        let bare = json!({"code": "G1", "name": "桥北一网格"});
        let full = json!({"code": "G1", "name": "桥北一网格", "community": "桥北社区",
            "township": "城关镇", "head": "李建国", "head_phone": "1",
            "workers": [{"name": "周敏"}]});
        let blank = json!({"code": "G1", "name": "桥北一网格", "head": " ", "community": ""});
        let none = serde_json::Value::Null;
        use Level::{Community, Department, GridHead, GridWorker, Township};
        for (grid, department, level, expected) in [
            (&full, Some("城管"), GridWorker, Ok("周敏")),
            (&full, Some("城管"), GridHead, Ok("李建国")),
            (&full, None, Community, Ok("桥北社区")),
            (&full, None, Township, Ok("城关镇")),
            (&full, Some("城管"), Department, Ok("城管")),
            (&full, None, Department, Err("部门（桥北一网格，未定部门）名单上无人")),
            (&bare, None, GridWorker, Err("网格员（桥北一网格）名单上无人")),
            (&bare, None, GridHead, Err("网格长（桥北一网格）名单上无人")),
            (&bare, None, Community, Err("社区（桥北一网格）名单上无人")),
            (&bare, None, Township, Err("街道（乡镇）（桥北一网格）名单上无人")),
            (&blank, None, GridHead, Err("网格长（桥北一网格）名单上无人")),
            (&blank, None, Community, Err("社区（桥北一网格）名单上无人")),
            (&none, None, GridHead, Err("网格长（不在任何网格内）名单上无人")),
        ] {
            let told = whom(&[], level, &incident(grid.clone(), department));
            let said = told.name.as_deref().ok_or(told.nobody.as_deref().unwrap_or_default());
            assert_eq!(said, expected, "{level:?} of {grid}");
            assert_eq!(told.nobody.is_some(), told.name.is_none());
        }
    }
}
