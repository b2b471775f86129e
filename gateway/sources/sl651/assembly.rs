//! Frames of one connection become observations and answers; several packets become one report. No I/O.

use super::{VIA, unreadable};
use crate::{
    domain::{Body, Now, Observation},
    sources::codecs::{
        sl651::{End, Part, StationFrame},
        sl651_body::{carries_readings, observation},
    },
};

/// Bytes of one report of several packets.
const PARTS_BYTES_MAX: usize = 256 * 1024;
const KEEPALIVE: u8 = 0x2F;
const SET_CLOCK: u8 = 0x4A;

/// What one frame leads to.
#[derive(Debug, Default)]
pub struct Taken {
    /// To be stored first.
    pub observation: Option<Observation>,
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
    bodies: Vec<Option<Vec<u8>>>,
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
            (_, None) => self.whole(frame, raw, now),
            (_, Some(part)) => self.part(frame, part, raw, now),
        }
    }

    fn whole(&self, frame: StationFrame, raw: &[u8], now: Now) -> Taken {
        if !carries_readings(frame.function) && frame.function != 0x36 {
            // Answers to what was asked of it by others: nothing to count, nothing to answer.
            let reason = format!("function {:02X}: no report with readings", frame.function);
            return Taken {
                observation: Some(unreadable(&frame.station, reason, raw, now)),
                ..Taken::default()
            };
        }
        let read = observation(&frame, VIA, now);
        let (observation, sent) = match read {
            Ok(observation) => {
                let sent = observation.stamp.device;
                (observation, sent)
            }
            Err(reason) => (unreadable(&frame.station, reason, raw, now), None),
        };
        // What could not be read is answered too: sent again it would be the same.
        let reports = matches!(frame.function, 0x30..=0x36);
        let end = if frame.more { End::More } else { End::MayLeave };
        let answer = reports.then_some((frame, end));
        Taken { observation: Some(observation), answer, sent }
    }

    /// Middle packets get no answer; the last one gets one for all, or asks for what is missing.
    fn part(&mut self, frame: StationFrame, part: Part, raw: &[u8], now: Now) -> Taken {
        let wrong = |reason: String| Taken {
            observation: Some(unreadable(&frame.station, reason, raw, now)),
            ..Taken::default()
        };
        let Part { total, number } = part;
        if number == 0 || number > total || total > 0xFFF {
            return wrong(format!("packet {number} of {total}"));
        }
        let same = self.parts.as_ref().is_some_and(|parts| {
            parts.function == frame.function
                && parts.station == frame.station
                && parts.total == total
        });
        if !same {
            self.parts = Some(Parts {
                function: frame.function,
                station: frame.station.clone(),
                total,
                bodies: vec![None; total.into()],
                bytes: 0,
            });
        }
        let Some(parts) = &mut self.parts else { return Taken::default() };
        let place = &mut parts.bodies[usize::from(number) - 1];
        if place.is_none() {
            parts.bytes += frame.body.len();
        }
        if parts.bytes > PARTS_BYTES_MAX {
            self.parts = None;
            return wrong(format!("a report of more than {PARTS_BYTES_MAX} bytes"));
        }
        *place = Some(frame.body.clone());
        let missing = parts.bodies.iter().position(Option::is_none);
        if let Some(missing) = missing {
            let ask = !frame.more || number == total;
            let missing = u16::try_from(missing + 1).unwrap_or(1);
            let again = End::Again(Part { total, number: missing });
            return Taken { answer: ask.then_some((frame, again)), ..Taken::default() };
        }
        let Some(parts) = self.parts.take() else { return Taken::default() };
        // Serial number and time stand in the first packet; what follows goes on with the data.
        let body: Vec<u8> = parts.bodies.into_iter().flatten().flatten().collect();
        let last = Part { total, number: total };
        let joined = StationFrame { body, part: Some(last), more: false, ..frame };
        self.whole(joined, raw, now)
    }
}

impl Taken {
    /// Nobody could read it.
    pub fn is_unreadable(&self) -> bool {
        matches!(self.observation.as_ref().map(|one| &one.body), Some(Body::Unreadable(_)))
    }
}
