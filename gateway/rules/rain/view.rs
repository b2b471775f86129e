//! Rain and water as the API shows them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    Rain,
    counter::morning_before,
    event::Group,
    gauge::Gauge,
    ladder::{grade, grades_24h},
    text::{shown, sums, windows},
};
use crate::domain::{
    GaugeView, GradeView, GridView, Now, PointView, Posture, RainView, TestView, ThresholdView,
    Words,
};

const STEP: SignedDuration = SignedDuration::from_mins(5);
/// Of the curve: 24 h.
const STEPS: i32 = 288;

impl Rain {
    /// Everything as it is now, with times in this zone.
    pub fn view(&self, now: Now, zone: &TimeZone) -> RainView {
        let time =
            |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        let now_at = |group: &Group| group.now_at(now.mono()).unwrap_or(now.wall);
        let gauge = |gauge: &Gauge| {
            let until = self.groups.get(&gauge.group).map_or(now.wall, now_at);
            let all = sums(&gauge.series, until);
            let of = |name| all.iter().find(|(n, _)| *n == name).map_or(0, |(_, um)| *um);
            let words = |(zh, en)| Words { zh, en };
            // Points lie on whole five minutes, so that the curve does not change with each call.
            let last = Timestamp::from_second(until.as_second().div_euclid(300) * 300 + 300);
            let last = last.unwrap_or(until);
            let points = (0..STEPS).rev().map(|n| last - STEP * n);
            let curve = match gauge.measures_rain() {
                true => points
                    .map(|at| PointView {
                        at: time(at),
                        mm: shown(gauge.series.sum(at, STEP)),
                        day_mm: gauge.series.since_morning(at).map(shown),
                    })
                    .collect(),
                false => Vec::new(),
            };
            let reading = gauge.series.last().max(gauge.level.last.map(|(at, _)| at));
            GaugeView {
                id: gauge.id.to_string(),
                name: gauge.name.clone(),
                grid: gauge.group.clone(),
                last_at: reading.map(time),
                silent: gauge.health.silent,
                doubtful: gauge.health.is_doubtful(),
                counts_from: gauge.series.counts_from().map(time),
                day_began_at: time(morning_before(until)),
                last_test: gauge
                    .test
                    .as_ref()
                    .map(|(at, said)| TestView { at: time(*at), said: said.clone() }),
                sums_mm: all.iter().map(|(name, um)| (*name, shown(*um))).collect(),
                grade_12h: words(grade(of("12h"), false)),
                grade_24h: words(grade(of("24h"), true)),
                level_m: gauge.level.last.map(|(_, mm)| mm as f64 / 1000.0),
                warning_m: gauge.config.warning_m,
                guarantee_m: gauge.config.guarantee_m,
                curve,
            }
        };
        let all = [(&self.signals), (&self.moving)];
        let named = |(um, (zh, en))| GradeView { name: Words { zh, en }, from_mm: shown(um) };
        RainView {
            at: time(now.wall),
            postures: Posture::ALL
                .into_iter()
                .filter(|one| self.holds(*one))
                .map(Posture::as_str)
                .collect(),
            gauges: self.gauges.values().map(gauge).collect(),
            grids: self.groups.values().map(|group| self.grid(group, now_at(group))).collect(),
            thresholds: all
                .into_iter()
                .flat_map(|ladder| ladder.lines())
                .map(|(rung, window_h, mm)| ThresholdView {
                    name: rung.name,
                    zh: rung.zh,
                    window_h,
                    mm,
                })
                .collect(),
            grades_24h: grades_24h().map(named).collect(),
        }
    }

    fn grid(&self, group: &Group, until: Timestamp) -> GridView {
        let gauges: Vec<&Gauge> = self
            .gauges
            .values()
            .filter(|gauge| {
                gauge.group == group.code && gauge.measures_rain() && !gauge.health.silent
            })
            .collect();
        let (mut mean_mm, mut most_mm) = (BTreeMap::new(), BTreeMap::new());
        for (name, window) in windows(until) {
            let sums = gauges.iter().map(|gauge| gauge.series.sum(until, window));
            let n = i64::try_from(gauges.len().max(1)).unwrap_or(1);
            mean_mm.insert(name, shown(sums.clone().sum::<i64>() / n));
            most_mm.insert(name, shown(sums.max().unwrap_or(0)));
        }
        GridView {
            code: group.code.clone(),
            name: group.name.clone(),
            mean_mm,
            most_mm,
            level: self.signals.at(group.place).map(|rung| rung.name),
            moving: self.moving.at(group.moving).map(|rung| rung.name),
        }
    }
}
