//! A city: 810 grids of 27 townships, 686 buttons, 2,000 cameras' worth of incidents, for a week or for a year.
//!
//! The real desk and the real store, with a clock that is an argument. Officers reply late, twice, out of
//! order, against each other, and some are strangers; the gateway is stopped, and killed, in between. In the
//! week two are told of everything, of whom one refuses some and one is away for days (`told.rs`). At
//! the end every case is closed or waits for somebody who is named, and the figures are those of a count of
//! our own. `GRIDPOST_SEED=n` repeats a run; `make prove-city` plays a year at 50 times the
//! rate of the reference year (`DAYS=`, `RATE=`), in a release build, and starts the program on what is left.

mod checks;
mod count;
mod gateway;
mod happens;
mod officers;
mod play;
mod told;
mod town;
mod waits;

use std::time::Instant;

use self::play::{Kept, Plan, Play, Tally};
pub(crate) use self::town::{BUTTONS, button, geojson};
use crate::results::{self, Row, grouped};
use crate::world::{env_number, seed};

/// Kept in memory of what is over; the journal and its segments.
const SMALL: (u64, u64, u64) = (256 << 10, 4 << 20, 256 << 10);
/// As a site of that size has it.
const LARGE: (u64, u64, u64) = (64 << 20, 2 << 30, 16 << 20);

/// Plays it, checks what is left, and tells what there was. `keep`: what lies there on the last day is kept.
fn played(plan: Plan, keep: bool) -> (Option<Kept>, Tally, Vec<Row>) {
    println!("GRIDPOST_SEED={}", plan.seed);
    let (began, days, rate) = (Instant::now(), plan.days, plan.rate);
    let mut play = Play::begin(plan);
    play.happen();
    play.nothing_is_forgotten();
    play.figures_are_those_of_our_count();
    let open = play.open();
    let kept = keep.then(|| play.as_it_lies());
    play.drain();
    play.nothing_is_forgotten();
    play.figures_are_those_of_our_count();
    if plan.are_told {
        play.told.adds_up(&play.store);
        play.told.have_heard_all();
        assert!(play.told.dead > 20 && play.told.waited > 500, "somebody refuses, and is away");
    }
    let seconds = began.elapsed().as_secs_f64();
    let count = |what: &str, count: u64| Row::new(what, grouped(count as f64));
    let tally = play.tally;
    let rows = vec![
        Row::new("days, at times the reference year's rate", format!("{days}, {rate} ×")),
        count("cases", play.cases()),
        count("records in the journal", tally.records),
        count("replies: taken", tally.taken),
        count("replies: refused, of strangers, late or against each other", tally.refused),
        count("replies that came again", tally.again),
        count("restarts in good order", tally.stops),
        count("restarts after a kill", tally.kills),
        count("cases open on the last day, each with who is waited for", open),
        count("cases open two weeks later, likewise", play.open()),
        Row::new("played and counted in", format!("{seconds:.0} s")),
    ];
    (kept, tally, rows)
}

#[test]
fn l8_a_week_of_a_city_ends_closed_or_waits_for_somebody_and_is_counted_right() {
    let plan = Plan { days: 7, rate: 1, seed: seed(), bounds: SMALL, are_told: true };
    let (_, tally, rows) = played(plan, false);
    results::print("city, a week", &rows);
    assert!(tally.taken > 1_000 && tally.refused > 50 && tally.again > 50, "{tally:?}");
    assert!(tally.stops > 0 && tally.kills > 0, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_city_that_has_been_lived_in_answers_a_press_as_an_empty_desk_does() {
    let days = env_number("GRIDPOST_CITY_DAYS").unwrap_or(2);
    let rate = env_number("GRIDPOST_CITY_RATE").unwrap_or(1);
    let plan = Plan { days, rate, seed: seed(), bounds: LARGE, are_told: false };
    let played = tokio::task::spawn_blocking(move || played(plan, true)).await.unwrap();
    let (Some(kept), _, mut rows) = played else { unreachable!("it was to be kept") };
    rows.extend(gateway::lived_in(kept).await);
    results::print("city", &rows);
}
