//! systemd at the other end of its socket: ready, reloading, stopping, and a watchdog that a hung part does not feed.

use std::{collections::VecDeque, os::unix::net::UnixDatagram, path::Path, time::Duration};

use serde_json::json;
use tempfile::TempDir;

use crate::world::{Button, Gateway, Launch, Site, wait_for};

/// What systemd hears, in order.
struct Notified {
    socket: UnixDatagram,
    /// Not looked at yet.
    heard: VecDeque<String>,
}

impl Notified {
    fn bind(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, heard: VecDeque::new() }
    }

    /// The next message, if there is one.
    fn next(&mut self) -> Option<String> {
        let mut room = [0u8; 1024];
        while let Ok(bytes) = self.socket.recv(&mut room) {
            self.heard.push_back(String::from_utf8_lossy(&room[..bytes]).into_owned());
        }
        self.heard.pop_front()
    }

    /// Waits for a message that begins so; passes over others.
    async fn hears(&mut self, what: &str) -> String {
        wait_for(what, || {
            let found = std::iter::from_fn(|| self.next()).find(|said| said.starts_with(what));
            async move { found }
        })
        .await
    }
}

/// With the socket `notify` of this folder, and a watchdog.
fn under_systemd(folder: TempDir) -> Launch {
    let socket = folder.path().join("notify");
    let launch = Launch::of(Site::demo()).in_folder(folder);
    launch.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", "600000")
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_ready_reloading_stopping_and_a_watchdog_that_is_fed() {
    let folder = tempfile::tempdir().unwrap();
    let mut systemd = Notified::bind(&folder.path().join("notify"));
    let mut gateway = under_systemd(folder).start().await;
    systemd.hears("READY=1").await;
    for _ in 0..3 {
        systemd.hears("WATCHDOG=1").await;
    }
    gateway.signal("HUP");
    let reloading = systemd.hears("RELOADING=1").await;
    let usec = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(usec.unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
    systemd.hears("READY=1").await;
    systemd.hears("WATCHDOG=1").await;
    gateway.signal("TERM");
    systemd.hears("STOPPING=1").await;
    assert!(gateway.ended().await.success());
}

/// Its disk does this from now on, where a sync that takes its time takes ten minutes.
async fn with_disk(does: &str) -> (Gateway, Notified) {
    let folder = tempfile::tempdir().unwrap();
    let mut systemd = Notified::bind(&folder.path().join("notify"));
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let gateway = under_systemd(folder).faulty_disk("-", 600_000).start().await;
    systemd.hears("WATCHDOG=1").await;
    gateway.disk_does(does);
    // A press, so that there is something to sync; nobody answers it now.
    let mut button = Button::new("b", gateway.intake.unwrap());
    tokio::spawn(async move { button.attempt("b", r#"{"event":"press","id":"1"}"#).await });
    (gateway, systemd)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_hangs_stops_the_feeding_and_is_named() {
    let (gateway, mut systemd) = with_disk("s").await;
    let stuck = systemd.hears("STATUS=stuck").await;
    assert!(stuck.contains("the store has made no progress"), "{stuck}");
    // Five times the watchdog's bound: nothing is what there is to see.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(systemd.next(), None, "fed all the same");
    let (status, ready) = gateway.get("/readyz").await;
    assert_eq!(status, 503, "{ready}");
    assert!(ready["reasons"].to_string().contains("progress: the store"), "{ready}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_and_is_retried_is_no_hang() {
    let (gateway, mut systemd) = with_disk("e").await;
    wait_for("the store to say so", || async {
        let (_, ready) = gateway.get("/readyz").await;
        ready["reasons"].to_string().contains("store:").then_some(())
    })
    .await;
    // Longer than the store's and the junction's bound.
    let until = tokio::time::Instant::now() + Duration::from_secs(25);
    while tokio::time::Instant::now() < until {
        systemd.hears("WATCHDOG=1").await;
    }
    assert!(!gateway.log().contains("STUCK"), "{}", gateway.log());
    assert_ne!(gateway.get("/readyz").await.1["reasons"], json!([]));
}

/// The child that opens a stranger's picture is the first that the kernel ends when memory runs out. By
/// default systemd stops the whole unit then.
#[test]
fn a_child_that_memory_has_ended_stops_no_gateway() {
    let unit = include_str!("../config/gridpost.service");
    assert!(unit.lines().any(|line| line == "OOMPolicy=continue"), "{unit}");
}
