//! What rendering an event needs of the site.

use jiff::{Timestamp, tz::TimeZone};

use super::{CaseStep, SiteId};

/// What rendering an event needs of the site.
#[derive(Clone, Debug)]
pub struct EventContext {
    /// The site of all its events.
    pub site: SiteId,
    /// Times are written with this zone's offset.
    pub timezone: TimeZone,
    /// Without it, evidence has no `url`.
    pub public_url: Option<String>,
}

impl EventContext {
    /// RFC 3339 with the site's offset, to the millisecond.
    pub fn time(&self, at: Timestamp) -> String {
        let offset = self.timezone.to_offset(at);
        format!("{:.3}", at.display_with_offset(offset))
    }

    /// Who took this step, when, and which: for who comes second.
    pub fn taken_by(&self, step: &CaseStep) -> String {
        let time = self.time(step.at);
        let clock = time.get(11..16).unwrap_or_default();
        format!("已由{} {clock} {}", step.by, step.step.zh())
    }
}
