//! A gateway with every door open, a button of whose list is pressed again and again while others attack.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::attackers::{Device, Doors, HUB, MAD, THIEF};
use crate::world::{Broker, Gateway, PATIENCE, Receiver, Site};

const PASSWORD: &str = "hers";
/// A device gives an answer up after so long, and sends again on a new connection.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Source, and which of its presses.
type Nth = (String, u64);

pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    _receiver: Receiver,
    broker: Broker,
    arrived: Arc<Mutex<HashMap<Nth, Instant>>>,
    buttons: usize,
    pressed: usize,
}

/// How the presses of one call went.
#[derive(Default)]
pub(crate) struct Outcome {
    /// From the first try to send it.
    pub(crate) acknowledged: Vec<Duration>,
    /// To the grid.
    pub(crate) delivered: Vec<Duration>,
    /// How much longer than [`LATE`] a press was on its way at most, beside what this machine itself held up.
    pub(crate) late: Vec<Duration>,
    /// Times that a connection of hers was not let in, or was ended.
    pub(crate) refused: usize,
    /// Times that she gave an answer up and sent again, as a device does.
    pub(crate) sent_again: usize,
    /// Acknowledged, and never at the grid.
    pub(crate) lost: usize,
    /// The longest that a bare append and sync in the gateway's folder took meanwhile.
    pub(crate) floor: Duration,
}

impl Outcome {
    #[allow(dead_code, reason = "a bench looks at one stretch")]
    pub(crate) fn add(&mut self, more: Self) {
        self.acknowledged.extend(more.acknowledged);
        self.delivered.extend(more.delivered);
        self.late.extend(more.late);
        self.refused += more.refused;
        self.sent_again += more.sent_again;
        self.lost += more.lost;
        self.floor = self.floor.max(more.floor);
    }
}

/// A press of a listed button is at the grid within this, whatever others do.
pub(crate) const LATE: Duration = Duration::from_secs(2);
/// Syncs that a press waits for: the group before it, its own, and the one of its delivery.
const SYNCS: u32 = 3;

/// Bare appends in a folder, each with a sync, one after the other: when each began, and how long it took.
struct Floor {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Vec<(Instant, Duration)>>,
}

impl Floor {
    fn start(folder: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stops, path) = (stop.clone(), folder.join("floor"));
        let thread = thread::spawn(move || {
            let mut file = File::create(path).unwrap();
            let mut all = Vec::new();
            while !stops.load(Ordering::Relaxed) {
                let began = Instant::now();
                thread::sleep(FLOOR_EVERY);
                file.write_all(&[7; 512]).unwrap();
                file.sync_data().unwrap();
                all.push((began, began.elapsed().saturating_sub(FLOOR_EVERY)));
            }
            all
        });
        Self { stop, thread }
    }

    fn stop(self) -> Vec<(Instant, Duration)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

const FLOOR_EVERY: Duration = Duration::from_millis(100);

struct Press {
    nth: Nth,
    sent: Instant,
    acknowledged: Duration,
}

impl Stage {
    /// So many listed buttons, all of one hub that has a password; beside them those that a mad one
    /// speaks for, of which the receiver takes none.
    pub(crate) async fn start(buttons: usize) -> Self {
        let broker = Broker::start_with("message_size_limit 0\n").await;
        let receiver = Receiver::start().await;
        let arrived: Arc<Mutex<HashMap<Nth, Instant>>> = Arc::default();
        let seen = arrived.clone();
        receiver.answer(move |event| {
            let source = event["data"]["sources"][0]["id"].as_str().unwrap_or_default();
            if source.starts_with("mad-") {
                return 422;
            }
            if let Some(nth) = nth_press(source, &event["data"]) {
                seen.lock().unwrap().entry(nth).or_insert_with(Instant::now);
            }
            200
        });
        let mut site = Site::demo()
            .section("[intake]")
            .set("allow_anonymous", true)
            .set("users_file", "users")
            .section("[sl651]")
            .set("listen", "127.0.0.1:0")
            .mqtt_source("radio", &broker)
            .set("topics", ["gridpost/demo/button/+", "zigbee2mqtt/#"])
            .http(&receiver);
        for n in 0..buttons {
            site = site.button(&format!("btn-{n}")).set("user", HUB);
        }
        for n in 0..MAD {
            site = site.button(&format!("mad-{n}"));
        }
        let folder = tempfile::tempdir().unwrap();
        let (thief, password) = THIEF;
        let users = format!("{HUB}:{PASSWORD}\n{thief}:{password}\n@{thief} speaks-for mad-0\n");
        fs::write(folder.path().join("users"), users).unwrap();
        let gateway = Gateway::start_in(folder, &site, &[]).await;
        gateway.readiness(200, "").await;
        Self { gateway, _receiver: receiver, broker, arrived, buttons, pressed: 0 }
    }

    pub(crate) fn doors(&self) -> Doors {
        Doors {
            intake: self.gateway.port("intake"),
            web: self.gateway.port("web"),
            sl651: self.gateway.port("sl651"),
            broker: self.broker.port,
        }
    }

    /// One press after the other for so long, with a pause between them, and then until all of them are
    /// at the grid.
    pub(crate) async fn press_for(&mut self, lasts: Duration, pause: Duration) -> Outcome {
        let (port, buttons, first) = (self.doors().intake, self.buttons, self.pressed);
        let pressing =
            tokio::task::spawn_blocking(move || press_until(port, buttons, first, lasts, pause));
        let floor = Floor::start(self.gateway.folder.path());
        let (presses, [refused, sent_again]) = pressing.await.unwrap();
        self.pressed += presses.len();
        let until = Instant::now() + PATIENCE;
        let arrived = |press: &Press| self.arrived.lock().unwrap().get(&press.nth).copied();
        while Instant::now() < until && presses.iter().any(|press| arrived(press).is_none()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let floors = floor.stop();
        let floor = floors.iter().map(|(_, took)| *took).max().unwrap_or_default();
        let mut outcome = Outcome { refused, sent_again, floor, ..Outcome::default() };
        for press in presses {
            outcome.acknowledged.push(press.acknowledged);
            let Some(at) = arrived(&press) else {
                outcome.lost += 1;
                continue;
            };
            let took = at.saturating_duration_since(press.sent);
            let beside = |(began, took): &&(Instant, Duration)| {
                *began <= at && *began + *took + FLOOR_EVERY >= press.sent
            };
            let held = floors.iter().filter(beside).map(|(_, took)| *took).max();
            outcome.late.extend(took.checked_sub(LATE + SYNCS * held.unwrap_or_default()));
            outcome.delivered.push(took);
        }
        outcome
    }
}

/// Resident memory of a process, MiB.
#[allow(dead_code, reason = "`make bench` looks at it")]
pub(crate) fn memory_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Which press of a listed button this record tells first.
fn nth_press(source: &str, data: &Value) -> Option<Nth> {
    let of_a_button = source.starts_with("btn-") && data["kind"] == "emergency-button";
    of_a_button.then(|| (source.to_owned(), data["detail"]["presses"].as_u64().unwrap_or(0)))
}

fn press_until(
    port: u16,
    buttons: usize,
    first: usize,
    lasts: Duration,
    pause: Duration,
) -> (Vec<Press>, [usize; 2]) {
    let until = Instant::now() + lasts;
    let (mut presses, mut refused, mut sent_again) = (Vec::new(), 0, 0);
    let mut line: Option<Device> = None;
    while Instant::now() < until {
        thread::sleep(pause);
        let number = first + presses.len();
        let (button, nth) = (number % buttons, number / buttons + 1);
        let topic = format!("gridpost/demo/button/btn-{button}");
        let payload = format!(r#"{{"event":"press","id":"{number}"}}"#);
        let sent = Instant::now();
        while let Err(error) = attempt(&mut line, port, &topic, &payload) {
            line = None;
            let waited = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
            match waited.contains(&error.kind()) {
                true => sent_again += 1,
                false => refused += 1,
            }
            assert!(sent.elapsed() < PATIENCE, "press {number} is not acknowledged");
            thread::sleep(Duration::from_millis(5));
        }
        let nth = (format!("btn-{button}"), nth as u64);
        presses.push(Press { nth, sent, acknowledged: sent.elapsed() });
    }
    (presses, [refused, sent_again])
}

/// As a device does it: on the connection that it has, or on a new one.
fn attempt(line: &mut Option<Device>, port: u16, topic: &str, payload: &str) -> io::Result<()> {
    let device = match line {
        Some(device) => device,
        None => {
            let device = Device::connect(port, HUB, Some((HUB, PASSWORD)), ANSWER_WITHIN)?;
            line.insert(device)
        }
    };
    device.publish(topic, payload.as_bytes())?;
    device.acknowledged(1)
}
