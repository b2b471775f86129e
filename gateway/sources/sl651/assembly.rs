//! Frames of one connection become observations and answers; several packets become one report. No I/O.

use std::collections::BTreeMap;

use super::{VIA, unreadable};
use crate::{
    domain::{Body, Now, Observation},
    sources::codecs::{
        sl651::{End, Part, StationFrame},
        sl651_body::{carries_readings, read},
    },
};

/// Bytes of one report of several packets, each with what it costs to hold it.
const PARTS_BYTES_MAX: usize = 256 * 1024;
/// What a packet costs beside its bytes.
const PART_COSTS_BYTES: usize = 48;
const KEEPALIVE: u8 = 0x2F;
const SET_CLOCK: u8 = 0x4A;
pub(super) const PICTURE: u8 = 0x36;

/// What one frame leads to.
#[derive(Debug, Default)]
pub struct Taken {
    /// To be stored first, all of them.
    pub observations: Vec<Observation>,
    /// Then this is answered, to this frame.
    pub answer: Option<(StationFrame, End)>,
    /// What the station's clock said.
    pub sent: Option<jiff::Timestamp>,
}

/// A report that is not whole yet.
struct Parts {
    function: u8,
    station: String,
    total: u16,
    /// Bodies by number, from 1.
    bodies: BTreeMap<u16, Vec<u8>>,
    bytes: usize,
}

#[derive(Default)]
pub struct Assembly {
    parts: Option<Parts>,
}

impl Assembly {
    /// `raw`: its bytes as they came, for the quarantine.
    pub fn take(&mut self, frame: StationFrame, raw: &[u8], now: Now) -> Taken {
        match (frame.function, frame.part) {
            // Not answered, by 6.6.4.2 of the standard: it only says that the line is open.
            (KEEPALIVE, _) | (SET_CLOCK, _) => Taken::default(),
            (_, None) => whole(frame, raw, now),
            (_, Some(part)) => self.part(frame, part, raw, now),
        }
    }

    /// Bytes that it holds.
    pub fn held_bytes(&self) -> usize {
        self.parts.as_ref().map_or(0, |parts| parts.bytes)
    }

    /// Middle packets get no answer; the last one gets one for all, or asks for what is missing.
    fn part(&mut self, frame: StationFrame, part: Part, raw: &[u8], now: Now) -> Taken {
        let wrong = |reason: String| Taken {
            observations: vec![unreadable(&frame.station, reason, raw, now)],
            ..Taken::default()
        };
        let Part { total, number } = part;
        if number == 0 || number > total || total > 0xFFF {
            return wrong(format!("packet {number} of {total}"));
        }
        // The packets of a picture are counted and not held: the first of them is kept.
        let keep = frame.function != PICTURE || number == 1;
        let body = if keep { frame.body.clone() } else { Vec::new() };
        let same = self.parts.as_ref().is_some_and(|parts| {
            parts.function == frame.function
                && parts.station == frame.station
                && parts.total == total
                // A packet in another's place begins another report: two are never mixed.
                && parts.bodies.get(&number).is_none_or(|held| *held == body)
        });
        if !same {
            self.parts = Some(Parts {
                function: frame.function,
                station: frame.station.clone(),
                total,
                bodies: BTreeMap::new(),
                bytes: 0,
            });
        }
        let Some(parts) = &mut self.parts else { return Taken::default() };
        let cost = body.len() + PART_COSTS_BYTES;
        if parts.bodies.insert(number, body).is_none() {
            parts.bytes += cost;
        }
        if parts.bytes > PARTS_BYTES_MAX {
            self.parts = None;
            return wrong(format!("a report of more than {PARTS_BYTES_MAX} bytes"));
        }
        if parts.bodies.len() < usize::from(total) {
            let ask = !frame.more || number == total;
            let missing = || (1..=total).find(|number| !parts.bodies.contains_key(number));
            let again = || End::Again(Part { total, number: missing().unwrap_or(1) });
            return Taken { answer: ask.then(|| (frame, again())), ..Taken::default() };
        }
        let Some(parts) = self.parts.take() else { return Taken::default() };
        // Serial number and time stand in the first packet; what follows goes on with the data.
        let body: Vec<u8> = parts.bodies.into_values().flatten().collect();
        let last = Part { total, number: total };
        let joined = StationFrame { body, part: Some(last), more: false, ..frame };
        let raw = joined.body.clone();
        whole(joined, &raw, now)
    }
}

/// A whole report.
fn whole(frame: StationFrame, raw: &[u8], now: Now) -> Taken {
    let end = if frame.more { End::More } else { End::MayLeave };
    if !carries_readings(frame.function) {
        let reason = match frame.function {
            PICTURE => "a picture: its beginning is kept".to_owned(),
            // Answers to what was asked of it by others: nothing to count, nothing to answer.
            function => format!("function {function:02X}: no report with readings"),
        };
        // Nobody's fault: it is of no station here, and whose it was stands in it.
        let reason = format!("station {}: {reason}", frame.station);
        let observations = vec![unreadable("", reason, raw, now)];
        let answer = (frame.function == PICTURE).then_some((frame, end));
        return Taken { observations, answer, sent: None };
    }
    // What could not be read is kept as it came, and answered too: sent again it would be the same.
    let (observations, sent) = match read(&frame, VIA, now) {
        Ok(report) => {
            let sent = report.gauges.first().and_then(|one| one.stamp.device);
            let mut observations = report.gauges;
            let keep = report.keep;
            observations
                .extend(keep.map(|(station, why)| unreadable(station.as_str(), why, raw, now)));
            (observations, sent)
        }
        Err(reason) => (vec![unreadable(&frame.station, reason, raw, now)], None),
    };
    let reports = matches!(frame.function, 0x30..=0x36);
    let answer = reports.then_some((frame, end));
    Taken { observations, answer, sent }
}

impl Taken {
    /// Nobody could read anything of it.
    pub fn is_unreadable(&self) -> bool {
        !self.observations.is_empty()
            && self.observations.iter().all(|one| matches!(one.body, Body::Unreadable(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::codecs::sl651::Form;

    fn now() -> Now {
        Now { wall: "2026-07-01T04:00:00Z".parse().unwrap(), mono_ms: 0 }
    }

    fn packet(total: u16, number: u16, function: u8, body: &[u8]) -> StationFrame {
        StationFrame {
            form: Form::Hex,
            centre: 1,
            station: "0012345678".into(),
            password: 0,
            function,
            part: Some(Part { total, number }),
            body: body.to_vec(),
            more: number < total,
        }
    }

    fn take(assembly: &mut Assembly, frame: StationFrame) -> Taken {
        assembly.take(frame, b"raw", now())
    }

    #[test]
    fn a_part_that_is_sent_again_larger_is_counted_and_bounded() {
        let mut assembly = Assembly::default();
        for n in 1..4_095 {
            take(&mut assembly, packet(4_095, n, 0x32, b""));
        }
        for n in 1..4_095 {
            take(&mut assembly, packet(4_095, n, 0x32, &[0; 4_090]));
            assert!(assembly.held_bytes() <= PARTS_BYTES_MAX);
            let held: usize =
                assembly.parts.iter().flat_map(|p| p.bodies.values()).map(Vec::len).sum();
            assert!(held <= assembly.held_bytes(), "{held}");
        }
    }

    #[test]
    fn packets_of_two_reports_are_never_mixed() {
        let report = |serial: u8| -> Vec<u8> {
            let mut body = vec![0, serial, 0x26, 7, 1, 0x11, 0x50, 0];
            body.extend([0xF0, 0xF0, 0x26, 7, 1, 0x11, 0x50]);
            body.extend([0x26, 0x19, 0, serial, 0]);
            body
        };
        let (old, new) = (report(1), report(2));
        let mut assembly = Assembly::default();
        // Of the first report the last packet is lost, and the station gives it up.
        take(&mut assembly, packet(3, 1, 0x32, &old[..8]));
        take(&mut assembly, packet(3, 2, 0x32, &old[8..15]));
        take(&mut assembly, packet(3, 1, 0x32, &new[..8]));
        take(&mut assembly, packet(3, 2, 0x32, &new[8..15]));
        let taken = take(&mut assembly, packet(3, 3, 0x32, &new[15..]));
        let Body::Gauge(report) = &taken.observations[0].body else { panic!("{taken:?}") };
        assert_eq!(report.id.as_deref(), Some("32/2"));
        assert_eq!(report.readings.len(), 1);
        assert!(taken.answer.is_some());
        // The same packet twice is the same report.
        for n in [1, 1, 2] {
            let part = if n == 1 { &new[..8] } else { &new[8..15] };
            take(&mut assembly, packet(3, n, 0x32, part));
        }
        assert!(!take(&mut assembly, packet(3, 3, 0x32, &new[15..])).is_unreadable());
    }

    #[test]
    fn a_picture_of_any_size_is_answered_and_its_beginning_kept() {
        let mut assembly = Assembly::default();
        for n in 1..4_095 {
            take(&mut assembly, packet(4_095, n, PICTURE, &[0x55; 4_000]));
        }
        assert!(assembly.held_bytes() <= PARTS_BYTES_MAX + 4_000);
        let taken = take(&mut assembly, packet(4_095, 4_095, PICTURE, &[0x55; 4_000]));
        assert!(taken.is_unreadable() && taken.answer.is_some(), "{taken:?}");
    }
}
