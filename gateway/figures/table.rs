//! Lines of cases → rows of figures. Pure: the same lines and the same time always give the same table.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use super::{
    columns,
    counts::{CaseCounts, Tally},
    outages::{Outages, outages},
    query::{FiguresQuery, Period, Split},
};
use crate::domain::{CaseLine, CaseLines};

/// What was asked for, and its figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// The first day.
    pub from: Date,
    /// The day after the last one.
    pub until: Date,
    /// When it was computed: what was due then.
    pub as_of: String,
    /// Rows by time.
    pub by: Period,
    /// And by this.
    pub group: Split,
    /// By time, then by the name of the group. Without a group there is one for each stretch of time, else
    /// one where there was a case.
    pub rows: Vec<FigureRow>,
    /// Of all of them.
    pub total: CaseCounts,
    /// The longest first.
    pub outages: Vec<Outages>,
    /// What is not in the figures.
    pub left_out: LeftOut,
}

/// The cases that were opened in a stretch of time, of one group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FigureRow {
    /// Its first day, by the site's clock. Of the first week or month it may lie before `from`, and then
    /// only days from `from` on are counted.
    pub period: Date,
    /// Absent without groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<FigureGroup>,
    /// Of them.
    #[serde(flatten)]
    pub counts: CaseCounts,
}

/// A grid, a kind, a department …
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FigureGroup {
    /// Its code or id; empty: cases that have none.
    pub id: String,
    /// For people.
    pub name: String,
}

/// What could not be counted, and what must not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// 演练 of those days.
    pub drills: u64,
    /// Steps that ended before they began, or began under a clock that was not set: it was set between.
    pub times: u64,
    /// Cases with more than 100 steps, of which some are not counted.
    pub cases_with_more_steps: u64,
    /// 时间不明: cases of which no time can be right, of whatever day.
    pub cases_of_no_time: u64,
    /// Lines or records on disk that nobody can read, of whatever day.
    pub unreadable: u64,
}

/// The figures of the cases that were opened on these days of the site.
pub fn figures(
    cases: &CaseLines,
    query: &FiguresQuery,
    zone: &TimeZone,
    as_of: Timestamp,
) -> Figures {
    let mut left_out = LeftOut { unreadable: cases.unreadable, ..LeftOut::default() };
    let mut rows: BTreeMap<(Date, String), (Group, Tally)> = BTreeMap::new();
    let mut total = Tally::default();
    if query.group == Split::None {
        for period in query.periods() {
            rows.insert((period, String::new()), Default::default());
        }
    }
    for case in &cases.lines {
        let Some(opened_at) = case.counted_at() else {
            left_out.cases_of_no_time += u64::from(!case.drill);
            continue;
        };
        let day = opened_at.to_zoned(zone.clone()).date();
        if !(query.from..query.until).contains(&day) {
            continue;
        }
        if case.drill {
            left_out.drills += 1;
            continue;
        }
        left_out.cases_with_more_steps += u64::from(case.steps_left_out > 0);
        let (id, name) = group_of(query.group, case);
        let (group, tally) = rows.entry((query.period(day), id)).or_default();
        group.called(name, opened_at);
        tally.add(case, as_of);
        total.add(case, as_of);
    }
    left_out.times = total.times_left_out;
    let row = |((period, id), (group, tally)): ((Date, String), (Group, Tally))| {
        let named = FigureGroup { id, name: group.name };
        let group = (query.group != Split::None).then_some(named);
        FigureRow { period, group, counts: tally.counts() }
    };
    let times = query.times(zone).unwrap_or((as_of, as_of));
    Figures {
        from: query.from,
        until: query.until,
        as_of: format!("{:.3}", as_of.display_with_offset(zone.to_offset(as_of))),
        by: query.by,
        group: query.group,
        rows: rows.into_iter().map(row).collect(),
        total: total.counts(),
        outages: outages(cases.lines.iter(), times, as_of),
        left_out,
    }
}

/// The name of a group: that of its newest case, since names change.
#[derive(Default)]
struct Group {
    name: String,
    named_at: Option<Timestamp>,
}

impl Group {
    fn called(&mut self, name: String, at: Timestamp) {
        if self.named_at.is_none_or(|before| before <= at) {
            (self.name, self.named_at) = (name, Some(at));
        }
    }
}

/// Id and name of the group of a case.
fn group_of(split: Split, case: &CaseLine) -> (String, String) {
    let one = |id: Option<&str>, name: Option<&str>, without: &str| match id {
        Some(id) if !id.is_empty() => (id.to_owned(), name.unwrap_or(id).to_owned()),
        _ => (String::new(), without.to_owned()),
    };
    match split {
        Split::None => Default::default(),
        Split::Class => {
            let (id, name) = columns::class(case.kind.is_of_equipment());
            (id.into(), name.into())
        }
        Split::Grid => one(case.grid.as_deref(), case.grid_name.as_deref(), "（无网格）"),
        Split::Community => {
            // Two townships may have a community of one name.
            let (township, community) = (case.township.as_deref(), case.community.as_deref());
            let id = community.map(|name| format!("{}/{name}", township.unwrap_or_default()));
            one(id.as_deref(), community, "（无社区）")
        }
        Split::Township => one(case.township.as_deref(), None, "（无乡镇）"),
        Split::Kind => {
            let (id, (zh, _)) = (case.kind.as_str(), case.kind.words());
            (id.into(), zh.into())
        }
        Split::Source => one(case.source.as_ref().map(|id| id.as_str()), None, "（无来源）"),
        Split::Department => one(case.department.as_deref(), None, "（无部门）"),
    }
}
