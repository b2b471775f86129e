//! P1, P2, P4 under `kill -9`: at random instants, with presses from the intake and from a real broker.
//!
//! `GRIDPOST_SEED=n` replays a run (as far as threads allow), `GRIDPOST_KILLS=n` makes it longer.

use crate::{
    proofs::crashes,
    results,
    world::{Crash, CrashHarness, env_number, seed},
};

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_every_acknowledged_press_survives_kill_9() {
    let kills = env_number("GRIDPOST_KILLS").unwrap_or(24) as usize;
    let report = CrashHarness::new(Crash::Kill).await.run(seed(), kills).await;
    results::print("kill", &crashes("kill -9 at random instants", &report));
    report.must_be_right();
    assert_eq!(report.crashes, kills);
    assert!(report.acknowledged > kills, "too few presses to prove anything: {report:?}");
}
