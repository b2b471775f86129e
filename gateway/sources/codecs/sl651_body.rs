//! What an SL 651-2014 report says: readings of each station in it, and what of it could not be read.

use jiff::{SignedDuration, Timestamp, civil::DateTime};

use super::{
    sl651::{Form, StationFrame, beijing, instant},
    sl651_elements::{Element, ElementValue, Meaning, StationPart, meaning},
    sl651_hex, sl651_text,
};
use crate::domain::{
    Body, Dated, GaugeReport, Measure, Now, Observation, READINGS_KEPT, Reading, SourceId, Stamp,
    StationStatus,
};

const SLOT: SignedDuration = SignedDuration::from_mins(5);
/// Reasons that are told of one station in one report.
const DOUBTS_MAX: usize = 6;
/// Test reports are kept and count nowhere (6.6.4.3).
const TEST: u8 = 0x30;
/// When a day of rain begins, hours of Beijing time.
const DAY_BEGINS_H: i8 = 8;

/// Functions that carry readings: test, uniform, timed, additional, hourly and manual reports,
/// and the answers to queries (real time, period, entries, elements, status).
pub fn carries_readings(function: u8) -> bool {
    matches!(function, 0x30..=0x35 | 0x37..=0x3A | 0x46)
}

/// A whole report (all its packets), read.
#[derive(Debug)]
pub struct ReadReport {
    /// One of each station in it; never empty.
    pub gauges: Vec<Observation>,
    /// Of which station it has to be kept as it came, and why: something in it was not read. An empty
    /// station: it is for people, and nothing is wrong.
    pub keep: Option<(SourceId, String)>,
}

/// The error says what was expected where: nothing of it could be read.
pub fn read(frame: &StationFrame, via: &str, now: Now) -> Result<ReadReport, String> {
    let serial = frame.serial().ok_or("the body is too short for a serial number")?;
    let report = match frame.form {
        Form::Hex => sl651_hex::report(frame.function, &frame.body)?,
        Form::Ascii => sl651_text::report(&frame.body)?,
    };
    let sent = report.sent.and_then(instant);
    let clock = StationClock::of(sent, now);
    let mut keep = None;
    let gauges = report.parts.iter().map(|part| {
        let source = SourceId::from(part.station.as_deref().unwrap_or(&frame.station));
        let why = part.unread.join("; ");
        if let Some(what) = part.for_people {
            // No fault of the gauge's.
            keep = Some((SourceId::from(""), format!("{what}: kept as it came, for people")));
        }
        if !why.is_empty() {
            keep = Some((source.clone(), why));
        }
        let mut made = Made::of(&clock, report.sent);
        made.doubts.extend(part.unread.iter().take(DOUBTS_MAX).cloned());
        made.take_part(part);
        if report.parts.len() == 1 {
            made.told_of_nothing(part);
        }
        let doubt = (!made.doubts.is_empty()).then(|| made.doubts.join("; "));
        Observation {
            source,
            stamp: Stamp::of_device(sent, now),
            body: Body::Gauge(GaugeReport {
                id: Some(format!("{:02X}/{serial}", frame.function)),
                via: via.into(),
                readings: made.readings,
                voltage_mv: made.voltage_mv,
                doubt,
                redated: made.redated,
                test: frame.function == TEST,
                status: made.status,
                unknown: (!made.unused.is_empty()).then(|| made.unused.join("; ")),
                ..GaugeReport::default()
            }),
        }
    });
    let gauges = gauges.collect();
    Ok(ReadReport { gauges, keep })
}

/// How far the station's clock is off, where that can be known: a report may be sent late, and
/// never early.
struct StationClock {
    now: Now,
    sent: Option<Timestamp>,
    off: Option<SignedDuration>,
}

impl StationClock {
    fn of(sent: Option<Timestamp>, now: Now) -> Self {
        let wrong = matches!(Dated::of(sent, now), Dated::Arrival(_));
        let off = sent.filter(|_| wrong).map(|sent| now.wall.duration_since(sent));
        Self { now, sent, off }
    }

    /// By how much a time of the same clock is to be corrected.
    fn corrects(&self, said: Timestamp) -> Option<SignedDuration> {
        let same = self.sent.is_some_and(|sent| sent.duration_since(said).abs() <= READINGS_KEPT);
        self.off.filter(|_| same)
    }
}

/// Readings of one station as they are made.
struct Made<'c> {
    clock: &'c StationClock,
    sent: Option<DateTime>,
    readings: Vec<Reading>,
    doubts: Vec<String>,
    voltage_mv: Option<u32>,
    status: Option<StationStatus>,
    redated: bool,
    /// What is not used of it, as it was said.
    unused: Vec<String>,
}

impl<'c> Made<'c> {
    fn of(clock: &'c StationClock, sent: Option<DateTime>) -> Self {
        Self {
            clock,
            sent,
            readings: Vec::new(),
            doubts: Vec::new(),
            voltage_mv: None,
            status: None,
            redated: false,
            unused: Vec::new(),
        }
    }

    fn take_part(&mut self, part: &StationPart) {
        self.unused.extend((!part.unknown.is_empty()).then(|| part.unknown.clone()));
        let mut rain: Vec<u16> = Vec::new();
        let mut holes = 0;
        for element in &part.elements {
            let meaning = meaning(element.id);
            if meaning.is_rain() {
                rain.push(element.id);
            }
            match &element.value {
                ElementValue::Missing => holes += 1,
                ElementValue::NoValue(_) if meaning == Meaning::Voltage => {}
                ElementValue::NoValue(text) => {
                    self.doubt(format!("element {:02X} says {text}: it has no value", element.id));
                }
                ElementValue::Status(bits) => self.status = Some(StationStatus(*bits)),
                ElementValue::Slots(slots) => self.slots(element.at.or(self.sent), slots),
                ElementValue::Milli(milli) => self.number(part, element, *milli),
            }
        }
        if holes > 0 && holes == part.elements.len() {
            self.doubt(format!("all {holes} values of its series are missing"));
        }
        self.told_of_rain(&rain);
    }

    /// A report of one station that says nothing at all.
    fn told_of_nothing(&mut self, part: &StationPart) {
        let empty = part.elements.is_empty() && part.unknown.is_empty();
        if empty && part.unread.is_empty() && part.for_people.is_none() {
            self.doubt("its report says nothing".into());
        }
    }

    /// Rain that was named and not counted is told.
    fn told_of_rain(&mut self, named: &[u16]) {
        let counted = self.readings.iter().any(|one| !matches!(one.measure, Measure::LevelMm(_)));
        if named.is_empty() || counted || !self.doubts.is_empty() {
            return;
        }
        let mut ids: Vec<String> = named.iter().map(|id| format!("{id:02X}")).collect();
        ids.dedup();
        let ids = ids.join(", ");
        self.doubt(format!("its rain (element {ids}) belongs to no time: counted nowhere"));
    }

    fn number(&mut self, part: &StationPart, element: &Element, milli: i64) {
        let civil = element.at.or(self.sent);
        if meaning(element.id) == Meaning::Voltage {
            self.voltage_mv = u32::try_from(milli).ok();
            return;
        }
        let measure = match meaning(element.id) {
            Meaning::Total => Measure::TotalUm(milli),
            Meaning::Today => Measure::TodayUm(milli),
            Meaning::Fallen(period_s) => Measure::Fallen { um: milli, period_s },
            Meaning::Storm => match duration_of(part, element) {
                Some(period_s) => Measure::Fallen { um: milli, period_s },
                None => return self.not_used(element.id, milli),
            },
            // At another time than 08:00 it may be of yesterday or of today.
            Meaning::Day => {
                match civil.filter(|at| at.hour() == DAY_BEGINS_H && at.minute() < 10) {
                    Some(_) => Measure::Fallen { um: milli, period_s: 86_400 },
                    None => return,
                }
            }
            Meaning::Level(rank) => {
                let better = part.elements.iter().any(|other| {
                    let first = matches!(meaning(other.id), Meaning::Level(of) if of < rank);
                    first && other.at == element.at && matches!(other.value, ElementValue::Milli(_))
                });
                if better {
                    return self.not_used(element.id, milli);
                }
                Measure::LevelMm(milli)
            }
            _ => return self.not_used(element.id, milli),
        };
        if milli < 0 && !matches!(measure, Measure::LevelMm(_)) {
            return self.doubt(format!("{} mm of rain: not counted", milli as f64 / 1000.0));
        }
        if let Some(at) = self.date(civil) {
            self.readings.push(Reading { at, measure });
        }
    }

    fn not_used(&mut self, id: u16, milli: i64) {
        const UNUSED_MAX: usize = 16;
        if self.unused.len() < UNUSED_MAX {
            self.unused.push(format!("{id:02X} {}", milli as f64 / 1000.0));
        }
    }

    /// When it was made; `None`: it counts nowhere.
    fn date(&mut self, civil: Option<DateTime>) -> Option<Timestamp> {
        let now = self.clock.now;
        let stated = civil.and_then(instant);
        let off = stated.and_then(|at| self.clock.corrects(at));
        let corrected = match (stated, off) {
            (Some(at), Some(off)) => at.checked_add(off).ok(),
            (stated, _) => stated,
        };
        let dated = Dated::of(corrected, now);
        if off.is_some() || matches!(dated, Dated::Arrival(_)) {
            self.redated = true;
            let said = civil.map_or_else(String::new, |civil| civil.to_string());
            self.doubt(format!("its clock says {said}: counted by when it arrived"));
        }
        match dated {
            Dated::At(at) | Dated::Arrival(at) => Some(at),
            Dated::Old => {
                self.doubt("older than 25 h: kept, counted nowhere".into());
                None
            }
        }
    }

    /// Amounts of 5 min each, dated by the end of the first of them, as the standard says, or by the
    /// end of the last, as others do: on a whole hour, or where the last would lie ahead.
    fn slots(&mut self, civil: Option<DateTime>, slots: &[Option<u32>]) {
        const SENDING_TAKES: SignedDuration = SignedDuration::from_secs(90);
        let Some(stated) = self.date(civil) else { return };
        let before_last = SLOT * i32::try_from(slots.len().saturating_sub(1)).unwrap_or(0);
        let sent = self.sent.and_then(instant).map(|at| at + self.clock.off.unwrap_or_default());
        let sent = sent.filter(|sent| *sent <= self.clock.now.wall + SENDING_TAKES);
        let ready_by = sent.unwrap_or(self.clock.now.wall) + SENDING_TAKES;
        let whole_hour = beijing(stated).minute() == 0 || civil.is_none();
        let first = match whole_hour || stated + before_last > ready_by {
            true => stated - before_last,
            false => stated,
        };
        let known = slots.iter().flatten().count();
        if known == 0 && !slots.is_empty() {
            self.doubt("all its 5-minute amounts are missing".into());
        }
        for (n, tenths) in slots.iter().enumerate() {
            let at = first + SLOT * i32::try_from(n).unwrap_or(0);
            let Some(tenths) = tenths else { continue };
            let um = i64::from(*tenths) * 100;
            if matches!(Dated::of(Some(at), self.clock.now), Dated::At(_)) {
                self.readings.push(Reading { at, measure: Measure::Fallen { um, period_s: 300 } });
            } else if um > 0 {
                self.doubt("5-minute amounts of another day: counted nowhere".into());
            }
        }
    }

    fn doubt(&mut self, why: String) {
        if !self.doubts.contains(&why) && self.doubts.len() < DOUBTS_MAX {
            self.doubts.push(why);
        }
    }
}

/// How long the storm of `storm` was, in seconds: `HH.mm` of the same time.
fn duration_of(part: &StationPart, storm: &Element) -> Option<u32> {
    let same = |one: &&Element| meaning(one.id) == Meaning::Duration && one.at == storm.at;
    let ElementValue::Milli(milli) = part.elements.iter().find(same)?.value else { return None };
    let (hours, minutes) = (milli / 1000, milli % 1000 / 10);
    let seconds = u32::try_from(hours * 3_600 + minutes * 60).ok()?;
    (1..=86_400).contains(&seconds).then_some(seconds)
}
