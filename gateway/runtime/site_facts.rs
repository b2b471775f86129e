//! What the officers' page says of the site itself: its name, its people, its departments. Pure.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;

use super::map_facts::site_map;
use crate::{
    config::Config,
    console::{Person, SiteMap, SiteWords},
    domain::{DutyRole, Roster},
};

/// Of the latest configuration.
pub(super) struct SiteFacts {
    name: String,
    roster: Option<Roster>,
    departments: Vec<String>,
    map: Arc<SiteMap>,
}

impl SiteFacts {
    pub(super) fn of(config: &Config) -> Self {
        let items = config.routing.routes.items.iter().map(|item| item.department.clone());
        let otherwise = config.routing.config.otherwise.iter().map(|one| one.department.clone());
        let departments = items.chain(otherwise).collect::<BTreeSet<_>>().into_iter().collect();
        let name = config.site.name.clone();
        let (roster, map) = (config.routing.roster.clone(), Arc::new(site_map(config)));
        Self { name, roster, departments, map }
    }

    /// Grids and sources.
    pub(super) fn map(&self) -> Arc<SiteMap> {
        self.map.clone()
    }

    /// On duty then by the roster, grid workers left out.
    pub(super) fn officers_on_duty(&self, at: Timestamp) -> usize {
        let there = self.roster.iter().flat_map(|roster| roster.on_duty_anywhere(at));
        let names = there.filter(|who| who.role != DutyRole::Worker).map(|who| who.name);
        names.collect::<BTreeSet<_>>().len()
    }

    /// Who is on duty now comes first; each name once.
    pub(super) fn words(&self, now: Timestamp) -> SiteWords {
        let now_there = self.roster.iter().flat_map(|roster| roster.on_duty_anywhere(now));
        let all = self.roster.iter().flat_map(|roster| &roster.shifts);
        let mut people: Vec<Person> = Vec::new();
        let listed = now_there.map(|who| (who, true));
        for (who, on_duty) in listed.chain(all.map(|shift| (shift.who.clone(), false))) {
            if people.iter().all(|known| known.name != who.name) {
                people.push(Person { name: who.name, role: who.role, on_duty });
            }
        }
        SiteWords { name: self.name.clone(), people, departments: self.departments.clone() }
    }
}
