//! Press → PUBACK → grid of listed buttons while each attack goes on, beside the quiet machine in the same run.
//!
//! `GRIDPOST_ATTACKS="mute connections,…"` takes some of them, `GRIDPOST_BENCH_SECONDS` is how long each goes on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    attackers::{ATTACKS, Attack, Attacker},
    quantile,
    results::Row,
    stage::{Outcome, Stage, memory_mib},
    world::env_number,
};

/// Of each attack.
const SECONDS: u64 = 10;
const BUTTONS: usize = 400;
const PAUSE: Duration = Duration::from_millis(10);
/// Before anything is measured.
const WARM_UP: Duration = Duration::from_secs(1);
const SAMPLE_EVERY: Duration = Duration::from_millis(100);
/// After the attack, until memory is looked at again: what was held is given back.
const SETTLES: Duration = Duration::from_secs(3);
/// With the attackers apart a press may take so many times as long as on a quiet machine.
const TIMES_MAX: f64 = 5.0;
/// Beside what the quiet gateway holds in the end, and at most.
const LEFT_MIB_MAX: f64 = 24.0;
const MOST_MIB_MAX: f64 = 128.0;

/// Where the attackers are.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    /// At nice 19 on one core.
    Apart,
    /// On the same cores as everybody.
    Same,
}

/// Milliseconds: median, 99 of 100, worst.
type Times = [f64; 3];

struct Measured {
    acknowledged: Times,
    delivered: Times,
    refused: usize,
    lost: usize,
    /// MiB before, at most, after.
    memory: Times,
}

fn times(of: &mut [Duration]) -> Times {
    [quantile(of, 0.5), quantile(of, 0.99), quantile(of, 1.0)]
}

async fn measure(attack: Option<(&Attack, Beside)>, lasts: Duration) -> Measured {
    let mut stage = Stage::start(BUTTONS).await;
    stage.press_for(WARM_UP, PAUSE).await;
    let pid = stage.gateway.pid();
    let before = memory_mib(pid);
    let attacker = attack.map(|(attack, beside)| {
        Attacker::start(attack, stage.doors(), lasts, beside == Beside::Apart)
    });
    let most = Arc::new(AtomicU64::new(before as u64));
    let sampled = most.clone();
    let sampling = tokio::spawn(async move {
        loop {
            let now = memory_mib(pid);
            sampled.fetch_max(now as u64, Ordering::Relaxed);
            tokio::time::sleep(SAMPLE_EVERY).await;
        }
    });
    let Outcome { mut acknowledged, mut delivered, refused, lost, .. } =
        stage.press_for(lasts, PAUSE).await;
    if let Some(mut attacker) = attacker {
        assert!(attacker.ended_well(), "the attacker fell");
    }
    tokio::time::sleep(SETTLES).await;
    sampling.abort();
    let memory = [before, most.load(Ordering::Relaxed) as f64, memory_mib(pid)];
    let (acknowledged, delivered) = (times(&mut acknowledged), times(&mut delivered));
    Measured { acknowledged, delivered, refused, lost, memory }
}

fn said(times: Times) -> String {
    times.map(|time| format!("{time:.1}")).join(" / ")
}

fn row(name: &str, beside: Beside, now: &Measured, quiet: &Measured) -> Row {
    let apart = beside == Beside::Apart;
    let what = format!("{name}, {}", if apart { "apart" } else { "on the same cores" });
    let ours = format!("{}; {} ms", said(now.acknowledged), said(now.delivered));
    let floor = format!("{}; {} ms", said(quiet.acknowledged), said(quiet.delivered));
    let ratio = |of: fn(&Measured) -> Times| of(now)[1] / of(quiet)[1];
    let ratio = ratio(|one| one.acknowledged).max(ratio(|one| one.delivered));
    let row = Row::new(what, ours).beside(floor, ratio);
    if apart { row.at_most(TIMES_MAX, ratio) } else { row }
}

fn memory_row(name: &str, now: &Measured, quiet: &Measured) -> Row {
    let [before, most, after] = now.memory;
    let what = format!("{name}: memory before, most, after");
    let bounded = most <= before + MOST_MIB_MAX && after <= quiet.memory[2] + LEFT_MIB_MAX;
    let goal = format!("≤ {MOST_MIB_MAX} more, then ≤ {LEFT_MIB_MAX} more than quiet");
    Row::new(what, format!("{before:.0} → {most:.0} → {after:.0} MiB"))
        .beside(format!("quiet, after: {:.0} MiB", quiet.memory[2]), after / quiet.memory[2])
        .goal(goal, bounded)
}

pub(crate) async fn run() -> Vec<Row> {
    let lasts = Duration::from_secs(env_number("GRIDPOST_BENCH_SECONDS").unwrap_or(SECONDS));
    let only = std::env::var("GRIDPOST_ATTACKS").unwrap_or_default();
    let named: Vec<&str> = only.split(',').map(str::trim).filter(|one| !one.is_empty()).collect();
    for one in &named {
        assert!(ATTACKS.iter().any(|attack| attack.name == *one), "no attack is called `{one}`");
    }
    let quiet = measure(None, lasts).await;
    let columns = "p50 / p99 / worst → PUBACK; the same → grid";
    let all = format!("{}; {} ms", said(quiet.acknowledged), said(quiet.delivered));
    let mut rows = vec![Row::new(format!("quiet: {columns}"), all)];
    let (mut refused, mut lost) = (quiet.refused, quiet.lost);
    let wanted = |attack: &&Attack| named.is_empty() || named.contains(&attack.name);
    for attack in ATTACKS.iter().filter(wanted) {
        for beside in [Beside::Apart, Beside::Same] {
            let now = measure(Some((attack, beside)), lasts).await;
            rows.push(row(attack.name, beside, &now, &quiet));
            (refused, lost) = (refused + now.refused, lost + now.lost);
            if now.refused + now.lost > 0 {
                eprintln!("bench: {}: refused {}, lost {}", attack.name, now.refused, now.lost);
            }
            if beside == Beside::Same {
                rows.push(memory_row(attack.name, &now, &quiet));
            }
        }
    }
    for (what, count) in [("refused that has a name", refused), ("acknowledged and lost", lost)] {
        rows.push(Row::new(what, count.to_string()).goal("0", count == 0));
    }
    rows
}
