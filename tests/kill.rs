//! P1, P2, P4 under `kill -9`: at random instants, with presses from the intake and from a real broker.
//!
//! `GRIDPOST_SEED=n` replays a night (as far as threads allow), `GRIDPOST_KILLS=n` makes it longer.

use crate::world::{End, House, env_number, seed};

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_every_acknowledged_press_survives_kill_9() {
    let kills = env_number("GRIDPOST_KILLS").unwrap_or(24) as usize;
    let house = House::new(End::Kill).await;
    let night = house.night(seed(), kills).await;
    println!("kill -9: {night:?}");
    night.must_be_right();
    assert_eq!(night.ends, kills);
    assert!(night.acknowledged > kills, "too few presses to prove anything: {night:?}");
}
