//! The stations' door: bytes of nobody cost neither memory nor the time of those who press.

use std::time::Duration;

use super::{
    attackers::{ATTACKS, Attacker},
    stage::{Stage, memory_mib},
};
use crate::world::env_number;

const PAUSE: Duration = Duration::from_millis(20);

/// Attacks 9 and 10: 16 MiB a connection, and presses that waited for 26 s.
#[tokio::test(flavor = "multi_thread")]
async fn p11_heads_that_are_none_and_reports_in_parts_cost_bounded_memory_and_delay_nobody() {
    let lasts = Duration::from_secs(env_number("GRIDPOST_HOSTILE_SECONDS").unwrap_or(3));
    for name in ["heads of stations", "parts of reports"] {
        let mut stage = Stage::start(100).await;
        stage.press_for(Duration::from_millis(500), PAUSE).await;
        let before = memory_mib(stage.gateway.pid());
        let attack = ATTACKS.iter().find(|attack| attack.name == name).unwrap();
        let mut attacker = Attacker::start(attack, stage.doors(), lasts, true);
        let outcome = stage.press_for(lasts, PAUSE).await;
        let most = memory_mib(stage.gateway.pid());
        assert!(attacker.ended_well());
        let worst = outcome.delivered.iter().max().unwrap();
        println!("{name}: {before:.0} → {most:.0} MiB, the slowest press {worst:?}");
        assert_eq!((outcome.lost, outcome.refused), (0, 0), "{name}");
        assert!(outcome.late.is_empty(), "{name}: {worst:?}, the disk {:?}", outcome.floor);
        assert!(most < before + 64.0, "{name}: {before:.0} → {most:.0} MiB");
        stage.gateway.must_stop_sound().await;
    }
}
