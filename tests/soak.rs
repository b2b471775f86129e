//! Hours of outages: camera, broker and sink flap, presses never stop, and nothing grows or is lost.
//!
//! `GRIDPOST_SOAK_SECONDS=n` is how long it flaps (`make soak MINUTES=…`); 20 in `make test`.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use crate::results::{self, Row};
use crate::world::{
    Broker, Gateway, Load, Receiver, RtspServer, Site, env_number, street, wait_for,
};

const SECONDS: u64 = 20;
/// After its first quarter the resident memory may be above what it was by this, which the rest of a page
/// pool, one more clip or a heap with holes may take, and by nothing for each press: the bounds of what is
/// remembered are small enough to be reached in that quarter. `flat.rs` looks closer, at what is allocated.
const GROWTH_MIB_MAX: f64 = 8.0;
/// Some hundred presses fill it.
const MEMORY_MAX_BYTES: u64 = 256 << 10;
/// File handles that may be open at the end beyond those of the calm before: a connection that
/// has just been made, and one that is just being closed.
const HANDLES_SPARE: usize = 4;
const THREADS_SPARE: usize = 2;
const SAMPLE_EVERY: Duration = Duration::from_millis(500);
const ROWS: usize = 24;

/// What the kernel says of the process.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at_s: f64,
    rss_mib: f64,
    handles: usize,
    threads: usize,
}

fn sample(pid: u32, began: Instant) -> Sample {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap()
    };
    Sample {
        at_s: began.elapsed().as_secs_f64(),
        rss_mib: line("VmRSS:") / 1024.0,
        handles: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
        threads: line("Threads:") as usize,
    }
}

fn median(samples: &[Sample]) -> f64 {
    let mut all: Vec<f64> = samples.iter().map(|sample| sample.rss_mib).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// What is down at a moment; one after the other, with all of it well in between.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outage {
    None,
    CameraDown,
    BrokerDown,
    SinkRefuses,
    SinkHangs,
}

const OUTAGES: [Outage; 8] = [
    Outage::CameraDown,
    Outage::None,
    Outage::BrokerDown,
    Outage::None,
    Outage::SinkRefuses,
    Outage::None,
    Outage::SinkHangs,
    Outage::None,
];

/// Everything around the gateway that can break.
struct Outside {
    receiver: Receiver,
    broker: Broker,
    camera: Option<RtspServer>,
    camera_port: u16,
    outage: Outage,
}

impl Outside {
    async fn start() -> Self {
        let camera = RtspServer::start(0, &street("h264"));
        Self {
            receiver: Receiver::start().await,
            broker: Broker::start().await,
            camera_port: camera.port(),
            camera: Some(camera),
            outage: Outage::None,
        }
    }

    fn site(&self) -> Site {
        Site::demo()
            .walkers()
            .camera("square", self.camera.as_ref().unwrap())
            .set("clip_max_s", 2)
            .set("pre_roll_s", 1)
            .set("post_roll_s", 1)
            .set("connect_timeout_s", 2)
            .set("stall_timeout_s", 2)
            .set("ring_max_bytes", 1 << 20)
            .section("[data]")
            .set("memory_max_bytes", MEMORY_MAX_BYTES)
            .mqtt_source("district", &self.broker)
            .http(&self.receiver)
            .set("timeout_s", 1)
            .mqtt_sink("broker", &self.broker)
            .set("timeout_s", 1)
    }

    async fn turn(&mut self, outage: Outage) {
        if outage == self.outage {
            return;
        }
        match self.outage {
            Outage::CameraDown => {
                self.camera = Some(RtspServer::start(self.camera_port, &street("h264")));
            }
            Outage::BrokerDown => self.broker.restart().await,
            Outage::SinkRefuses | Outage::SinkHangs => self.receiver.answer(|_| 200),
            Outage::None => {}
        }
        match outage {
            Outage::CameraDown => self.camera = None,
            Outage::BrokerDown => self.broker.stop(),
            Outage::SinkRefuses => self.receiver.answer(|_| 503),
            Outage::SinkHangs => self.receiver.answer(|_| 0),
            Outage::None => {}
        }
        self.outage = outage;
    }
}

/// Everything is connected and nothing waits but what is on its way.
async fn calm(gateway: &Gateway) {
    gateway.metric_is("gridpost_camera_up", |up| up >= 1.0).await;
    gateway.metric_is("gridpost_pending_records", |pending| pending < 4.0).await;
}

/// What is open when all is well: the most of a few looks.
async fn sample_of_the_calm(pid: u32, began: Instant) -> Sample {
    let mut most = sample(pid, began);
    for _ in 0..6 {
        tokio::time::sleep(SAMPLE_EVERY).await;
        let now = sample(pid, began);
        most.handles = most.handles.max(now.handles);
        most.threads = most.threads.max(now.threads);
    }
    most
}

/// One outage after the other for so long; what the kernel said meanwhile, and how many there were.
async fn outages(
    outside: &mut Outside,
    lasts: Duration,
    pid: u32,
    began: Instant,
) -> (Vec<Sample>, usize) {
    // Each outage long enough to be felt, and all of them twice at least.
    let step = (lasts / (2 * OUTAGES.len() as u32))
        .clamp(Duration::from_millis(1_200), Duration::from_secs(8));
    let (flapping, mut samples, mut flaps) = (Instant::now(), Vec::new(), 0);
    while flapping.elapsed() < lasts {
        let at = (flapping.elapsed().as_millis() / step.as_millis()) as usize;
        let outage = OUTAGES[at % OUTAGES.len()];
        flaps += usize::from(outage != outside.outage && outage != Outage::None);
        outside.turn(outage).await;
        tokio::time::sleep(SAMPLE_EVERY).await;
        samples.push(sample(pid, began));
    }
    outside.turn(Outage::None).await;
    (samples, flaps)
}

/// Once handles and threads are as before.
async fn flat_again(before: Sample, pid: u32, began: Instant) -> Sample {
    let mut told = false;
    wait_for("handles and threads to be as before", || {
        let now = sample(pid, began);
        let flat = now.handles <= before.handles + HANDLES_SPARE
            && now.threads <= before.threads + THREADS_SPARE;
        if !flat && !told {
            println!("not flat yet: {now:?}, before: {before:?}");
            told = true;
        }
        async move { flat.then_some(now) }
    })
    .await
}

/// Memory after the first quarter and at the end. The first quarter fills what has a small bound: the
/// ring, the pools, the caches, the closed cases that are still at hand.
fn growth(samples: &[Sample]) -> (f64, f64) {
    let rest = &samples[samples.len() / 4..];
    let part = (rest.len() / 5).max(1);
    (median(&rest[..part]), median(&rest[rest.len() - part..]))
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_p11_soak_stays_flat_while_everything_flaps() {
    let lasts = Duration::from_secs(env_number("GRIDPOST_SOAK_SECONDS").unwrap_or(SECONDS));
    let mut outside = Outside::start().await;
    let mut gateway = Gateway::start(&outside.site()).await;
    let load = Load::start("s", 3, 2, Duration::from_millis(150), &outside.receiver);
    load.at(gateway.intake);
    calm(&gateway).await;
    let (began, pid) = (Instant::now(), gateway.pid());
    let before = sample_of_the_calm(pid, began).await;
    let (samples, flaps) = outages(&mut outside, lasts, pid, began).await;
    let (presses, closed, pressed) = load.stop().await;
    gateway.nothing_is_pending().await;
    calm(&gateway).await;
    let after = flat_again(before, pid, began).await;
    table(&samples, before, after);
    let (quarter, last) = growth(&samples);
    let failed = gateway.metric("gridpost_delivery_failures_total").await;
    let camera_failures = gateway.metric("gridpost_camera_failures_total").await;
    println!(
        "{failed} failed deliveries, {camera_failures} lost camera connections; {} of {pressed} presses acknowledged, {} closed",
        presses.len(),
        closed.len(),
    );
    let there: BTreeSet<String> = outside.receiver.sources();
    let lost: Vec<_> = presses.iter().filter(|device| !there.contains(*device)).collect();
    let flat = last <= quarter + GROWTH_MIB_MAX;
    let arrived = format!("{} of {}", presses.len() - lost.len(), presses.len());
    let rows = [
        Row::new("faults of camera, broker and sink", flaps.to_string()),
        Row::new("acknowledged presses that arrived", arrived).goal("all", lost.is_empty()),
        Row::new("memory, after a quarter → end", format!("{quarter:.0} → {last:.0} MiB"))
            .goal(format!("≤ {GROWTH_MIB_MAX:.0} MiB more"), flat),
        Row::new("file handles, before → after", format!("{} → {}", before.handles, after.handles))
            .goal(
                format!("≤ {HANDLES_SPARE} more"),
                after.handles <= before.handles + HANDLES_SPARE,
            ),
        Row::new("threads, before → after", format!("{} → {}", before.threads, after.threads))
            .goal(
                format!("≤ {THREADS_SPARE} more"),
                after.threads <= before.threads + THREADS_SPARE,
            ),
    ];
    results::print(&format!("soak, {} s", lasts.as_secs()), &rows);
    assert!(flat, "memory grows: {quarter:.1} → {last:.1} MiB, {GROWTH_MIB_MAX} more may be");
    assert!(
        failed > 0.0 && camera_failures > 0.0 && flaps >= OUTAGES.len() / 2,
        "nothing broke: nothing is proved"
    );
    // Whatever was acknowledged is at the grid, once in effect, and the ledger knows of all.
    assert!(lost.is_empty(), "{} acknowledged presses are lost: {lost:?}", lost.len());
    let state = outside.receiver.state();
    assert!(closed.iter().all(|id| state[id]["stage"] == "closed"), "a closing is lost");
    assert!(presses.len() > lasts.as_secs() as usize, "too few presses: {}", presses.len());
    gateway.must_stop_sound().await;
}

fn table(samples: &[Sample], before: Sample, after: Sample) {
    println!("| second | memory, MiB | file handles | threads |\n|---|---|---|---|");
    let every = samples.len().div_ceil(ROWS).max(1);
    let rows = samples.iter().step_by(every);
    for sample in std::iter::once(&before).chain(rows).chain(std::iter::once(&after)) {
        let Sample { at_s, rss_mib, handles, threads } = sample;
        println!("| {at_s:.0} | {rss_mib:.1} | {handles} | {threads} |");
    }
}
