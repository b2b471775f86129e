//! Disk space: what the disk has left, and what goes, in which order, when it runs low (P11).
//!
//! Below `min_free_bytes` no new evidence is made, and evidence that is finished, delivered and
//! past its days is removed. Below half of it the oldest finished and delivered evidence goes, whatever its
//! age, such as nobody holds before such as somebody does (which no bound on evidence ever takes); notices
//! that still wait are shed, oldest first, each entered in the ledger, and the settled part of the journal
//! shrinks to its last segments. When a write finds no space at all, the store removes a reserve file that
//! it keeps for that moment:
//! from then on only presses (and the settlements that free space) are written. A pending alert or
//! emergency, and evidence of one that is still owed, is never touched. When there is space again,
//! everything that stopped goes on by itself.
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

use super::{Config, Store, disk::Disk, evidence, facts::Fact, room::Shares, writer::WriteJob};
use crate::{
    base::lock,
    domain::{Now, Outcome, Settled},
};

/// The most that is kept for presses when nothing else is left: some 10,000 of them.
const RESERVE_BYTES_MAX: u64 = 16 << 20;
/// Written at once while the reserve is made.
const CHUNK_BYTES: usize = 1 << 20;
/// Records and files that one check gives up at most: a check is every few seconds.
const SHED_PER_CHECK_MAX: usize = 1000;
/// The journal's settled part, in segments, while space is short.
const SEGMENTS_WHEN_TIGHT: u64 = 4;

/// How much disk space there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpaceLevel {
    /// `min_free_bytes` and more.
    #[default]
    Fine,
    /// Below `min_free_bytes`: no new evidence.
    Low,
    /// Below half of it: notices are shed.
    Tight,
    /// A write failed for want of space: only presses.
    Full,
}

/// What one check found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceCheck {
    /// After the check.
    pub level: SpaceLevel,
    /// Pieces of evidence removed.
    pub pieces: usize,
    /// Records and files given up.
    pub shed: usize,
    /// What is short, for people; `None` while nothing is.
    pub short: Option<String>,
}

/// What the writer, the handles and the checks share about disk space.
pub(super) struct DiskSpace {
    /// [`SpaceLevel`] by free bytes alone: 0 fine, 1 low, 2 tight.
    level: AtomicU8,
    /// A write found no space; cleared by a check that finds some.
    full: AtomicBool,
    /// Who has how much of the room for evidence.
    pub(super) shares: Shares,
    /// What the journal shrinks to.
    pub(super) journal_max_bytes: AtomicU64,
    /// A check found the journal above that: its oldest segment is to be looked at again.
    pub(super) look_again: AtomicBool,
}

impl DiskSpace {
    /// Fine, until the first check.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            level: AtomicU8::new(0),
            full: AtomicBool::new(false),
            shares: Shares::new(),
            journal_max_bytes: AtomicU64::new(config.max_bytes),
            look_again: AtomicBool::new(false),
        }
    }

    /// By the last check, or the last failed write.
    pub(super) fn level(&self) -> SpaceLevel {
        match self.level.load(Ordering::Relaxed) {
            _ if self.full.load(Ordering::Relaxed) => SpaceLevel::Full,
            0 => SpaceLevel::Fine,
            1 => SpaceLevel::Low,
            _ => SpaceLevel::Tight,
        }
    }

    /// A write of the writer found no space.
    pub(super) fn set_full(&self) {
        self.full.store(true, Ordering::Relaxed);
    }

    /// Takes the free bytes of now. A full disk counts as full until there is space for more than
    /// presses.
    fn update(&self, free: u64, config: &Config) -> SpaceLevel {
        let level = match free {
            _ if free < config.min_free_bytes / 2 => 2,
            _ if free < config.min_free_bytes => 1,
            _ => 0,
        };
        self.level.store(level, Ordering::Relaxed);
        if level < 2 {
            self.full.store(false, Ordering::Relaxed);
        }
        self.level()
    }
}

/// Bytes of the reserve: an eighth of what is kept free.
pub(super) fn reserve_bytes(config: &Config) -> u64 {
    RESERVE_BYTES_MAX.min(config.min_free_bytes / 8)
}

/// Writes the reserve: random bytes, which no file system can compress or leave out.
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

/// Did it fail because the disk, or the quota on it, is full?
pub(super) fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Store {
    /// How much space the last check found.
    pub fn space_level(&self) -> SpaceLevel {
        self.inner.shared.disk_space.level()
    }

    /// Reads the free space and frees some if it is short, as the module's head says. To be called
    /// every few seconds; blocks on the disk.
    pub fn check_space(&self, now: Now) -> io::Result<SpaceCheck> {
        let (config, disk_space) = (&self.inner.config, &self.inner.shared.disk_space);
        let free = evidence::free_bytes(&self.inner.data_folder.root)?;
        let before = disk_space.level();
        let level = disk_space.update(free, config);
        let mut check = SpaceCheck { level, ..SpaceCheck::default() };
        let mut short = Vec::new();
        if level > SpaceLevel::Fine {
            short.push(format!("{free} bytes are free, {} are asked for", config.min_free_bytes));
            check.pieces += self.tidy(now)?.pieces;
            // Presses go before all evidence: what they need is made room for, and no more.
            if level >= SpaceLevel::Tight {
                let wanted = config.min_free_bytes.saturating_sub(free);
                check.pieces +=
                    self.make_room(None, (wanted, 0), "to make room for presses", now)?;
            }
        } else {
            self.ensure_reserve();
        }
        check.pieces += self.bound_evidence(now, &mut short)?;
        let too_much_pending = self.bound_journal(level, &mut short);
        if too_much_pending || level >= SpaceLevel::Tight {
            check.shed = self.shed(now, &short.join("; "))?;
        }
        let most = disk_space.journal_max_bytes.load(Ordering::Relaxed);
        let over = self.inner.shared.journal_bytes() > most;
        // Meanwhile something may have been delivered, given up, or found room.
        disk_space.look_again.fetch_or(over, Ordering::Relaxed);
        if over || level >= SpaceLevel::Tight || before != level {
            // Wakes the writer, which lets segments go.
            drop(self.inner.queue.try_send(WriteJob::default()));
        }
        if !short.is_empty()
            && let Some(days) = self.days_kept(now)
        {
            short.push(format!("evidence of the last {days} days is kept"));
        }
        check.short = (!short.is_empty()).then(|| short.join("; "));
        Ok(check)
    }

    /// Sets what the writer shrinks the journal to. True: what is pending alone takes more than the
    /// journal may.
    fn bound_journal(&self, level: SpaceLevel, short: &mut Vec<String>) -> bool {
        let (config, shared) = (&self.inner.config, &self.inner.shared);
        let most = match level {
            SpaceLevel::Fine | SpaceLevel::Low => config.max_bytes,
            SpaceLevel::Tight | SpaceLevel::Full => SEGMENTS_WHEN_TIGHT * config.segment_bytes,
        };
        let most = most.min(config.max_bytes);
        shared.disk_space.journal_max_bytes.store(most, Ordering::Relaxed);
        let journal_bytes = shared.journal_bytes();
        // One segment may be on its way out.
        let over = journal_bytes > config.max_bytes + 2 * config.segment_bytes;
        if over {
            short.push(format!("the journal takes {journal_bytes} bytes, max_bytes is {}, and what is pending fills it", config.max_bytes));
        }
        over
    }

    fn ensure_reserve(&self) {
        let (path, bytes) = (self.inner.data_folder.reserve(), reserve_bytes(&self.inner.config));
        if bytes == 0 || path.exists() {
            return;
        }
        if let Err(error) = make_reserve(&*self.inner.disk, &path, bytes) {
            tracing::warn!(%error, "the reserve for presses could not be made; it is tried again");
        }
    }

    /// Gives up the oldest notices that wait, with a reason in the ledger.
    fn shed(&self, now: Now, why: &str) -> io::Result<usize> {
        let notices = lock(&self.inner.shared.state).due.notices(SHED_PER_CHECK_MAX);
        let reason = format!("to make room: {why}");
        let facts: Vec<Fact> = notices
            .into_iter()
            .filter_map(|(sink, change)| {
                let outcome = Outcome::Shed { reason: reason.clone() };
                self.begin_settling(Settled { sink, change, outcome, at: now.wall }).ok()
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
