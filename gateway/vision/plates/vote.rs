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
pub(super) struct Reading {
    pub(super) plate: Plate,
    /// 0..2: how sure the readers are, added up.
    pub(super) sure: f32,
}

/// Of one vehicle.
#[derive(Clone, Debug, Default)]
pub(super) struct Vote {
    /// By plate: in how many looks, and how sure, added up.
    readings: BTreeMap<Plate, (u32, f32)>,
    looks: u32,
}

impl Vote {
    /// Takes what one look read; nothing, and different things of two readers, count as a look too.
    pub(super) fn take(&mut self, readings: &[Reading]) {
        self.looks += 1;
        for reading in readings {
            let known = self.readings.contains_key(&reading.plate);
            if known || self.readings.len() < READINGS_MAX {
                let one = self.readings.entry(reading.plate.clone()).or_default();
                *one = (one.0 + 1, one.1 + reading.sure);
            }
        }
    }

    /// It is nearer than before: what was read from far away may be read now.
    pub(super) fn begin_anew(&mut self) {
        self.looks = 0;
    }

    /// How far it has come.
    pub(super) fn state(&self) -> PlateState {
        let sum = |one: &(&Plate, &(u32, f32))| one.1.1;
        let best = self.readings.iter().max_by(|a, b| sum(a).total_cmp(&sum(b)));
        let Some((plate, (looks, sure))) = best else { return self.without() };
        let others = self.readings.iter().filter(|(other, _)| *other != plate);
        let rival = others.map(|(_, one)| one.1).fold(0.0, f32::max);
        let agrees = *looks >= AGREE_MIN && *sure >= SURE_SUM && rival <= sure * RIVAL_MAX;
        if agrees { PlateState::Read(plate.clone()) } else { self.without() }
    }

    fn without(&self) -> PlateState {
        if self.looks >= LOOKS_MAX { PlateState::Unread } else { PlateState::Open }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str, sure: f32) -> Reading {
        Reading { plate: Plate::parse(text).unwrap(), sure }
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
