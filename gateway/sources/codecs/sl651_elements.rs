//! The elements of SL 651-2014 (annex C): what each means here, and a report taken apart, whatever form it came in.

use jiff::civil::DateTime;

/// What an element means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Rain since the station was set up.
    Total,
    /// Rain since 08:00.
    Today,
    /// Rain of the day that ended at 08:00.
    Day,
    /// Rain in so many seconds, which ended then.
    Fallen(u32),
    /// Rain of a storm; how long is said by [`Meaning::Duration`].
    Storm,
    /// Hours and minutes, `HH.mm`.
    Duration,
    /// Water; of several at once the one with the lowest number counts.
    Level(u8),
    Voltage,
    Status,
    /// Rain of each 5 min of an hour.
    Slots,
    /// Defined by the standard, not used here: weather, flow, quality, relative levels.
    Other,
    /// A maker's own.
    Unknown,
}

/// By the number of the element; `FFxx` are two bytes long.
pub(super) fn meaning(id: u16) -> Meaning {
    match id {
        0x05 => Meaning::Duration,
        0x1A => Meaning::Fallen(3_600),
        0x1B => Meaning::Fallen(2 * 3_600),
        0x1C => Meaning::Fallen(3 * 3_600),
        0x1D => Meaning::Fallen(6 * 3_600),
        0x1E => Meaning::Fallen(12 * 3_600),
        0x1F => Meaning::Day,
        0x20 => Meaning::Today,
        0x21 => Meaning::Fallen(60),
        0x22 => Meaning::Fallen(300),
        0x23 => Meaning::Fallen(600),
        0x24 => Meaning::Fallen(1_800),
        0x25 => Meaning::Storm,
        0x26 => Meaning::Total,
        0x38 => Meaning::Voltage,
        // River or tide; above a gate or dam; below it.
        0x39 => Meaning::Level(0),
        0x3B => Meaning::Level(1),
        0x3A => Meaning::Level(2),
        0x45 => Meaning::Status,
        0xF4 => Meaning::Slots,
        0x01..=0x75 | 0xF5..=0xFD => Meaning::Other,
        _ => Meaning::Unknown,
    }
}

impl Meaning {
    /// Whether it is an amount of rain.
    pub(super) fn is_rain(self) -> bool {
        matches!(
            self,
            Self::Total | Self::Today | Self::Day | Self::Fallen(_) | Self::Storm | Self::Slots
        )
    }

    /// How many digits the standard gives it.
    pub(super) fn digits(self) -> usize {
        match self {
            Self::Level(_) => 7,
            Self::Total => 6,
            Self::Voltage | Self::Duration => 4,
            _ => 5,
        }
    }

    /// Whether its digits are of interest.
    pub(super) fn is_read(self) -> bool {
        !matches!(self, Self::Other | Self::Unknown)
    }
}

/// One value of an element.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ElementValue {
    /// Thousandths.
    Milli(i64),
    /// A hole in a series, as the standard has it.
    Missing,
    /// All nines or F: the station has no such value. As it was written.
    NoValue(String),
    /// Slots of 5 min, raw.
    Slots(Vec<Option<u32>>),
    /// Bits.
    Status(u32),
}

/// An element at its time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Element {
    pub(super) id: u16,
    pub(super) at: Option<DateTime>,
    pub(super) value: ElementValue,
}

/// What a report says of one station.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StationPart {
    /// By its own address in the body; `None`: whose frame it is.
    pub(super) station: Option<String>,
    pub(super) elements: Vec<Element>,
    /// What could not be read, and where; the rest counts.
    pub(super) unread: Vec<String>,
    /// Content for people, which nobody here reads: the report is kept as it came.
    pub(super) for_people: Option<&'static str>,
    /// Elements that nobody here reads, as they came.
    pub(super) unknown: String,
}

/// A report, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StationReport {
    pub(super) sent: Option<DateTime>,
    /// By station, in the order of the report; never empty.
    pub(super) parts: Vec<StationPart>,
}

/// Reasons that are told of one station in one report.
const REASONS_MAX: usize = 8;
/// Bytes of elements that nobody here reads which are kept.
const UNKNOWN_BYTES_MAX: usize = 512;

impl StationPart {
    pub(super) fn cannot_read(&mut self, why: String) {
        if self.unread.len() < REASONS_MAX {
            self.unread.push(why);
        }
    }

    pub(super) fn keep_unknown(&mut self, text: &str) {
        if self.unknown.len() + text.len() < UNKNOWN_BYTES_MAX {
            let between = if self.unknown.is_empty() { "" } else { "; " };
            self.unknown.push_str(between);
            self.unknown.push_str(text);
        }
    }
}

impl StationReport {
    /// The station that is being read.
    pub(super) fn part(&mut self) -> &mut StationPart {
        if self.parts.is_empty() {
            self.parts.push(StationPart::default());
        }
        let last = self.parts.len() - 1;
        &mut self.parts[last]
    }

    /// Another station begins; `None`: its address is none.
    pub(super) fn begin(&mut self, station: Option<String>) {
        let is_fresh = self.parts.last().is_some_and(|part| *part == StationPart::default());
        if is_fresh {
            self.part().station = station;
        } else {
            self.parts.push(StationPart { station, ..StationPart::default() });
        }
    }

    pub(super) fn elements(&self) -> usize {
        self.parts.iter().map(|part| part.elements.len()).sum()
    }
}

/// A number with so many decimals in thousandths, rounded down beyond three.
pub(super) fn milli(value: i64, decimals: u32) -> Option<i64> {
    match decimals {
        0..=3 => value.checked_mul(10i64.pow(3 - decimals)),
        more => Some(value / 10i64.checked_pow(more - 3)?),
    }
}

/// `yyMMddHHmm[ss]` in pairs of digits; `None` where no calendar has it. 24:00 is 00:00 of the next
/// day, and second 60 is one that a leap adds.
pub(super) fn civil(pairs: &[i8]) -> Option<DateTime> {
    let [year, month, day, hour, minute, rest @ ..] = pairs else { return None };
    let second = rest.first().copied().unwrap_or(0);
    let second = if second == 60 { 59 } else { second };
    let midnight = *hour == 24 && *minute == 0 && second == 0;
    let hour = if midnight { 0 } else { *hour };
    let at = DateTime::new(2000 + i16::from(*year), *month, *day, hour, *minute, second, 0).ok()?;
    if midnight { at.checked_add(jiff::Span::new().days(1)).ok() } else { Some(at) }
}
