//! Room: what the disk has left, and what goes, in which order, when it runs low (P11).
//!
//! Below `min_free_bytes` no new evidence is made, and what is finished, delivered and past its
//! days leaves. Below half of it, notices that still wait are shed, oldest first, each with its
//! place in the ledger, and the settled part of the journal shrinks to its last segments. When a
//! write has found no room at all, a reserve kept on disk for that moment is let go: from then on
//! only presses (and the settlements that make room) are written. A pending alert or emergency,
//! and evidence of one that is still owed, is never touched. Whatever stopped goes on by itself.
//!
//! **P11** Every queue, retry, cache and payload has a bound with its unit in its name. On disk the
//! bounds are those of `[data]`: journal, evidence, quarantine and free space. A journal that a
//! backlog keeps above its bound sheds notices, and never more than notices. With nothing left but
//! the reserve, the junction takes presses alone: nothing else is acknowledged, and no revision is
//! used up.

use std::{
    io,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
};

use rand::RngCore;

use super::{Config, Store, disk::Disk, evidence, facts::Fact, shared::lock, writer::Job};
use crate::domain::{Now, Outcome, Settled};

/// The most that is kept for presses when nothing else is left: some 10,000 of them.
const RESERVE_BYTES_MAX: u64 = 16 << 20;
/// Written at once while the reserve is made.
const CHUNK_BYTES: usize = 1 << 20;
/// Records and files that one look gives up at most: a look is every few seconds.
const SHED_A_LOOK: usize = 1000;
/// The journal's settled part, in segments, while room is short.
const SEGMENTS_WHEN_TIGHT: u64 = 4;

/// How much room there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    #[default]
    Fine,
    /// No new evidence.
    Low,
    /// Notices are shed.
    Tight,
    /// Only presses.
    Full,
}

/// What one look found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    pub room: Room,
    /// Pieces of evidence removed.
    pub pieces: usize,
    /// Records and files given up.
    pub shed: usize,
    /// What is short, for people; `None` while nothing is.
    pub short: Option<String>,
}

/// What the writer, the handles and the looks share about room.
pub(super) struct Gauge {
    room: AtomicU8,
    /// A write found no room; cleared by a look that finds some.
    full: AtomicBool,
    pub(super) evidence_bytes: AtomicU64,
    /// What the journal shrinks to.
    pub(super) journal_max_bytes: AtomicU64,
}

impl Gauge {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            room: AtomicU8::new(0),
            full: AtomicBool::new(false),
            evidence_bytes: AtomicU64::new(0),
            journal_max_bytes: AtomicU64::new(config.max_bytes),
        }
    }

    pub(super) fn room(&self) -> Room {
        match self.room.load(Ordering::Relaxed) {
            _ if self.full.load(Ordering::Relaxed) => Room::Full,
            0 => Room::Fine,
            1 => Room::Low,
            _ => Room::Tight,
        }
    }

    /// The writer had no room.
    pub(super) fn is_full(&self) {
        self.full.store(true, Ordering::Relaxed);
    }

    /// Takes a new reading. What was full stays so until there is room for more than presses.
    fn read(&self, free: u64, config: &Config) -> Room {
        let room = match free {
            _ if free < config.min_free_bytes / 2 => 2,
            _ if free < config.min_free_bytes => 1,
            _ => 0,
        };
        self.room.store(room, Ordering::Relaxed);
        if room < 2 {
            self.full.store(false, Ordering::Relaxed);
        }
        self.room()
    }
}

/// Bytes of the reserve: an eighth of what is kept free.
pub(super) fn reserve_bytes(config: &Config) -> u64 {
    RESERVE_BYTES_MAX.min(config.min_free_bytes / 8)
}

/// Writes the reserve; bytes that no file system can leave out.
pub(super) fn make_reserve(disk: &dyn Disk, path: &Path, bytes: u64) -> io::Result<()> {
    let handle = disk.create(path)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    rand::rng().fill_bytes(&mut chunk);
    let mut at = 0;
    let written = loop {
        let n = chunk.len().min((bytes - at) as usize);
        if n == 0 {
            break disk.sync_all(&handle);
        }
        if let Err(error) = disk.write_at(&handle, &chunk[..n], at) {
            break Err(error);
        }
        at += n as u64;
    };
    if written.is_err() {
        let _ = disk.remove(path);
    }
    written
}

/// Is it that there is no room?
pub(super) fn no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Store {
    /// How much room the last look found.
    pub fn room(&self) -> Room {
        self.inner.shared.gauge.room()
    }

    /// Looks at the room and makes some, as the module's head says. To be called every few
    /// seconds; blocks on the disk.
    pub fn look_at_room(&self, now: Now) -> io::Result<Looked> {
        let (config, gauge) = (&self.inner.config, &self.inner.shared.gauge);
        let free = evidence::free_bytes(&self.inner.layout.root)?;
        let before = gauge.room();
        let room = gauge.read(free, config);
        let mut looked = Looked { room, ..Looked::default() };
        let mut short = Vec::new();
        if room > Room::Fine {
            short.push(format!("{free} bytes are free, {} are asked for", config.min_free_bytes));
            let tidied = self.tidy(now)?;
            looked.pieces += tidied.pieces;
        } else {
            self.keep_reserve();
        }
        let evidence_bytes = gauge.evidence_bytes.load(Ordering::Relaxed);
        if evidence_bytes > config.evidence_max_bytes {
            looked.pieces += self.shrink_evidence()?;
            let left = gauge.evidence_bytes.load(Ordering::Relaxed);
            if left > config.evidence_max_bytes {
                short.push(format!("evidence takes {left} bytes, evidence_max_bytes is {}, and all of it is needed", config.evidence_max_bytes));
            }
        }
        let most = match room {
            Room::Fine | Room::Low => config.max_bytes,
            Room::Tight | Room::Full => SEGMENTS_WHEN_TIGHT * config.segment_bytes,
        };
        gauge.journal_max_bytes.store(most.min(config.max_bytes), Ordering::Relaxed);
        let journal_bytes = self.inner.shared.journal_bytes();
        // One segment may be on its way out.
        let over = journal_bytes > config.max_bytes + 2 * config.segment_bytes;
        if over {
            short.push(format!("the journal takes {journal_bytes} bytes, max_bytes is {}, and what is pending fills it", config.max_bytes));
        }
        if over || room >= Room::Tight {
            looked.shed = self.shed(now, &short.join("; "))?;
        }
        if room >= Room::Tight || before != room {
            // Wakes the writer, which lets segments go.
            drop(self.inner.queue.try_send(Job::default()));
        }
        looked.short = (!short.is_empty()).then(|| short.join("; "));
        Ok(looked)
    }

    fn keep_reserve(&self) {
        let (path, bytes) = (self.inner.layout.reserve(), reserve_bytes(&self.inner.config));
        if bytes == 0 || path.exists() {
            return;
        }
        if let Err(error) = make_reserve(&*self.inner.disk, &path, bytes) {
            tracing::warn!(%error, "the reserve for presses could not be made; it is tried again");
        }
    }

    /// Gives up the oldest notices that wait, with a reason in the ledger.
    fn shed(&self, now: Now, why: &str) -> io::Result<usize> {
        let notices = lock(&self.inner.shared.state).due.notices(SHED_A_LOOK);
        let reason = format!("to make room: {why}");
        let facts: Vec<Fact> = notices
            .into_iter()
            .filter_map(|(sink, change)| {
                let outcome = Outcome::Shed { reason: reason.clone() };
                self.claim(Settled { sink, change, outcome, at: now.wall }).ok()
            })
            .collect();
        let count = facts.len();
        if count > 0 {
            self.write_blocking(facts, Vec::new()).map_err(io::Error::other)?;
            tracing::error!(count, reason, "notices were given up");
        }
        Ok(count)
    }
}
