//! The columns of the district's table, with their headings, for CSV and spreadsheet alike. Pure.

use super::{
    counts::{CaseCounts, StepTimes},
    query::Split,
};

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Never a formula, whatever it says.
    Text(String),
    /// How many, or seconds.
    Count(i64),
    /// Part of one; none where nothing could be counted.
    Rate(Option<f64>),
    /// Minutes; none where nobody has taken the step.
    Minutes(Option<f64>),
}

/// A heading, and what stands below it.
type Column = (&'static str, fn(&CaseCounts) -> Cell);

fn count(value: u64) -> Cell {
    Cell::Count(i64::try_from(value).unwrap_or(i64::MAX))
}

fn minutes(seconds: Option<i64>) -> Cell {
    Cell::Minutes(seconds.map(|seconds| (seconds as f64 / 6.0).round() / 10.0))
}

fn median(times: StepTimes) -> Cell {
    minutes(times.median_s)
}

fn p90(times: StepTimes) -> Cell {
    minutes(times.p90_s)
}

/// In this order.
pub(super) const COLUMNS: &[Column] = &[
    ("上报", |c| count(c.reported)),
    ("有效", |c| count(c.valid)),
    ("作废", |c| count(c.dismissed)),
    ("并案", |c| count(c.merged)),
    ("应结案", |c| count(c.due)),
    ("结案", |c| count(c.closed)),
    ("结案率", |c| Cell::Rate(c.closing_rate)),
    ("按期结案", |c| count(c.closed_in_time)),
    ("按期结案率", |c| Cell::Rate(c.in_time_rate)),
    ("自动结案", |c| count(c.auto_closed)),
    ("未结", |c| count(c.open)),
    ("超期未结", |c| count(c.overdue)),
    ("漏报", |c| count(c.missed)),
    ("派遣", |c| count(c.dispatched)),
    ("准确派遣", |c| count(c.dispatched_right)),
    ("准确派遣率", |c| Cell::Rate(c.right_rate)),
    ("已处置", |c| count(c.handled)),
    ("自处理", |c| count(c.self_handled)),
    ("返工次数", |c| count(c.rework)),
    ("返工案件", |c| count(c.rework_cases)),
    ("返工率", |c| Cell::Rate(c.rework_rate)),
    ("申请回退", |c| count(c.give_backs_asked)),
    ("回退", |c| count(c.give_backs)),
    ("转办", |c| count(c.transfers)),
    ("重新打开", |c| count(c.reopened)),
    ("延时", |c| count(c.extensions)),
    ("挂账", |c| count(c.suspensions)),
    ("挂账时长（分）", |c| minutes(Some(c.suspended_s))),
    ("受理用时中位（分）", |c| median(c.accept)),
    ("受理用时九成（分）", |c| p90(c.accept)),
    ("派遣用时中位（分）", |c| median(c.dispatch)),
    ("派遣用时九成（分）", |c| p90(c.dispatch)),
    ("处置用时中位（分）", |c| median(c.handle)),
    ("处置用时九成（分）", |c| p90(c.handle)),
    ("核查用时中位（分）", |c| median(c.verify)),
    ("核查用时九成（分）", |c| p90(c.verify)),
    ("全程用时中位（分）", |c| median(c.close)),
    ("全程用时九成（分）", |c| p90(c.close)),
    ("应受理", |c| count(c.accept.due)),
    ("按期受理", |c| count(c.accept.in_time)),
    ("按期受理率", |c| Cell::Rate(c.accept.in_time_rate)),
    ("应派遣", |c| count(c.dispatch.due)),
    ("按期派遣", |c| count(c.dispatch.in_time)),
    ("按期派遣率", |c| Cell::Rate(c.dispatch.in_time_rate)),
    ("应处置", |c| count(c.handle.due)),
    ("按期处置", |c| count(c.handle.in_time)),
    ("按期处置率", |c| Cell::Rate(c.handle.in_time_rate)),
    ("应核查", |c| count(c.verify.due)),
    ("按期核查", |c| count(c.verify.in_time)),
    ("按期核查率", |c| Cell::Rate(c.verify.in_time_rate)),
];

/// Headings of the columns that name a group: its id and its name.
pub(super) fn group_headings(split: Split) -> &'static [&'static str] {
    match split {
        Split::None => &[],
        Split::Class => &["类别编码", "类别"],
        Split::Grid => &["网格编码", "网格"],
        Split::Community => &["社区编码", "社区"],
        Split::Township => &["乡镇编码", "乡镇"],
        Split::Kind => &["类型编码", "类型"],
        Split::Source => &["来源编码", "来源"],
        Split::Department => &["部门编码", "部门"],
    }
}

/// Id and name of what happens, and of what is of equipment.
pub(super) fn class(is_of_equipment: bool) -> (&'static str, &'static str) {
    if is_of_equipment { ("equipment", "设备与系统") } else { ("event", "事件") }
}
