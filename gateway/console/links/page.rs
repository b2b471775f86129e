//! The page of one case for one person: what may be shared, and the buttons of the steps that are possible. Pure.

use jiff::Timestamp;

use super::words::{document, escaped, without_phones};
use crate::{
    domain::{AskFor, CaseStep, DismissReason, EventContext, Incident, ReplyTo, Stage},
    wire::case_links::LinkOf,
};

/// Steps that are shown, the latest.
const STEPS_SHOWN: usize = 12;
/// Characters of a note.
pub(super) const NOTE_CHARS_MAX: usize = 500;
/// Why somebody gives a case back, in the order of the list.
pub(super) const REASONS: [DismissReason; 5] = [
    DismissReason::NotOurs,
    DismissReason::FalseAlarm,
    DismissReason::Duplicate,
    DismissReason::NotFound,
    DismissReason::Other,
];

/// One case as it is now, for the person of the link.
pub(super) struct Page<'p> {
    pub(super) of: &'p LinkOf,
    pub(super) incident: &'p Incident,
    pub(super) context: EventContext,
    /// The last part of the page's own address.
    pub(super) code: &'p str,
    /// The snapshot is shown.
    pub(super) picture: bool,
}

/// What the three buttons send in `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Button {
    Accept,
    Handled,
    GiveBack,
}

impl Button {
    pub(super) const ALL: [Self; 3] = [Self::Accept, Self::Handled, Self::GiveBack];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Handled => "handled",
            Self::GiveBack => "give-back",
        }
    }

    /// The step that it is at this stage. What is given back goes on only when another person has granted
    /// it: a link that was passed on ends no case.
    pub(super) fn step(self, stage: Stage) -> ReplyTo {
        match self {
            Self::Accept => ReplyTo::Accepted,
            Self::Handled => ReplyTo::Handled,
            Self::GiveBack if stage == Stage::Dispatched => ReplyTo::AskGiveBack,
            Self::GiveBack => ReplyTo::AskWithdraw,
        }
    }

    fn is_possible(self, incident: &Incident) -> bool {
        let stage = incident.stage;
        match self {
            Self::Accept => stage == Stage::Opened,
            Self::Handled => [Stage::Opened, Stage::Accepted, Stage::Dispatched].contains(&stage),
            Self::GiveBack => Self::Handled.is_possible(incident) && incident.life.asked.is_none(),
        }
    }
}

impl Page<'_> {
    /// The whole page; `told` stands above all else.
    pub(super) fn text(&self, told: Option<&str>) -> String {
        let told = told.map(|told| format!("<p class=\"told\">{}</p>", escaped(told)));
        let forms = Button::ALL.into_iter().filter(|button| button.is_possible(self.incident));
        let forms: String = forms.map(|button| self.form(button)).collect();
        let picture = match self.picture {
            // Below the page's own address, whatever stands before it.
            true => format!("<p><img alt=\"现场快照\" src=\"{}/picture\"></p>", self.code),
            false => String::new(),
        };
        document(&format!(
            "{}{}<table>{}</table>{picture}{forms}<p><small>此链接只供 {} 使用，请勿转发：所做操作均记在其名下。有效期至 {}，结案后失效。</small></p>",
            told.unwrap_or_default(),
            self.head(),
            self.rows(),
            escaped(&self.of.person),
            escaped(&self.clock(self.of.until)),
        ))
    }

    fn head(&self) -> String {
        let incident = self.incident;
        let emergency =
            if incident.severity.level() == 1 { "<p class=\"red\">紧急</p>" } else { "" };
        let drill =
            if incident.is_drill() { "<p class=\"told\">演练，非真实事件</p>" } else { "" };
        let (zh, en) = (without_phones(&incident.title.zh), without_phones(&incident.title.en));
        format!("{drill}{emergency}<h1>{}</h1><small>{}</small>", escaped(&zh), escaped(&en))
    }

    fn rows(&self) -> String {
        let incident = self.incident;
        let mut rows = String::new();
        let mut row = |name: &str, value: String| {
            rows.push_str(&format!("<tr><td>{name}</td><td>{value}</td></tr>"));
        };
        row("状态", self.state());
        let shared = |text: &str| escaped(&without_phones(text));
        if let Some(grid) = &incident.grid {
            row("网格", shared(&grid.name));
        }
        let place = incident.place.as_ref().and_then(|place| place.text.clone());
        let address = || Some(incident.detail.get("address")?.as_str()?.to_owned());
        if let Some(address) = place.or_else(address) {
            row("地址", shared(&address));
        }
        row("发生", escaped(&self.clock(incident.began_at)));
        let deadline = incident.deadline.as_ref();
        if let Some(run) = deadline.and_then(|deadline| deadline.of_step()) {
            row("限期", format!("{} 前{}", escaped(&self.clock(run.by)), run.step.zh()));
        }
        let steps: Vec<String> = incident.life.steps.iter().map(|step| self.step(step)).collect();
        let last = steps.len().saturating_sub(STEPS_SHOWN);
        if !steps.is_empty() {
            row("经过", steps[last..].join("<br>"));
        }
        rows
    }

    fn state(&self) -> String {
        let life = &self.incident.life;
        let asked = life.asked.as_ref().map(|asked| {
            let what = match asked.what {
                AskFor::Extend => "延时",
                AskFor::Suspend => "挂账",
                AskFor::GiveBack => "回退",
                AskFor::Withdraw => "撤回",
            };
            format!("；{} 已申请{what}，待他人批准", escaped(&asked.by))
        });
        let suspended = life.suspended.map(|(_, until)| format!("；挂账至 {}", self.clock(until)));
        let stage = self.incident.stage.zh();
        format!("{stage}{}{}", asked.unwrap_or_default(), suspended.unwrap_or_default())
    }

    /// Without its note: people write telephone numbers, names and other cases there.
    fn step(&self, step: &CaseStep) -> String {
        let by = if step.by == crate::domain::GATEWAY { "系统" } else { step.by.as_str() };
        let reason = step.reason.map(|reason| format!("（{}）", reason.zh())).unwrap_or_default();
        let picture = if step.evidence.is_some() { "（附照片）" } else { "" };
        let clock = self.clock(step.at);
        format!("{} {} {}{reason}{picture}", escaped(&clock), escaped(by), step.step.zh())
    }

    fn form(&self, button: Button) -> String {
        let (kind, fields, word) = match button {
            Button::Accept => ("application/x-www-form-urlencoded", String::new(), "受理"),
            Button::Handled => (
                "multipart/form-data",
                format!(
                    "<label>照片（可不选，最大 5 MB）<input type=\"file\" name=\"picture\" accept=\"image/*\"></label>{}",
                    note("说明（可不填）")
                ),
                "已处置",
            ),
            Button::GiveBack => {
                let option = |reason: DismissReason| {
                    format!("<option value=\"{}\">{}</option>", reason.id(), reason.zh())
                };
                let options: String = REASONS.into_iter().map(option).collect();
                let list = format!("<label>原因<select name=\"reason\">{options}</select></label>");
                let kind = "application/x-www-form-urlencoded";
                (kind, format!("{list}{}", note("说明（选“其他”时必填）")), "退回")
            }
        };
        let class = if button == Button::GiveBack { " class=\"back\"" } else { "" };
        format!(
            "<form method=\"post\" enctype=\"{kind}\"><input type=\"hidden\" name=\"revision\" value=\"{}\"><input type=\"hidden\" name=\"to\" value=\"{}\">{fields}<button type=\"submit\"{class}>{word}</button></form>",
            self.incident.revision,
            button.name(),
        )
    }

    /// Whoever took the last step, when, and which: for who comes second.
    pub(super) fn taken_by(&self) -> Option<String> {
        self.incident.life.last_taken().map(|step| self.context.taken_by(step))
    }

    /// Day and time, as the site's clocks show them.
    fn clock(&self, at: Timestamp) -> String {
        let time = self.context.time(at);
        let part = |range| time.get(range).unwrap_or_default();
        format!("{} {}", part(5..10), part(11..16))
    }
}

fn note(label: &str) -> String {
    format!(
        "<label>{label}<textarea name=\"note\" rows=\"2\" maxlength=\"{NOTE_CHARS_MAX}\"></textarea></label>"
    )
}
