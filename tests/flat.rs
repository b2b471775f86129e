//! Flat means flat: with bounds that are reached at once, nothing that is over takes memory.
//!
//! What the process has allocated (`gridpost_heap_bytes`) is compared at moments when nothing is under
//! way, so that it tells a leak of a hundred bytes a press. `GRIDPOST_FLAT_PRESSES=n` presses longer.

use std::{fmt, time::Duration};

use crate::results::{self, Row};
use crate::world::{Button, Gateway, Load, Receiver, Site, env_number, wait_for};

/// The least that may be configured, which some hundred presses fill.
const MEMORY_MAX_BYTES: u64 = 256 << 10;
const PRESSES: u64 = 4_000;
const QUARTERS: usize = 4;
const BUTTONS: usize = 4;
/// Who close the cases: were they slower, two hundred open ones of devices on no list would be all.
const OFFICERS: usize = 8;
/// After its first quarter the process may hold so much more: of each of the last 10,000 devices how much it
/// says, half filled maps that double, sled's pages. Measured from 1,000 to 4,000 presses: 3.4 MiB, of which
/// the last thousand took 0.6; with bounds that are not reached 3.4 KB a press. The first thousand fill the
/// table of devices.
const GROWTH_BYTES_MAX: f64 = 5.0 * 1024.0 * 1024.0;
/// And may have so much more of the machine: heaps with holes.
const RESIDENT_GROWTH_BYTES_MAX: f64 = 8.0 * 1024.0 * 1024.0;

/// At a moment when nothing is under way, bytes.
#[derive(Clone, Copy)]
struct Held {
    heap: f64,
    resident: f64,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        write!(f, "{:.2} MiB held, {:.1} MiB resident", mib(self.heap), mib(self.resident))
    }
}

/// The least of a few looks: a look itself takes some, and so does what comes every second.
async fn held(gateway: &Gateway) -> Held {
    gateway.nothing_is_pending().await;
    let mut least = Held { heap: f64::MAX, resident: f64::MAX };
    for _ in 0..8 {
        let heap = gateway.metric("gridpost_heap_bytes").await;
        let resident = gateway.metric("gridpost_memory_bytes").await;
        least = Held { heap: least.heap.min(heap), resident: least.resident.min(resident) };
        // The index is written every 200 ms: several looks lie between two writes.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    least
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_what_is_over_takes_no_memory_however_much_is_pressed() {
    let receiver = Receiver::start().await;
    // With another bound: how much each press takes until that is reached.
    let bound = env_number("GRIDPOST_FLAT_MEMORY_BYTES").unwrap_or(MEMORY_MAX_BYTES);
    let site = Site::demo()
        .section("[data]")
        .set("memory_max_bytes", bound)
        .http(&receiver)
        .set("timeout_s", 5);
    let mut gateway = Gateway::start(&site).await;
    let presses = env_number("GRIDPOST_FLAT_PRESSES").unwrap_or(PRESSES);
    let load = Load::start("f", BUTTONS, OFFICERS, Duration::ZERO, &receiver);
    let mut after = vec![held(&gateway).await];
    for quarter in 1..=QUARTERS as u64 {
        load.at(gateway.intake);
        wait_for_presses(&load, presses * quarter / QUARTERS as u64).await;
        load.at(None);
        after.push(held(&gateway).await);
        println!("{} presses: {}", load.pressed(), after[quarter as usize]);
    }
    let pressed = load.pressed();
    let (acknowledged, closed, _) = load.stop().await;
    let [first, last] = [after[1], after[QUARTERS]];
    let (more, resident) = (last.heap - first.heap, last.resident - first.resident);
    let rows = [
        Row::new("presses", pressed.to_string()),
        Row::new("acknowledged, closed", format!("{}, {}", acknowledged.len(), closed.len())),
        Row::new("before", after[0].to_string()),
        Row::new("after a quarter", first.to_string()),
        Row::new("at the end", last.to_string()),
        Row::new("allocated, from a quarter on", format!("{:.0} KiB more", more / 1024.0))
            .goal(format!("≤ {:.0} KiB", GROWTH_BYTES_MAX / 1024.0), more <= GROWTH_BYTES_MAX),
        Row::new("resident, from a quarter on", format!("{:.0} KiB more", resident / 1024.0)).goal(
            format!("≤ {:.0} KiB", RESIDENT_GROWTH_BYTES_MAX / 1024.0),
            resident <= RESIDENT_GROWTH_BYTES_MAX,
        ),
    ];
    results::print("memory while buttons are pressed", &rows);
    assert!(more <= GROWTH_BYTES_MAX, "{first} → {last}");
    assert!(resident <= RESIDENT_GROWTH_BYTES_MAX, "{first} → {last}");
    gateway.must_stop_sound().await;
}

async fn wait_for_presses(load: &Load, count: u64) {
    let mut before = load.pressed();
    while load.pressed() < count {
        wait_for("another press", || async { (load.pressed() > before).then_some(()) }).await;
        before = load.pressed();
    }
}

/// What one turn of a loop does.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Lists,
    Reload,
    Connection,
    RefusedConnection,
    SinkComesBack,
}

const TURNS: [(Turn, usize); 5] = [
    (Turn::Lists, 300),
    (Turn::Reload, 60),
    (Turn::Connection, 400),
    (Turn::RefusedConnection, 400),
    (Turn::SinkComesBack, 60),
];
/// A loop may leave so much behind, all its turns together: buffers that have grown once, and pages of the
/// index, which the lists read into sled's cache (measured: lists 275 KiB, all others 24 at most).
const LEFT_BYTES_MAX: f64 = 512.0 * 1024.0;

/// A gateway with some cases in it, and who takes them.
struct Visited {
    gateway: Gateway,
    receiver: Receiver,
}

impl Visited {
    fn site(receiver: &Receiver, name: &str) -> Site {
        Site::demo()
            .section("[data]")
            .set("memory_max_bytes", MEMORY_MAX_BYTES)
            .button("b")
            .set("name", name)
            .http(receiver)
            .set("timeout_s", 1)
    }

    async fn turn(&self, turn: Turn, n: usize) {
        let port = self.gateway.intake.unwrap();
        match turn {
            Turn::Lists => {
                for path in ["incidents?limit=100", "incidents?kind=rain", "devices", "rain"] {
                    assert_eq!(self.gateway.get(&format!("/api/v1/{path}")).await.0, 200);
                }
            }
            Turn::Reload => {
                self.gateway.reload_to(&Self::site(&self.receiver, &format!("b-{}", n % 2))).await;
            }
            Turn::Connection => {
                Button::once(port, "b", r#"{"event":"heartbeat"}"#).await;
            }
            Turn::RefusedConnection => {
                let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                // A CONNECT without a protocol.
                stream.try_write(b"\x10\x02\x00\x00").unwrap();
                let mut answer = [0; 16];
                stream.readable().await.unwrap();
                let _ = stream.try_read(&mut answer);
            }
            Turn::SinkComesBack => {
                self.receiver.answer(|_| 503);
                let failures = "gridpost_delivery_failures_total";
                let before = self.gateway.metric(failures).await;
                Button::once(port, "b", &format!(r#"{{"event":"press","id":"s-{n}"}}"#)).await;
                self.gateway.metric_is(failures, |now| now > before).await;
                self.receiver.answer(|_| 200);
                self.gateway.nothing_is_pending().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_lists_reloads_connections_and_a_sink_that_comes_back_leave_nothing_behind() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&Visited::site(&receiver, "b-1")).await;
    let load = Load::start("f", BUTTONS, OFFICERS, Duration::ZERO, &receiver);
    load.at(gateway.intake);
    wait_for_presses(&load, 600).await;
    load.stop().await;
    let mut visited = Visited { gateway, receiver };
    let times = env_number("GRIDPOST_FLAT_TURNS").map_or(1, |times| times as usize);
    let (mut rows, mut worst) = (Vec::new(), 0.0f64);
    for (turn, count) in TURNS {
        let count = count * times;
        for n in 0..count / 4 {
            visited.turn(turn, n).await;
        }
        let before = held(&visited.gateway).await;
        for n in count / 4..count {
            visited.turn(turn, n).await;
        }
        let left = held(&visited.gateway).await.heap - before.heap;
        let text = format!("{:.0} KiB, {:.0} bytes a turn", left / 1024.0, left / count as f64);
        rows.push(
            Row::new(format!("{turn:?}, {} turns", count - count / 4), text)
                .goal(format!("≤ {:.0} KiB", LEFT_BYTES_MAX / 1024.0), left <= LEFT_BYTES_MAX),
        );
        worst = worst.max(left);
    }
    results::print("what loops leave behind", &rows);
    assert!(worst <= LEFT_BYTES_MAX, "{worst} bytes");
    visited.gateway.must_stop_sound().await;
}
