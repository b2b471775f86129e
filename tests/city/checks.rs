//! What must hold at the end: nothing is forgotten, and the figures are right.

use gridpost::figures::{FiguresQuery, figures};
use jiff::{SignedDuration, Timestamp};

use super::{
    play::{BEGIN, Play},
    town, waits,
};
use crate::world::must_agree;

impl Play {
    /// Each open case is in the store, and waits for somebody who is named.
    pub(super) fn nothing_is_forgotten(&self) {
        let now = self.now().wall;
        for id in self.seen.keys() {
            let record = self.store.incident(*id);
            let record = record.unwrap_or_else(|| panic!("{id} is open and not in the store"));
            if let Err(why) = waits::for_whom(&record.incident, now) {
                panic!("nobody is waited for at {now}: {why}: {record:#?}");
            }
        }
    }

    pub(super) fn figures_are_those_of_our_count(&mut self) {
        let zone = town::zone();
        let begin: Timestamp = BEGIN.parse().unwrap();
        let now = self.now().wall;
        let day = |at: Timestamp| at.to_zoned(zone.clone()).date().to_string();
        let (from, until) = (day(begin), day(now + SignedDuration::from_hours(24)));
        let pairs = [("from", from.as_str()), ("until", until.as_str()), ("group", "township")];
        let query = FiguresQuery::parse(pairs, now.to_zoned(zone.clone()).date()).unwrap();
        let (from, until) = query.times(&zone).unwrap();
        let lines = self.store.case_lines(from, until);
        assert_eq!(lines.lines.len() as u64, self.cases(), "cases are missing in the figures");
        let table = figures(&lines, &query, &zone, now);
        let (counted, townships) = self.count.counted(now);
        must_agree(&serde_json::to_value(&table.total).unwrap(), &counted);
        assert_eq!(table.left_out.unreadable, 0);
        for row in &table.rows {
            let name = row.group.as_ref().map(|group| group.name.clone()).unwrap_or_default();
            let of = townships.iter().find(|(n, _)| name == format!("第{n}镇"));
            assert_eq!(of.map(|(_, count)| *count), Some(row.counts.reported), "{name}");
        }
        assert_eq!(table.rows.len(), townships.len());
    }
}
