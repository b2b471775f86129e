//! Incidents as a table for the duty officer: Chinese first, times as the site's clock shows them. Pure.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::domain::{AskFor, CaseStep, Incident, Life, Light, ReplyTo, Stage};

const HEADS: [&str; 9] = [
    "时间 opened",
    "级 sev",
    "状态 stage",
    "受理 accepted",
    "处置 handled",
    "结案 closed",
    "网格 grid",
    "事件 what",
    "编号 id",
];

/// The heads, then a line for each, oldest first; with `steps` each one's steps below it.
pub(super) fn lines(incidents: &[&Incident], zone: &TimeZone, steps: bool) -> Vec<String> {
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(incidents.iter().map(|incident| row(incident, zone)));
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let mut lines = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width));
        lines.push(cells.collect::<Vec<_>>().join("  ").trim_end().to_owned());
        if let Some(incident) =
            number.checked_sub(1).and_then(|n| incidents.get(n)).filter(|_| steps)
        {
            lines.extend(incident.life.steps.iter().map(|step| step_line(step, zone)));
        }
    }
    lines
}

fn row(incident: &Incident, zone: &TimeZone) -> [String; 9] {
    let opened = incident.opened_at;
    let life = &incident.life;
    let who = |step: Option<&CaseStep>| {
        let text = step.map(|step| {
            let after = span(step.at.duration_since(opened));
            format!("{} {} ({after})", beside(step.at, opened, zone), step.by)
        });
        text.unwrap_or_else(|| "-".into())
    };
    let over = incident.stage.is_over();
    let grid = incident.grid.as_ref().map_or("-", |grid| grid.name.as_str());
    [
        opened.to_zoned(zone.clone()).strftime("%m-%d %H:%M").to_string(),
        incident.severity.level().to_string(),
        format!("{}{}", stage(incident.stage, life), limits(incident)),
        who(life.accepted()),
        who(life.last_of(&[ReplyTo::Handled, ReplyTo::SelfHandled])),
        who(life.round().last().filter(|_| over)),
        grid.to_owned(),
        one_line(&incident.title.zh),
        incident.id.to_string(),
    ]
}

fn stage(stage: Stage, life: &Life) -> String {
    let word = stage.zh();
    let asked = life.asked.as_ref().map(|asked| match asked.what {
        AskFor::Extend => "·申请延时",
        AskFor::Suspend => "·申请挂账",
        AskFor::GiveBack => "·申请回退",
        AskFor::Withdraw => "·申请撤回",
    });
    let suspended = life.suspended.map(|_| "·挂账");
    format!("{word}{}{}", asked.unwrap_or_default(), suspended.unwrap_or_default())
}

/// A light that is not green, and how far the case was taken since it has passed.
fn limits(incident: &Incident) -> String {
    let Some(deadline) = &incident.deadline else { return String::new() };
    let light = match deadline.light() {
        Light::Green => "",
        Light::Yellow => "·黄灯",
        Light::Red => "·红灯",
    };
    let urge = deadline.escalation.as_ref();
    let urge = urge.map(|it| format!("·{}（{}）", one_line(&it.urge), it.level.zh()));
    format!("{light}{}", urge.unwrap_or_default())
}

fn step_line(step: &CaseStep, zone: &TimeZone) -> String {
    let at = step.at.to_zoned(zone.clone()).strftime("%m-%d %H:%M:%S");
    let mut line = format!("    {at} {} {}", step.step.zh(), step.by);
    let (via, picture) = (step.via.map(|_| "经链接"), step.evidence.map(|_| "附照片"));
    for said in via.into_iter().chain(picture) {
        line.push_str(&format!("（{said}）"));
    }
    for more in [step.department.as_deref(), step.note.as_deref()].into_iter().flatten() {
        line.push('：');
        line.push_str(&one_line(more));
    }
    line
}

/// The clock, with the date where it is another one.
fn beside(at: Timestamp, opened: Timestamp, zone: &TimeZone) -> String {
    let (at, opened) = (at.to_zoned(zone.clone()), opened.to_zoned(zone.clone()));
    let form = if at.date() == opened.date() { "%H:%M" } else { "%m-%d %H:%M" };
    at.strftime(form).to_string()
}

fn span(time: SignedDuration) -> String {
    let minutes = time.as_mins();
    match minutes {
        ..0 => "?".into(),
        0 => "<1分".into(),
        1..60 => format!("{minutes}分"),
        60..1_440 => format!("{}时{:02}分", minutes / 60, minutes % 60),
        _ => format!("{}天{}时", minutes / 1_440, minutes % 1_440 / 60),
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Columns of a terminal: Chinese takes two a character.
pub(super) fn columns(text: &str) -> usize {
    let wide = |c: char| {
        matches!(c as u32, 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF
            | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x20000..=0x3FFFD)
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// Filled up with spaces to so many columns.
pub(super) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_times_are_short() {
        assert_eq!((columns("受理 by"), columns("abc"), columns("·挂账")), (7, 3, 5));
        assert_eq!(padded("受理", 6), "受理  ");
        let of = |minutes| span(SignedDuration::from_mins(minutes));
        assert_eq!(
            [-1, 0, 1, 59, 60, 1_439, 1_440, 3_000].map(of),
            ["?", "<1分", "1分", "59分", "1时00分", "23时59分", "1天0时", "2天2时"]
        );
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let opened = at("2026-07-01T15:50:00Z");
        assert_eq!(beside(at("2026-07-01T15:55:00Z"), opened, &zone), "23:55");
        assert_eq!(beside(at("2026-07-01T16:05:00Z"), opened, &zone), "07-02 00:05");
        assert_eq!(one_line("a\n\u{1b}[31mb"), "a  [31mb");
    }
}
