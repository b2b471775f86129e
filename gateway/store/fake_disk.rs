//! A disk for tests: fails on demand, dies in the middle of a write, and forgets what was not synced.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::disk::{Disk, Handle, RealDisk};

/// No space left on device.
pub(super) const ENOSPC: i32 = 28;
/// Input/output error.
pub(super) const EIO: i32 = 5;
/// What a disk writes at once or not.
const PAGE_BYTES: usize = 512;

/// An operation that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Create,
    Write,
    Sync,
    Folder,
    Other,
}

/// Works on real files, and remembers what a power cut would lose.
pub(super) struct FakeDisk {
    inner: Mutex<Inner>,
}

struct Inner {
    rng: StdRng,
    faults: HashMap<Op, (u32, i32)>,
    /// Operations left to live.
    life: Option<u32>,
    /// Bytes of each file that a power cut leaves.
    synced: HashMap<PathBuf, u64>,
    /// Created, the folder not synced since.
    born: HashSet<PathBuf>,
    /// Removed, the folder not synced since.
    removed: HashMap<PathBuf, Vec<u8>>,
    /// Counted.
    pub(super) syncs: u64,
}

impl FakeDisk {
    /// A disk that works.
    pub(super) fn new(seed: u64) -> Self {
        let inner = Inner {
            rng: StdRng::seed_from_u64(seed),
            faults: HashMap::new(),
            life: None,
            synced: HashMap::new(),
            born: HashSet::new(),
            removed: HashMap::new(),
            syncs: 0,
        };
        Self { inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// The next `times` operations of this sort fail.
    pub(super) fn fail(&self, op: Op, times: u32, errno: i32) {
        self.lock().faults.insert(op, (times, errno));
    }

    /// From now on nothing fails.
    pub(super) fn mend(&self) {
        self.lock().faults.clear();
    }

    /// The power fails after so many more operations, in the middle of the last.
    pub(super) fn die_after(&self, operations: u32) {
        self.lock().life = Some(operations);
    }

    /// Syncs so far.
    pub(super) fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// What the power cut left: pages that were not synced are there, absent or torn.
    pub(super) fn cut(&self) {
        let mut inner = self.lock();
        let Inner { rng, synced, born, removed, .. } = &mut *inner;
        for (path, bytes) in removed.drain() {
            if rng.random_bool(0.5) {
                fs::write(&path, bytes).unwrap();
            }
        }
        for (path, &durable) in &*synced {
            let Ok(mut bytes) = fs::read(path) else { continue };
            if born.contains(path) && rng.random_bool(0.5) {
                fs::remove_file(path).unwrap();
                continue;
            }
            let durable = durable as usize;
            bytes.truncate(rng.random_range(durable.min(bytes.len())..=bytes.len()));
            let mut at = durable;
            while at < bytes.len() {
                let end = ((at / PAGE_BYTES + 1) * PAGE_BYTES).min(bytes.len());
                match rng.random_range(0..4) {
                    0 => bytes[at..end].fill(0),
                    1 => rng.fill(&mut bytes[at..end]),
                    _ => {}
                }
                at = end;
            }
            fs::write(path, bytes).unwrap();
        }
    }
}

impl Inner {
    fn gate(&mut self, op: Op) -> io::Result<()> {
        if let Some(life) = &mut self.life {
            if *life == 0 {
                return Err(io::Error::from_raw_os_error(EIO));
            }
            *life -= 1;
            if *life == 0 {
                return Err(io::Error::from_raw_os_error(EIO));
            }
        }
        match self.faults.get_mut(&op) {
            Some((times, errno)) if *times > 0 => {
                *times -= 1;
                Err(io::Error::from_raw_os_error(*errno))
            }
            _ => Ok(()),
        }
    }
}

impl Disk for FakeDisk {
    fn create(&self, path: &Path) -> io::Result<Handle> {
        let mut inner = self.lock();
        inner.gate(Op::Create)?;
        inner.born.insert(path.into());
        inner.synced.insert(path.into(), 0);
        RealDisk.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Handle> {
        let mut inner = self.lock();
        inner.gate(Op::Other)?;
        let handle = RealDisk.open(path)?;
        let len = handle.file.metadata()?.len();
        inner.synced.entry(path.into()).or_insert(len);
        Ok(handle)
    }
    fn write_at(&self, handle: &Handle, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut inner = self.lock();
        if let Err(error) = inner.gate(Op::Write) {
            // Some of it is on its way all the same.
            let some = inner.rng.random_range(0..=bytes.len());
            RealDisk.write_at(handle, &bytes[..some], offset)?;
            return Err(error);
        }
        RealDisk.write_at(handle, bytes, offset)
    }
    fn sync_data(&self, handle: &Handle) -> io::Result<()> {
        let mut inner = self.lock();
        inner.gate(Op::Sync)?;
        inner.syncs += 1;
        let len = handle.file.metadata()?.len();
        inner.synced.insert(handle.path.clone(), len);
        Ok(())
    }
    fn sync_all(&self, handle: &Handle) -> io::Result<()> {
        self.sync_data(handle)
    }
    fn set_len(&self, handle: &Handle, len: u64) -> io::Result<()> {
        let mut inner = self.lock();
        inner.gate(Op::Other)?;
        let synced = inner.synced.entry(handle.path.clone()).or_insert(len);
        *synced = len.min(*synced);
        RealDisk.set_len(handle, len)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        inner.gate(Op::Other)?;
        if let Some(len) = inner.synced.remove(from) {
            inner.synced.insert(to.into(), len);
        }
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        inner.gate(Op::Other)?;
        let bytes = fs::read(path);
        RealDisk.remove(path)?;
        inner.synced.remove(path);
        inner.removed.insert(path.into(), bytes?);
        Ok(())
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        inner.gate(Op::Folder)?;
        inner.born.retain(|path| path.parent() != Some(folder));
        inner.removed.retain(|path, _| path.parent() != Some(folder));
        Ok(())
    }
}
