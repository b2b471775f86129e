//! The program itself, started on what the city has left, beside one on an empty folder.

use std::{fs, time::Instant};

use super::{
    play::Kept,
    town::{self, BUTTONS},
};
use crate::results::{Row, grouped};
use crate::world::{Button, Gateway, Launch, Site, WrongClock, now_s};

/// Of each gateway, by turns.
const PRESSES: usize = 300;
/// A press takes at most so many times as long as at an empty desk.
const RATIO_MAX: f64 = 2.0;
const MIB: f64 = 1_048_576.0;

fn site() -> Site {
    let mut site = Site::demo()
        .section("[site]")
        .set("timezone", "Asia/Shanghai")
        .set("grids", "grids.geojson");
    for n in 0..BUTTONS {
        site = site.button(&town::button(n)).set("grid", format!("G{n:03}"));
    }
    site.section("[web]").set("listen", "127.0.0.1:0")
}

async fn started(folder: tempfile::TempDir, clock: &WrongClock) -> (Gateway, f64) {
    fs::write(folder.path().join("grids.geojson"), town::geojson()).unwrap();
    let began = Instant::now();
    let gateway = Launch::of(site()).in_folder(folder).envs(clock.environment()).start().await;
    (gateway, began.elapsed().as_secs_f64())
}

fn quantile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * share).round() as usize]
}

/// What the process has had at most, MiB.
fn most_memory(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Starts, presses by turns with an empty one, and stops both sound.
pub(super) async fn lived_in(kept: Kept) -> Vec<Row> {
    let Kept { folder, wall, cases, open } = kept;
    let clocks = tempfile::tempdir().unwrap();
    let clock = WrongClock::build(clocks.path());
    clock.is_off_by(wall.as_second() - now_s() as i64);
    let (mut city, seconds) = started(folder, &clock).await;
    let (mut empty, of_empty) = started(tempfile::tempdir().unwrap(), &clock).await;
    let memory = |gateway: &Gateway| most_memory(gateway.pid());
    let start_memory = (memory(&city), memory(&empty));
    let mut buttons = [&city, &empty].map(|gateway| Button::new("b0", gateway.intake.unwrap()));
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..PRESSES {
        for (button, times) in buttons.iter_mut().zip(&mut times) {
            let device = town::button(n % BUTTONS);
            times.push(button.press(&device, n).await.as_secs_f64() * 1e3);
            // People do not press without a pause: what a press leaves to be done is done.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    let held =
        [city.metric("gridpost_heap_bytes").await, empty.metric("gridpost_heap_bytes").await];
    let [mut of_city, mut of_none] = times;
    let mut rows = vec![
        Row::new(
            "the program on that folder: cases, open",
            format!("{}, {open}", grouped(cases as f64)),
        ),
        Row::new("start, until it listens", format!("{seconds:.2} s"))
            .beside(format!("empty folder {of_empty:.2} s"), seconds / of_empty),
        Row::new("most memory, at start", format!("{:.0} MiB", start_memory.0)).beside(
            format!("empty folder {:.0} MiB", start_memory.1),
            start_memory.0 / start_memory.1,
        ),
        Row::new("allocated, after the presses", format!("{:.1} MiB", held[0] / MIB))
            .beside(format!("empty folder {:.1} MiB", held[1] / MIB), held[0] / held[1]),
    ];
    // The median: the rest is what else this machine does meanwhile.
    let mut worst = 0.0_f64;
    for (name, share) in [("p50", 0.5), ("p90", 0.9)] {
        let (ours, none) = (quantile(&mut of_city, share), quantile(&mut of_none, share));
        if share == 0.5 {
            worst = ours / none;
        }
        rows.push(
            Row::new(format!("press → PUBACK (on disk), {name}"), format!("{ours:.2} ms"))
                .beside(format!("empty desk, by turns: {none:.2} ms"), ours / none)
                .at_most(RATIO_MAX, ours / none),
        );
    }
    city.must_stop_sound().await;
    empty.must_stop_sound().await;
    assert!(worst <= RATIO_MAX, "a press takes {worst:.2} times as long as at an empty desk");
    rows
}
