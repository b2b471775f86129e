//! Sums over gaps, resets, wraps, late and repeated readings, and against a plain count of drops.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::*;

const SCALE: Scale = Scale { tip_um: 200.0, wraps_at: None, most_um_per_min: 10_000 };

fn minute(n: i64) -> Timestamp {
    Timestamp::from_second(1_782_820_800 + n * 60).unwrap()
}

fn series(readings: &[(i64, Measure)]) -> Series {
    let mut series = Series::default();
    for (at, measure) in readings {
        series.insert(minute(*at), *measure);
    }
    series.add_up(SCALE);
    series
}

fn totals(readings: &[(i64, i64)]) -> Vec<(i64, Measure)> {
    readings.iter().map(|(at, um)| (*at, Measure::TotalUm(*um))).collect()
}

fn tips(readings: &[(i64, u64)]) -> Vec<(i64, Measure)> {
    readings.iter().map(|(at, n)| (*at, Measure::Tips(*n))).collect()
}

fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

#[test]
fn r1_a_counter_is_added_up_over_gaps_resets_and_wraps() {
    let day = hours(24);
    for (what, readings, expected_um, doubts) in [
        ("plain", totals(&[(0, 5_000), (60, 15_000), (120, 15_200)]), 10_200, 0),
        ("a gap of 10 h is exact", totals(&[(0, 0), (600, 60_000)]), 60_000, 0),
        ("reset by a new battery", totals(&[(0, 500_000), (60, 3_000)]), 3_000, 0),
        ("wraps at 99,999.9 mm", totals(&[(0, 99_999_900), (60, 1_000)]), 1_100, 0),
        ("16 bits of tips", tips(&[(0, 65_530), (5, 4)]), 2_000, 0),
        ("32 bits of tips", tips(&[(0, 4_294_967_290), (5, 4)]), 2_000, 0),
        ("one reading says nothing", tips(&[(0, 100)]), 0, 0),
        ("jumps by a million and comes back", tips(&[(0, 10), (5, 1_000_010), (10, 15)]), 1_000, 1),
        (
            "jumps and stays",
            tips(&[(0, 10), (5, 1_000_010), (10, 1_000_015), (15, 1_000_020)]),
            2_000,
            1,
        ),
        ("the total of another year", totals(&[(0, 900_000), (5, 400_000), (10, 400_200)]), 200, 1),
    ] {
        let series = series(&readings);
        assert_eq!(series.sum(minute(1_200), day), expected_um, "{what}");
        assert_eq!(series.doubts.len(), doubts, "{what}: {:?}", series.doubts);
    }
}

#[test]
fn a_window_that_cuts_an_interval_takes_its_share() {
    let series = series(&totals(&[(0, 0), (600, 60_000)]));
    assert_eq!(series.sum(minute(600), hours(1)), 6_000);
    assert_eq!(series.sum(minute(630), hours(1)), 3_000);
    assert_eq!(series.sum(minute(900), hours(1)), 0);
}

#[test]
fn slots_shape_a_total_and_never_add_to_it() {
    let slot = |at, um| (at, Measure::Fallen { um, period_s: 300 });
    let mut readings = totals(&[(0, 1_000), (60, 4_000)]);
    readings.extend([slot(5, 500), slot(25, 2_500), slot(60, 0)]);
    let with = series(&readings);
    assert_eq!(with.sum(minute(60), hours(1)), 3_000);
    assert_eq!(with.sum(minute(25), SignedDuration::from_mins(5)), 2_500);
    // DetectQueue that say something else are not believed against the total.
    readings.push(slot(40, 9_000));
    assert_eq!(series(&readings).sum(minute(60), hours(1)), 3_000);
    // Alone they count.
    let alone = series(&[slot(5, 500), slot(10, 700), slot(8, 9_999)]);
    assert_eq!(alone.sum(minute(60), hours(1)), 1_200);
}

#[test]
fn a_rate_stands_for_the_time_since_the_one_before() {
    let rate = |at, mm_h: i64| (at, Measure::RateUmPerHour(mm_h * 1_000));
    let series = series(&[rate(0, 12), rate(10, 12), rate(20, 0), rate(120, 60)]);
    // 10 min at 12 mm/h, and 15 min at most after a silence.
    assert_eq!(series.sum(minute(120), hours(3)), 2_000 + 15_000);
}

#[test]
fn accumulated_values_go_before_intensities_unless_they_are_dead() {
    let rate = |at, mm_h: i64| (at, Measure::RateUmPerHour(mm_h * 1_000));
    let slot = |at, um| (at, Measure::Fallen { um, period_s: 3_600 });
    let both = |um: i64| {
        let mut readings = totals(&[(0, 1_000), (60, 1_000 + um), (120, 1_000 + um)]);
        readings.extend([rate(0, 60), rate(10, 60), rate(20, 0)]);
        series(&readings)
    };
    assert_eq!(both(7_000).sum(minute(120), hours(3)), 7_000);
    assert!(both(7_000).doubts.is_empty());
    // A total that never moves: the others count, and it is told.
    assert_eq!(both(0).sum(minute(120), hours(3)), 10_000);
    assert_eq!(both(0).doubts.len(), 1);
    let mut readings = totals(&[(0, 0), (60, 0), (120, 0)]);
    readings.extend([slot(60, 4_000), slot(120, 5_000)]);
    let dead = series(&readings);
    assert_eq!((dead.sum(minute(120), hours(3)), dead.doubts.len()), (9_000, 1));
    readings.extend([(0, Measure::TodayUm(0)), (60, Measure::TodayUm(4_200))]);
    readings.push((120, Measure::TodayUm(9_300)));
    assert_eq!(series(&readings).sum(minute(120), hours(3)), 9_300);
}

#[test]
fn a_daily_total_falls_back_in_the_morning() {
    let today = |at, um| (at, Measure::TodayUm(um));
    let series = series(&[today(0, 30_000), today(60, 42_000), today(120, 500), today(180, 1_500)]);
    assert_eq!(series.sum(minute(180), hours(24)), 13_500);
}

/// A night of drops, told late, twice and in any order: the sums are those of the drops.
#[test]
fn r1_sums_are_those_of_the_drops_whatever_the_order() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    for _ in 0..200 {
        // Tips in each 5 min of 24 h; a report at the end of most of them.
        let fell: Vec<u64> = (0..288).map(|_| random.random_range(0..12)).collect();
        let mut counter: u64 = random.random_range(0..65_536);
        let mut reports = vec![(0, counter)];
        let mut reported = vec![true];
        for (n, tips) in fell.iter().enumerate() {
            counter = (counter + tips) % 65_536;
            let is = random.random_bool(0.7) || n == fell.len() - 1;
            reported.push(is);
            if is {
                reports.push(((n as i64 + 1) * 5, counter));
            }
        }
        let repeated: Vec<_> =
            (0..50).map(|_| reports[random.random_range(0..reports.len())]).collect();
        reports.extend(repeated);
        reports.shuffle(&mut random);
        let scale = Scale { wraps_at: Some(65_536), ..SCALE };
        let mut series = Series::default();
        for (at, n) in reports {
            series.insert(minute(at), Measure::Tips(n));
        }
        series.add_up(scale);
        // Exact wherever both edges of the window were reported.
        for (from, to) in [(0, 288), (276, 288), (252, 288), (144, 288), (100, 101)] {
            if reported[from] && reported[to] {
                let expected: u64 = fell[from..to].iter().sum::<u64>() * 200;
                let window = SignedDuration::from_mins(5 * (to - from) as i64);
                let sum = series.sum(minute(5 * to as i64), window);
                assert_eq!(sum, expected as i64, "{from}..{to}");
            }
        }
        assert_eq!(series.doubts, []);
    }
}

#[test]
fn memory_is_bounded() {
    let mut series = Series::default();
    for n in 0..90_000 {
        series.insert(
            Timestamp::from_second(1_782_820_800 + n).unwrap(),
            Measure::Tips(n as u64 / 900),
        );
    }
    series.add_up(SCALE);
    // A second a reading, 25 h: the day's sum is whole. A tip each 15 min, the first just outside.
    assert_eq!(series.sum(minute(1_500), hours(24)), 95 * 200);
    let slot = |n: i64| Measure::Fallen { um: 1, period_s: 1 + n as u32 % 7 };
    for n in 0..90_000 {
        series.insert(Timestamp::from_second(1_782_820_800 + n).unwrap(), slot(n));
    }
    assert!(series.readings.len() <= INSTANTS_MAX, "{}", series.readings.len());
}

#[test]
fn of_one_length_two_amounts_of_an_instant_are_kept() {
    let mut series = Series::default();
    let at = Timestamp::from_second(1_782_864_000).unwrap();
    let fallen = |um, period_s| Measure::Fallen { um, period_s };
    assert!(series.insert(at, fallen(200, 300)) && series.insert(at, fallen(400, 300)));
    assert!(!series.insert(at, fallen(600, 300)));
    assert!(series.insert(at, fallen(600, 3_600)) && series.insert(at, Measure::TodayUm(600)));
    assert!(series.insert(at + SignedDuration::from_secs(60), fallen(600, 300)));
}
