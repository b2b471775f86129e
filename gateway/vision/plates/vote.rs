//! What the looks at one vehicle say of its plate, added up: told once several agree. Pure.

use std::collections::BTreeMap;

use crate::domain::{Plate, PlateState};

/// Looks that must agree, whatever a single one says.
const AGREE_MIN: u32 = 2;
/// And so sure they must be, added up; a reading that is certain counts 1.
const SURE_SUM: f32 = 1.2;
/// The next best reading has at most so much of the best one's.
const RIVAL_MAX: f32 = 0.5;
/// A vehicle is not looked at more often without an answer.
const LOOKS_MAX: u32 = 12;
/// Other readings of it that are kept; a vehicle that flickers fills no memory.
const READINGS_MAX: usize = 16;

/// One reading of a look.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlateReading {
    pub(super) plate: Plate,
    /// 0..2: how sure the readers are, added up.
    pub(super) sure: f32,
    /// Both readers say so; or the one that can read it is sure. What is small is read wrong by each for itself,
    /// and sure of it, but hardly by both.
    pub(super) agreed: bool,
}

/// Of one plate of a vehicle: in how many looks it was read, how sure, added up, and whether readers agreed.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    looks: u32,
    sure: f32,
    agreed: bool,
}

/// Of one vehicle.
#[derive(Clone, Debug, Default)]
pub(super) struct Vote {
    readings: BTreeMap<Plate, Tally>,
    looks: u32,
}

impl Vote {
    /// Takes what one look read; nothing, and different things of two readers, count as a look too.
    pub(super) fn take(&mut self, readings: &[PlateReading]) {
        self.looks += 1;
        for reading in readings {
            let known = self.readings.contains_key(&reading.plate);
            if known || self.readings.len() < READINGS_MAX {
                let one = self.readings.entry(reading.plate.clone()).or_default();
                one.looks += 1;
                one.sure += reading.sure;
                one.agreed |= reading.agreed;
            }
        }
    }

    /// It is nearer than before: what was read from far away may be read now.
    pub(super) fn begin_anew(&mut self) {
        self.looks = 0;
    }

    /// How far it has come.
    pub(super) fn state(&self) -> PlateState {
        let best = self.readings.iter().max_by(|a, b| a.1.sure.total_cmp(&b.1.sure));
        let Some((plate, best)) = best else { return self.without() };
        let others = self.readings.iter().filter(|(other, _)| *other != plate);
        let rival = others.map(|(_, one)| one.sure).fold(0.0, f32::max);
        let is_sure = best.looks >= AGREE_MIN && best.sure >= SURE_SUM && best.agreed;
        let agrees = is_sure && rival <= best.sure * RIVAL_MAX;
        if agrees { PlateState::Read(plate.clone()) } else { self.without() }
    }

    fn without(&self) -> PlateState {
        if self.looks >= LOOKS_MAX { PlateState::Unread } else { PlateState::Open }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str, sure: f32) -> PlateReading {
        PlateReading { plate: Plate::parse(text).unwrap(), sure, agreed: true }
    }

    #[test]
    fn one_look_tells_nothing_and_two_that_agree_do() {
        let mut vote = Vote::default();
        assert_eq!(vote.state(), PlateState::Open);
        vote.take(&[reading("晋B12345", 2.0)]);
        assert_eq!(vote.state(), PlateState::Open, "a single look, however sure");
        vote.take(&[]);
        vote.take(&[reading("晋B12345", 0.4)]);
        assert_eq!(vote.state(), PlateState::Read(Plate::parse("晋B12345").unwrap()));
        // What another look says later takes it back only if it weighs as much.
        vote.take(&[reading("晋B12346", 0.9)]);
        assert_eq!(vote.state(), PlateState::Read(Plate::parse("晋B12345").unwrap()));
        vote.take(&[reading("晋B12346", 0.9)]);
        assert_eq!(vote.state(), PlateState::Open, "readings differ");
    }

    #[test]
    fn what_the_readers_never_agree_about_is_not_told_however_sure_one_is() {
        let mut vote = Vote::default();
        for _ in 0..LOOKS_MAX - 1 {
            vote.take(&[PlateReading { agreed: false, ..reading("晋B12345", 1.0) }]);
            assert_eq!(vote.state(), PlateState::Open);
        }
        vote.take(&[reading("晋B12345", 1.0)]);
        assert_eq!(vote.state(), PlateState::Read(Plate::parse("晋B12345").unwrap()));
    }

    #[test]
    fn weak_readings_are_not_sure_until_many_agree() {
        let mut vote = Vote::default();
        for n in 1..=6 {
            vote.take(&[reading("晋B12345", 0.25)]);
            let read = matches!(vote.state(), PlateState::Read(_));
            assert_eq!(read, n >= 5, "{n} looks");
        }
    }

    #[test]
    fn a_vehicle_without_a_plate_is_given_up_and_asked_again_when_it_is_nearer() {
        let mut vote = Vote::default();
        (0..LOOKS_MAX - 1).for_each(|_| vote.take(&[]));
        assert_eq!(vote.state(), PlateState::Open);
        vote.take(&[reading("晋B12345", 0.9)]);
        assert_eq!(vote.state(), PlateState::Unread);
        vote.begin_anew();
        assert_eq!(vote.state(), PlateState::Open);
        vote.take(&[reading("晋B12345", 0.9)]);
        assert_eq!(vote.state(), PlateState::Read(Plate::parse("晋B12345").unwrap()));
    }

    #[test]
    fn a_flood_of_readings_takes_no_memory() {
        let mut vote = Vote::default();
        for n in 0..9_999 {
            vote.take(&[reading(&format!("晋B1{n:04}"), 0.3)]);
        }
        assert_eq!((vote.readings.len(), vote.state()), (READINGS_MAX, PlateState::Unread));
    }
}
