//! Notifications to systemd: ready, reloading, stopping, and a watchdog that is fed by real progress only.

use std::{
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{oneshot, watch};

use crate::{
    base::{Progress, Readiness, stopped},
    config::env::Environment,
    domain::{Answer, Receipt},
    store::{Batch, Store},
};

/// Progress is checked at least this often, with systemd or without: `/readyz` shows it too.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// How often the store is asked for an answer.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// The store's writer syncs in milliseconds, on a worn memory card in seconds; one that takes longer
/// hangs.
const STORE_STUCK_AFTER: Duration = Duration::from_secs(20);

/// Where `/readyz` says what hangs on one device.
const HUNG: &str = "hangs";

/// The socket to systemd (sd_notify); without `NOTIFY_SOCKET` nothing is sent.
pub(super) struct Systemd {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// The watchdog's own bound; it is fed three times in it.
    watchdog: Option<Duration>,
}

impl Systemd {
    /// Opens the socket that systemd names in the environment, if it does.
    pub(super) fn new(environment: &dyn Environment) -> Self {
        let socket = environment.get("NOTIFY_SOCKET").and_then(|socket| match open(&socket) {
            Ok(opened) => Some(opened),
            Err(error) => {
                tracing::warn!(socket, %error, "systemd: NOTIFY_SOCKET cannot be used");
                None
            }
        });
        let number = |name| environment.get(name)?.parse::<u64>().ok();
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|_| ours).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// The gateway runs.
    pub(super) fn ready(&self) {
        self.notify("READY=1\nSTATUS=runs");
    }

    /// Followed by [`Self::ready`] when it is done.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.notify(&format!("RELOADING=1\nMONOTONIC_USEC={usec}\nSTATUS=reads its configuration"));
    }

    /// The gateway is being stopped.
    pub(super) fn stopping(&self) {
        self.notify("STOPPING=1\nSTATUS=stops");
    }

    fn notify(&self, text: &str) {
        let Some((socket, to)) = &self.socket else { return };
        if let Err(error) = socket.send_to_addr(text.as_bytes(), to) {
            tracing::debug!(%error, "systemd does not hear");
        }
    }

    fn check_every(&self) -> Duration {
        self.watchdog.map_or(CHECK_EVERY, |bound| (bound / 3).min(CHECK_EVERY))
    }
}

fn open(socket: &str) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let to = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let own = UnixDatagram::unbound()?;
    // A systemd that does not read must not hold us up.
    own.set_nonblocking(true)?;
    Ok((own, to))
}

/// Feeds the watchdog while every part makes progress; reports the part that does not.
pub(super) async fn watch(
    systemd: &Systemd,
    progress: Progress,
    readiness: Readiness,
    mut stop: watch::Receiver<bool>,
) {
    let mut reported = false;
    let mut hung_before = Vec::new();
    loop {
        tell_hung(&mut hung_before, progress.hung_devices(), &readiness);
        match progress.stuck() {
            None => {
                if std::mem::take(&mut reported) {
                    tracing::info!("everyone makes progress again");
                    readiness.clear("progress");
                }
                if systemd.watchdog.is_some() {
                    systemd.notify("WATCHDOG=1");
                }
            }
            Some(who) => {
                readiness.not_ready("progress", &who);
                if !std::mem::replace(&mut reported, true) {
                    tracing::error!(who, "STUCK; the watchdog is not fed until it goes on");
                    systemd.notify(&format!("STATUS=stuck: {who}"));
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(systemd.check_every()) => {}
            () = stopped(&mut stop) => return,
        }
    }
}

/// What hangs on one device is told, and the watchdog is fed all the same: an end of the process would
/// cut off the presses of everybody else, and that device would hang again.
fn tell_hung(before: &mut Vec<String>, hung: Vec<String>, readiness: &Readiness) {
    if *before == hung {
        return;
    }
    if hung.is_empty() {
        readiness.clear(HUNG);
    } else {
        let names = hung.join(", ");
        tracing::error!(names, "HANGS on its device; everything else goes on");
        readiness.note(HUNG, &format!("waits for its device and gives no sign of life: {names}"));
    }
    *before = hung;
}

/// Asks the store for an answer again and again. While the disk is known to fail, all parts that wait
/// for it are excused; a writer that has ended, or hangs, excuses nobody.
pub(super) async fn ask_store(store: Store, progress: Progress, mut stop: watch::Receiver<bool>) {
    let beat = progress.part("the store", STORE_STUCK_AFTER);
    loop {
        let (sender, mut answer) = oneshot::channel();
        let receipt = Receipt::new(move |answer| {
            let _ = sender.send(matches!(answer, Answer::Stored));
        });
        // An empty batch waits its turn behind everything before it, and writes nothing.
        let batch = Batch { entries: Vec::new(), receipts: vec![(receipt, Answer::Stored)] };
        let asked = store.clone();
        tokio::spawn(async move { asked.commit(batch).await });
        loop {
            tokio::select! {
                stored = &mut answer => {
                    if stored == Ok(true) {
                        beat.beat();
                    }
                    break;
                }
                () = tokio::time::sleep(ASK_EVERY) => {
                    if store.is_available().is_err() {
                        progress.excuse();
                    }
                }
                () = stopped(&mut stop) => return,
            }
        }
        tokio::select! {
            () = tokio::time::sleep(ASK_EVERY) => {}
            () = stopped(&mut stop) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::{base::SimulatedClock, config::env::FixedEnvironment};

    /// Time goes on by itself while everybody waits: no real second passes.
    #[tokio::test(start_paused = true)]
    async fn i7_a_junction_that_hangs_is_not_fed_for_and_is_when_it_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let environment = FixedEnvironment::new([
            ("NOTIFY_SOCKET", path.to_str().unwrap()),
            ("WATCHDOG_USEC", "3000000"),
        ]);
        let systemd = Arc::new(Systemd::new(&environment));
        let clock = SimulatedClock::at(Timestamp::UNIX_EPOCH);
        let (progress, readiness) = (Progress::new(clock.clone()), Readiness::default());
        let junction = progress.part("the junction", Duration::from_secs(10));
        let (_stop, stopped) = watch::channel(false);
        let (own, of) = (systemd.clone(), readiness.clone());
        tokio::spawn(async move { super::watch(&own, progress, of, stopped).await });
        let mut seconds = 0;
        // So many seconds in which it beats or does not; how often the watchdog was fed.
        let mut pass = async |count: u64, beats: bool| {
            let mut fed = 0;
            for _ in 0..count {
                seconds += 1;
                clock.advance_to(Timestamp::UNIX_EPOCH + Duration::from_secs(seconds));
                if beats {
                    junction.beat();
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                let mut buffer = [0u8; 256];
                while let Ok(bytes) = socket.recv(&mut buffer) {
                    fed += usize::from(&buffer[..bytes] == b"WATCHDOG=1");
                }
            }
            fed
        };
        assert!(pass(30, true).await >= 29, "fed while it beats");
        assert!(pass(10, false).await >= 9, "within its bound it may be busy");
        pass(2, false).await;
        assert_eq!(pass(30, false).await, 0, "it hangs");
        assert_eq!(readiness.reasons().len(), 1, "{:?}", readiness.reasons());
        pass(1, true).await;
        assert!(pass(10, true).await >= 9, "it goes on");
        assert!(readiness.reasons().is_empty());
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        let of = |pid: &str| {
            let environment =
                FixedEnvironment::new([("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", pid)]);
            Systemd::new(&environment).watchdog
        };
        assert_eq!(of(&std::process::id().to_string()), Some(Duration::from_secs(3)));
        assert_eq!(of("1"), None);
    }
}
