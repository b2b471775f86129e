//! Hours of an ordinary bad week: camera, broker and sink flap, presses never stop, and nothing grows or is lost.
//!
//! `GRIDPOST_SOAK_SECONDS=n` is how long it flaps (`make soak MINUTES=…`); 20 in `make test`.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use crate::world::{
    Broker, Gateway, Load, Receiver, RtspServer, env_number, gridpost, street, wait_for,
};

const SECONDS: u64 = 20;
/// After the warm-up the resident memory of the last part may be above that of the middle by this share…
const GROWTH_SHARE_MAX: f64 = 0.10;
/// …and this, which the rest of a page pool or one more clip may take.
const GROWTH_MIB_MAX: f64 = 8.0;
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
enum Weather {
    Well,
    CameraDown,
    BrokerDown,
    SinkRefuses,
    SinkHangs,
}

const WEEK: [Weather; 8] = [
    Weather::CameraDown,
    Weather::Well,
    Weather::BrokerDown,
    Weather::Well,
    Weather::SinkRefuses,
    Weather::Well,
    Weather::SinkHangs,
    Weather::Well,
];

/// Everything around the gateway that can break.
struct Outside {
    receiver: Receiver,
    broker: Broker,
    camera: Option<RtspServer>,
    camera_port: u16,
    weather: Weather,
}

impl Outside {
    async fn start() -> Self {
        let camera = RtspServer::start(0, &street("h264"));
        Self {
            receiver: Receiver::start().await,
            broker: Broker::start().await,
            camera_port: camera.port(),
            camera: Some(camera),
            weather: Weather::Well,
        }
    }

    fn config(&self) -> String {
        let url = self.camera.as_ref().unwrap().with_user("viewer:s3cret");
        format!(
            "[site]\nid = \"demo\"\n\n[[camera]]\nid = \"square\"\nurl = \"{url}\"\nclip_max_s = 2\npre_roll_s = 1\npost_roll_s = 1\nconnect_timeout_s = 2\nstall_timeout_s = 2\nring_max_bytes = 1048576\n\n[[rule]]\nid = \"walkers\"\nkind = \"intrusion\"\n\n[[mqtt]]\nid = \"district\"\nurl = \"mqtt://127.0.0.1:{0}\"\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{1}\"\ntimeout_s = 1\n\n[[sink]]\nid = \"broker\"\nkind = \"mqtt\"\nbroker = \"mqtt://127.0.0.1:{0}\"\ntimeout_s = 1\n",
            self.broker.port, self.receiver.url
        )
    }

    async fn turn(&mut self, weather: Weather) {
        if weather == self.weather {
            return;
        }
        match self.weather {
            Weather::CameraDown => {
                self.camera = Some(RtspServer::start(self.camera_port, &street("h264")));
            }
            Weather::BrokerDown => self.broker.restart().await,
            Weather::SinkRefuses | Weather::SinkHangs => self.receiver.answer(|_| 200),
            Weather::Well => {}
        }
        match weather {
            Weather::CameraDown => self.camera = None,
            Weather::BrokerDown => self.broker.stop(),
            Weather::SinkRefuses => self.receiver.answer(|_| 503),
            Weather::SinkHangs => self.receiver.answer(|_| 0),
            Weather::Well => {}
        }
        self.weather = weather;
    }
}

/// Everything is connected and nothing waits.
async fn calm(gateway: &Gateway) {
    wait_for("the camera to be seen", || async {
        (gateway.metric("gridpost_camera_up").await >= 1.0).then_some(())
    })
    .await;
    wait_for("nothing to be pending but what is on its way", || async {
        (gateway.metric("gridpost_pending_records").await < 4.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_p11_soak_stays_flat_while_everything_flaps() {
    let lasts = Duration::from_secs(env_number("GRIDPOST_SOAK_SECONDS").unwrap_or(SECONDS));
    let mut outside = Outside::start().await;
    let mut gateway = Gateway::start(&outside.config()).await;
    let load = Load::start("s", 3, 2, Duration::from_millis(150), &outside.receiver);
    load.at(gateway.intake);
    calm(&gateway).await;
    let began = Instant::now();
    let pid = gateway.pid();
    // The calm before: what is open when all is well.
    let mut before = sample(pid, began);
    for _ in 0..6 {
        tokio::time::sleep(SAMPLE_EVERY).await;
        let now = sample(pid, began);
        before.handles = before.handles.max(now.handles);
        before.threads = before.threads.max(now.threads);
    }
    // Each weather long enough to be felt, and the whole week twice at least.
    let step = (lasts / (2 * WEEK.len() as u32))
        .clamp(Duration::from_millis(1_200), Duration::from_secs(8));
    let (flapping, mut samples, mut flaps) = (Instant::now(), Vec::new(), 0);
    while flapping.elapsed() < lasts {
        let at = (flapping.elapsed().as_millis() / step.as_millis()) as usize;
        let weather = WEEK[at % WEEK.len()];
        flaps += usize::from(weather != outside.weather && weather != Weather::Well);
        outside.turn(weather).await;
        tokio::time::sleep(SAMPLE_EVERY).await;
        samples.push(sample(pid, began));
    }
    outside.turn(Weather::Well).await;
    let (presses, closed, pressed) = load.stop().await;
    wait_for("everything to be delivered after the last storm", || async {
        (gateway.metric("gridpost_pending_records").await == 0.0).then_some(())
    })
    .await;
    calm(&gateway).await;
    let mut told = false;
    let after = wait_for("handles and threads to be as before", || {
        let now = sample(pid, began);
        let flat = now.handles <= before.handles + HANDLES_SPARE
            && now.threads <= before.threads + THREADS_SPARE;
        if !flat && !told {
            println!("not flat yet: {now:?}, before: {before:?}");
            told = true;
        }
        async move { flat.then_some(now) }
    })
    .await;
    table(&samples, before, after);
    // The first half fills what has a bound: the ring, the pools, the caches.
    let half = &samples[samples.len() / 2..];
    let part = (half.len() / 3).max(1);
    let (middle, last) = (median(&half[..part]), median(&half[half.len() - part..]));
    let failed = gateway.metric("gridpost_delivery_failures_total").await;
    let camera_failures = gateway.metric("gridpost_camera_failures_total").await;
    println!(
        "soak of {} s: {flaps} faults, {failed} failed deliveries, {camera_failures} lost camera connections; {} presses acknowledged of {pressed}, {} closed; memory {middle:.1} → {last:.1} MiB over the last half, file handles {} → {}, threads {} → {}",
        lasts.as_secs(),
        presses.len(),
        closed.len(),
        before.handles,
        after.handles,
        before.threads,
        after.threads,
    );
    assert!(
        last <= middle * (1.0 + GROWTH_SHARE_MAX) + GROWTH_MIB_MAX,
        "memory grows: {middle:.1} → {last:.1} MiB"
    );
    assert!(
        failed > 0.0 && camera_failures > 0.0 && flaps >= WEEK.len() / 2,
        "nothing broke: nothing is proved"
    );
    // Whatever was acknowledged is at the grid, once in effect, and the ledger knows of all.
    let there: BTreeSet<String> = outside.receiver.sources();
    let lost: Vec<_> = presses.iter().filter(|device| !there.contains(*device)).collect();
    assert!(lost.is_empty(), "{} acknowledged presses are lost: {lost:?}", lost.len());
    let state = outside.receiver.state();
    assert!(closed.iter().all(|id| state[id]["stage"] == "closed"), "a closing is lost");
    assert!(presses.len() > lasts.as_secs() as usize, "too few presses: {}", presses.len());
    assert!(gateway.stop().await.success());
    let data = gateway.data().display().to_string();
    let ledger = gridpost(&["store", "ledger", "--data", &data]);
    assert!(ledger.stdout.contains("the sums hold"), "{}", ledger.stdout);
    let check = gridpost(&["store", "check", "--data", &data]);
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
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
