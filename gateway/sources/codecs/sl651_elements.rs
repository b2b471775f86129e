//! A report of SL 651-2014 taken apart: elements at their times, whatever form it came in.

use jiff::civil::DateTime;

/// One value of an element; `None` is marked invalid by the station.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ElementValue {
    /// Thousandths.
    Milli(Option<i64>),
    /// Twelve slots of 5 min, raw.
    Slots(Vec<Option<u32>>),
}

/// An element at its time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Element {
    pub(super) id: u16,
    pub(super) at: Option<DateTime>,
    pub(super) value: ElementValue,
}

/// A report, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StationReport {
    pub(super) sent: Option<DateTime>,
    pub(super) elements: Vec<Element>,
}

/// A number with so many decimals in thousandths, rounded down beyond three.
pub(super) fn milli(value: i64, decimals: u32) -> Option<i64> {
    match decimals {
        0..=3 => value.checked_mul(10i64.pow(3 - decimals)),
        more => Some(value / 10i64.pow(more - 3)),
    }
}
