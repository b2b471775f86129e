//! The body of an SL 651-2014 report in HEX form, taken apart: what cannot be read costs itself and is told.
//!
//! `F1F1` and an address begin a station, `F0F0` and a time apply to what follows. An element is its
//! number, a byte with length (5 bits) and decimals (3 bits), and packed digits; 45 is bits, F4 to FC
//! are slots. With a time step (04) an element is a series, which is then the rest of its station.

use jiff::{SignedDuration, civil::DateTime};

use super::{
    sl651::station_of,
    sl651_elements::{Element, ElementValue, Meaning, StationReport, civil, meaning, milli},
};

/// Elements of one report; the longest real ones have some dozens.
pub(super) const ELEMENTS_MAX: usize = 4_096;
/// The classes of stations, annex A.
const CLASSES: &[u8] = b"PHKZDTMGQIO";
/// The longest number of a gauge; a longer one holds the elements behind it.
const NUMBER_BYTES_MAX: usize = 5;
/// The longest bits of a station.
const STATUS_BYTES_MAX: usize = 8;
/// Days, hours and minutes of a time step; a byte more is borne with.
const STEP_BYTES_MAX: usize = 4;
/// Serial number and time of sending.
const HEAD_BYTES: usize = 8;

struct HexReader<'b> {
    bytes: &'b [u8],
    at: usize,
    function: u8,
    time: Option<DateTime>,
    step: Option<SignedDuration>,
    report: StationReport,
}

/// The error: it is too short for any report.
pub(super) fn report(function: u8, body: &[u8]) -> Result<StationReport, String> {
    let Some(sent) = body.get(2..HEAD_BYTES) else {
        let left = body.len().saturating_sub(2);
        return Err(format!(
            "byte 2 of the body: the time of sending needs 6 bytes, {left} are left"
        ));
    };
    let (report, time, step) = (StationReport::default(), None, None);
    let mut reader = HexReader { bytes: body, at: HEAD_BYTES, function, time, step, report };
    reader.report.sent = time_of(sent);
    if reader.report.sent.is_none() {
        let why = format!("byte 2 of the body: the time of sending {} is none", shown(sent));
        reader.report.part().cannot_read(why);
    }
    while reader.at < body.len() {
        let place = reader.at;
        if reader.report.elements() >= ELEMENTS_MAX {
            reader.cannot_read(place, &format!("more than {ELEMENTS_MAX} elements"));
            break;
        }
        if let Err(why) = reader.next() {
            reader.cannot_read(place, &why);
            let Some(further) = reader.next_group(place + 1) else { break };
            reader.at = further;
        }
    }
    reader.report.part();
    Ok(reader.report)
}

impl<'b> HexReader<'b> {
    fn rest(&self) -> &'b [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn cannot_read(&mut self, place: usize, why: &str) {
        self.report.part().cannot_read(format!("byte {place} of the body: {why}"));
    }

    fn take(&mut self, n: usize, what: &str) -> Result<&'b [u8], String> {
        let rest = self.rest();
        let Some(data) = rest.get(..n) else {
            return Err(format!("{what} needs {n} bytes, {} are left", rest.len()));
        };
        self.at += n;
        Ok(data)
    }

    /// One group or element. The error: where the next one begins is not known.
    fn next(&mut self) -> Result<(), String> {
        match *self.rest() {
            [0xF1, 0xF1 | 0x28, ..] => self.station(),
            [0xF0, 0xF0 | 0x28, ..] => self.observed(),
            [0xF2, 0xF2, ..] => self.for_people("entries of a person"),
            [0xF3, 0xF3, ..] => self.for_people("a picture"),
            // Flow in bulk has no length: it is the rest.
            [0xFD, 0xF6, ..] => {
                self.at = self.bytes.len();
                Ok(())
            }
            [0x04, definition, ..] => self.time_step(usize::from(definition >> 3)),
            [0xFF, id, definition, ..] => {
                self.at += 3;
                self.element(0xFF00 | u16::from(id), definition)
            }
            [id, definition, ..] if id != 0xFF => {
                self.at += 2;
                self.element(id.into(), definition)
            }
            _ => Err(format!("an element needs 2 bytes, {} are left", self.rest().len())),
        }
    }

    fn time_step(&mut self, n: usize) -> Result<(), String> {
        let place = self.at;
        self.at += 2;
        // A length that no step has would swallow the elements behind it without a word.
        if n > STEP_BYTES_MAX {
            return Err(format!("the time step says {n} bytes, it has 3"));
        }
        let data = self.take(n, "the time step")?;
        self.step = step_of(data);
        // Zeros are sent where the elements have slots of their own.
        if self.step.is_none() && data.iter().any(|byte| *byte != 0) {
            self.cannot_read(place, &format!("the time step {} is none", shown(data)));
        }
        Ok(())
    }

    fn station(&mut self) -> Result<(), String> {
        self.at += 2;
        let address = self.take(5, "the station's address")?;
        let is_one = address.iter().any(|byte| *byte != 0) && address.iter().any(|b| *b != 0xFF);
        self.report.begin(is_one.then(|| station_of(address)));
        (self.time, self.step) = (None, None);
        // All reports have a class, the answer to a query of the status has none; numbers of
        // elements are letters too.
        let is_class = match *self.rest() {
            [_, 0xF0, 0xF0, ..] => true,
            [class, ..] => self.function != 0x46 && CLASSES.contains(&class),
            [] => false,
        };
        self.at += usize::from(is_class);
        Ok(())
    }

    fn observed(&mut self) -> Result<(), String> {
        let place = self.at;
        self.at += 2;
        let data = self.take(5, "the time of observation")?;
        self.time = time_of(data);
        self.step = None;
        if self.time.is_none() {
            let why = format!(
                "the time of observation {} is none: the time of sending counts",
                shown(data)
            );
            self.cannot_read(place, &why);
        }
        Ok(())
    }

    fn for_people(&mut self, what: &'static str) -> Result<(), String> {
        self.report.part().for_people = Some(what);
        self.at = self.bytes.len();
        Ok(())
    }

    fn element(&mut self, id: u16, definition: u8) -> Result<(), String> {
        let (n, decimals) = (usize::from(definition >> 3), u32::from(definition & 7));
        let place = self.at - if id > 0xFF { 3 } else { 2 };
        let meaning = meaning(id);
        let data = self.take(n, &format!("element {id:02X}"))?;
        // Digits hold no group: the length is a lie, and what it swallows is the next one.
        let has_group = (0..n).any(|at| self.is_time(place + 2 + at));
        if has_group && !matches!(meaning, Meaning::Slots | Meaning::Status) {
            return Err(format!("element {id:02X} says {n} bytes, and a group begins in them"));
        }
        if n == 0 {
            self.cannot_read(place, &format!("element {id:02X} has no data"));
            return Ok(());
        }
        if !meaning.is_read() {
            let text = format!("{id:02X} {definition:02X} {}", shown(data));
            self.report.part().keep_unknown(&text);
        }
        let most = match meaning {
            Meaning::Slots => usize::MAX,
            Meaning::Status => STATUS_BYTES_MAX,
            _ => NUMBER_BYTES_MAX,
        };
        if n > most && meaning.is_read() {
            self.cannot_read(
                place,
                &format!("element {id:02X}: {}: {n} bytes are too many", shown(data)),
            );
            return Ok(());
        }
        let value = match meaning {
            Meaning::Slots => Ok(ElementValue::Slots(slots(data))),
            Meaning::Status => Ok(status(data)),
            _ => number(data, decimals, meaning),
        };
        self.put(id, self.time, value, place);
        if !matches!(meaning, Meaning::Slots | Meaning::Status) && !(0xF4..=0xFD).contains(&id) {
            self.series(id, n, decimals);
        }
        Ok(())
    }

    fn put(
        &mut self,
        id: u16,
        at: Option<DateTime>,
        value: Result<ElementValue, String>,
        place: usize,
    ) {
        if !meaning(id).is_read() {
            return;
        }
        match value {
            Ok(value) => self.report.part().elements.push(Element { id, at, value }),
            Err(why) => self.cannot_read(place, &format!("element {id:02X}: {why}")),
        }
    }

    /// With a time step: the values that follow the first, up to the next group.
    fn series(&mut self, id: u16, n: usize, decimals: u32) {
        let Some(step) = self.step else { return };
        // A hole in a series is no news, and is no value of the first one either.
        if let Some(first) = self.report.part().elements.last_mut().filter(|one| one.id == id) {
            first.value = without_hole(std::mem::replace(&mut first.value, ElementValue::Missing));
        }
        let mut at = self.time;
        loop {
            let rest = self.rest();
            // Some end a series with the voltage of their supply.
            let voltage = rest.len() == 4 && rest.starts_with(&[0x38, 0x12]);
            let group = rest.starts_with(&[0xF0, 0xF0]) || rest.starts_with(&[0xF1, 0xF1]);
            if rest.is_empty() || voltage || group {
                break;
            }
            let place = self.at;
            if rest.len() < n || self.report.elements() >= ELEMENTS_MAX {
                let why = format!("{} bytes behind the series of element {id:02X}", rest.len());
                self.cannot_read(place, &why);
                self.at = self.bytes.len();
                return;
            }
            self.at += n;
            at = at.and_then(|at| at.checked_add(step).ok());
            let value = number(&rest[..n], decimals, meaning(id)).map(without_hole);
            self.put(id, at, value, place);
        }
        self.step = None;
    }

    /// Where the next group begins, so that it can be believed: a time that a calendar has, or an
    /// address with one behind it.
    fn next_group(&self, from: usize) -> Option<usize> {
        (from..self.bytes.len()).find(|&at| {
            let station = self.bytes[at..].starts_with(&[0xF1, 0xF1]) && self.is_time(at + 8);
            station || self.is_time(at)
        })
    }

    fn is_time(&self, at: usize) -> bool {
        let data = self.bytes.get(at..at + 7).filter(|data| data.starts_with(&[0xF0, 0xF0]));
        data.is_some_and(|data| time_of(&data[2..]).is_some())
    }
}

fn without_hole(value: ElementValue) -> ElementValue {
    match value {
        ElementValue::NoValue(text) if text.bytes().all(|digit| digit == b'F') => {
            ElementValue::Missing
        }
        value => value,
    }
}

/// Hex digits, at most 16 bytes of them.
fn shown(data: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 16;
    let more = if data.len() > SHOWN_BYTES_MAX { "…" } else { "" };
    let digits: String =
        data.iter().take(SHOWN_BYTES_MAX).map(|byte| format!("{byte:02X}")).collect();
    digits + more
}

fn slots(data: &[u8]) -> Vec<Option<u32>> {
    data.iter().map(|byte| (*byte != 0xFF).then_some(u32::from(*byte))).collect()
}

/// Bits, most significant byte first; longer than the standard's four, the last four count.
fn status(data: &[u8]) -> ElementValue {
    if data.iter().all(|byte| *byte == 0xFF) {
        return ElementValue::NoValue(shown(data));
    }
    let bits = data.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    ElementValue::Status(u32::try_from(bits & 0xFFFF_FFFF).unwrap_or(0))
}

/// `ddHHmm`; all zero: what follows is the slots of an hour.
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

fn time_of(data: &[u8]) -> Option<DateTime> {
    let pairs: Vec<i8> = data.iter().map(|byte| two(*byte)).collect::<Option<_>>()?;
    civil(&pairs)
}

/// Packed digits; a first byte FF is a minus. No value: every digit of the element's width is 9 or F,
/// or A. Where the width is odd, a 0 stands before it.
fn number(data: &[u8], decimals: u32, meaning: Meaning) -> Result<ElementValue, String> {
    let nibbles = || data.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
    let full = || nibbles().skip_while(|digit| *digit == 0);
    let is_full = full().all(|digit| digit == 9 || digit == 0xF)
        && (full().count() >= meaning.digits() || full().count() == data.len() * 2);
    if is_full || nibbles().all(|digit| digit == 0xA) {
        return Ok(ElementValue::NoValue(shown(data)));
    }
    let (sign, digits) = match data {
        [0xFF, rest @ ..] => (-1, rest),
        all => (1, all),
    };
    let mut value: i64 = 0;
    for byte in digits {
        let pair = two(*byte).ok_or_else(|| format!("{} is no BCD number", shown(data)))?;
        value = value
            .checked_mul(100)
            .and_then(|value| value.checked_add(i64::from(pair)))
            .ok_or_else(|| format!("{}: a number too long", shown(data)))?;
    }
    let milli = milli(sign * value, decimals);
    milli.map(ElementValue::Milli).ok_or_else(|| format!("{}: a number too long", shown(data)))
}
