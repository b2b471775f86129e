//! What an SL 651-2014 report says: groups of elements at a time, HEX form; and readings made of them.

use jiff::{SignedDuration, Timestamp, civil::DateTime};

use super::{
    sl651::{Form, StationFrame, instant},
    sl651_elements::{Element, ElementValue, StationReport, milli},
    sl651_text,
};
use crate::domain::{
    Body, Dated, GaugeReport, Measure, Now, Observation, Reading, SourceId, Stamp,
};

/// Elements of one report; the longest real ones have some dozens.
const ELEMENTS_MAX: usize = 4_096;
const SLOT: SignedDuration = SignedDuration::from_mins(5);

/// Functions that carry readings: test, uniform, timed, additional, hourly and manual reports,
/// and the answers to queries (real time, period, elements).
pub fn carries_readings(function: u8) -> bool {
    matches!(function, 0x30..=0x35 | 0x37 | 0x38 | 0x3A)
}

/// A whole report (all its packets) as an observation of its station; the error says what was
/// expected where.
pub fn observation(frame: &StationFrame, via: &str, now: Now) -> Result<Observation, String> {
    let serial = frame.serial().ok_or("the body is too short for a serial number")?;
    let report = match frame.form {
        Form::Hex => hex(frame.function, &frame.body)?,
        Form::Ascii => sl651_text::report(&frame.body)?,
    };
    let sent = report.sent.and_then(instant);
    let mut made = Made { now, readings: Vec::new(), doubts: Vec::new(), function: frame.function };
    let mut voltage_mv = None;
    // A total tells all that a daily amount tells, and does not fall back in the morning.
    let has_total = report.elements.iter().any(|one| one.id == 0x26);
    for element in &report.elements {
        if element.id == 0x38 {
            if let ElementValue::Milli(Some(milli)) = element.value {
                voltage_mv = u32::try_from(milli).ok();
            }
            continue;
        }
        made.take(element, element.at.or(report.sent), has_total);
    }
    let Made { readings, doubts, .. } = made;
    let doubt = (!doubts.is_empty()).then(|| doubts.join("; "));
    Ok(Observation {
        source: SourceId::from(frame.station.as_str()),
        stamp: Stamp::of_device(sent, now),
        body: Body::Gauge(GaugeReport {
            id: Some(format!("{:02X}/{serial}", frame.function)),
            via: via.into(),
            readings,
            battery: None,
            voltage_mv,
            doubt,
        }),
    })
}

/// Readings as they are made.
struct Made {
    now: Now,
    function: u8,
    readings: Vec<Reading>,
    doubts: Vec<String>,
}

impl Made {
    fn take(&mut self, element: &Element, civil: Option<DateTime>, has_total: bool) {
        let at = match Dated::of(civil.and_then(instant), self.now) {
            Dated::At(at) => at,
            Dated::Arrival(at) => {
                let said = civil.map_or_else(String::new, |civil| civil.to_string());
                self.doubt(format!("its clock says {said}: counted as made on arrival"));
                // Slots and series of a clock that is wrong belong nowhere.
                if matches!(element.value, ElementValue::Slots(_)) {
                    return;
                }
                at
            }
            Dated::Old => return self.doubt("older than 25 h: kept, counted nowhere".into()),
        };
        match (element.id, &element.value) {
            (_, ElementValue::Milli(None)) => {}
            (0x26, ElementValue::Milli(Some(mm))) => self.rain(at, *mm, Measure::TotalUm(*mm)),
            (0x20 | 0x1F, ElementValue::Milli(Some(mm))) if !has_total && element.id == 0x20 => {
                self.rain(at, *mm, Measure::TodayUm(*mm));
            }
            (0x39..=0x3B, ElementValue::Milli(Some(mm))) => {
                self.readings.push(Reading { at, measure: Measure::LevelMm(*mm) });
            }
            (0xF4, ElementValue::Slots(slots)) => self.slots(civil, at, slots),
            // 1 h, 2 h … sums, storm and flow, weather: told by the station, made by us.
            _ => {}
        }
    }

    fn rain(&mut self, at: Timestamp, um: i64, measure: Measure) {
        if um < 0 {
            return self.doubt(format!("{} mm of rain", um as f64 / 1000.0));
        }
        self.readings.push(Reading { at, measure });
    }

    /// Twelve 5-min amounts of an hour. The stations that were read date them by the end of the
    /// first slot (hh:05) or by the end of the hour (hh:00), and only hourly reports can be told
    /// apart; others say the amount in their totals too.
    fn slots(&mut self, civil: Option<DateTime>, at: Timestamp, slots: &[Option<u32>]) {
        let minute = civil.map_or(99, DateTime::minute);
        let first = match (self.function, minute) {
            (0x34, 5) => at,
            (0x34, 0) => at - SLOT * 11,
            _ => return,
        };
        let mut end = first;
        for tenths in slots {
            if let Some(tenths) = tenths
                && end <= self.now.wall + SignedDuration::from_mins(10)
            {
                let um = i64::from(*tenths) * 100;
                self.readings
                    .push(Reading { at: end, measure: Measure::Fallen { um, period_s: 300 } });
            }
            end += SLOT;
        }
    }

    fn doubt(&mut self, why: String) {
        if !self.doubts.contains(&why) && self.doubts.len() < 4 {
            self.doubts.push(why);
        }
    }
}

/// Reads on, and says where it was when it could not.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    fn take(&mut self, n: usize, what: &str) -> Result<&'b [u8], String> {
        let rest = &self.bytes[self.at..];
        if rest.len() < n {
            let (at, left) = (self.at, rest.len());
            return Err(format!("byte {at} of the body: {what} needs {n} bytes, {left} are left"));
        }
        self.at += n;
        Ok(&rest[..n])
    }

    fn is_over(&self) -> bool {
        self.at >= self.bytes.len()
    }
}

fn hex(function: u8, body: &[u8]) -> Result<StationReport, String> {
    let mut cursor = Cursor { bytes: body, at: 2 };
    let mut report = StationReport {
        sent: civil(cursor.take(6, "the time of sending")?),
        ..StationReport::default()
    };
    if function == 0x35 {
        // Free text of a person.
        return Ok(report);
    }
    let mut at = None;
    let mut step = None;
    while !cursor.is_over() {
        if report.elements.len() >= ELEMENTS_MAX {
            return Err(format!("more than {ELEMENTS_MAX} elements"));
        }
        let place = cursor.at;
        let id = cursor.take(1, "an element")?[0];
        match id {
            0xF1 => {
                cursor.take(1, "F1F1")?;
                cursor.take(5, "the station's address")?;
                // A timed query's answer has no class; all reports have.
                if cursor.bytes.get(cursor.at).is_some_and(|class| class.is_ascii_uppercase()) {
                    cursor.at += 1;
                }
            }
            0xF0 => {
                cursor.take(1, "F0F0")?;
                at = civil(cursor.take(5, "the time of observation")?);
                step = None;
            }
            0x04 => {
                let definition = cursor.take(1, "the time step")?[0];
                step = step_of(cursor.take(usize::from(definition >> 3), "the time step")?);
            }
            0xF4..=0xFC => {
                let definition = cursor.take(1, "the slots")?[0];
                let data = cursor.take(usize::from(definition >> 3), "the slots")?;
                let slots = if id == 0xF4 { bytes_of(data) } else { words_of(data) };
                report.elements.push(Element {
                    id: id.into(),
                    at,
                    value: ElementValue::Slots(slots),
                });
            }
            id => numbers(&mut cursor, id, (at, step), place, &mut report.elements)?,
        }
    }
    Ok(report)
}

/// A number, or with a time step a series of them, which is then the rest of the body.
fn numbers(
    cursor: &mut Cursor<'_>,
    id: u8,
    (at, step): (Option<DateTime>, Option<SignedDuration>),
    place: usize,
    elements: &mut Vec<Element>,
) -> Result<(), String> {
    let id = match id {
        0xFF => 0xFF00 | u16::from(cursor.take(1, "an extended element")?[0]),
        id => id.into(),
    };
    let definition = cursor.take(1, "the definition of an element")?[0];
    let (n, decimals) = (usize::from(definition >> 3), u32::from(definition & 7));
    if n == 0 {
        return Err(format!("byte {place} of the body: element {id:02X} has no data"));
    }
    let value = bcd(cursor.take(n, "an element")?, decimals, place)?;
    elements.push(Element { id, at, value: ElementValue::Milli(value) });
    let Some(step) = step else { return Ok(()) };
    let mut later = at;
    while let Ok(data) = cursor.take(n, "a value of the series") {
        if elements.len() >= ELEMENTS_MAX {
            return Err(format!("more than {ELEMENTS_MAX} values"));
        }
        let value = ElementValue::Milli(bcd(data, decimals, cursor.at - n)?);
        later = later.and_then(|at| at.checked_add(step).ok());
        elements.push(Element { id, at: later, value });
    }
    Ok(())
}

fn bytes_of(data: &[u8]) -> Vec<Option<u32>> {
    data.iter().map(|byte| (*byte != 0xFF).then_some(u32::from(*byte))).collect()
}

fn words_of(data: &[u8]) -> Vec<Option<u32>> {
    data.chunks_exact(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .map(|word| (word != 0xFFFF).then_some(word))
        .collect()
}

/// `ddHHmm`.
fn step_of(data: &[u8]) -> Option<SignedDuration> {
    let [d, h, m] = data else { return None };
    let (d, h, m) = (two(*d)?, two(*h)?, two(*m)?);
    let minutes = i64::from(d) * 1_440 + i64::from(h) * 60 + i64::from(m);
    (minutes > 0).then(|| SignedDuration::from_mins(minutes))
}

fn two(byte: u8) -> Option<i8> {
    let (tens, ones) = (byte >> 4, byte & 0x0F);
    (tens < 10 && ones < 10).then(|| tens.cast_signed() * 10 + ones.cast_signed())
}

/// `yyMMddHHmm[ss]`; `None` where no calendar has it.
fn civil(data: &[u8]) -> Option<DateTime> {
    let parts: Vec<i8> = data.iter().map(|byte| two(*byte)).collect::<Option<_>>()?;
    let second = parts.get(5).copied().unwrap_or(0);
    DateTime::new(2000 + i16::from(parts[0]), parts[1], parts[2], parts[3], parts[4], second, 0)
        .ok()
}

/// Thousandths; `None` for a value marked invalid (AA…, FF…).
fn bcd(data: &[u8], decimals: u32, place: usize) -> Result<Option<i64>, String> {
    if data.iter().all(|byte| *byte == 0xAA) || data.iter().all(|byte| *byte == 0xFF) {
        return Ok(None);
    }
    let (sign, digits) = match data {
        [0xFF, rest @ ..] => (-1, rest),
        all => (1, all),
    };
    let mut value: i64 = 0;
    for byte in digits {
        let pair = two(*byte)
            .ok_or_else(|| format!("byte {place} of the body: {byte:02X} is no BCD number"))?;
        value = value
            .checked_mul(100)
            .and_then(|value| value.checked_add(i64::from(pair)))
            .ok_or_else(|| format!("byte {place} of the body: a number too long"))?;
    }
    milli(sign * value, decimals)
        .map(Some)
        .ok_or_else(|| format!("byte {place} of the body: a number too long"))
}
