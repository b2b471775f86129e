//! What a power cut may leave of a folder: the log of `tests/rig/cut.c` played back, and what was not synced drawn by lot.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use rand::{Rng, rngs::StdRng};

use super::preloaded;

const MAGIC: u32 = 0x4750_4c47;
const HEAD_BYTES: usize = 32;
/// What a disk writes whole, and what the page cache holds.
const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// The preloaded library, built once a run.
pub(crate) fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        // Other test processes build it too: each its own, then put in place as one step.
        let own = folder.join(format!("cut-{}.so", std::process::id()));
        preloaded("cut.c", &own);
        let path = folder.join("cut.so");
        fs::rename(own, &path).unwrap();
        path
    })
}

enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate { to: usize },
}

/// A file's bytes: those that a sync made durable, and what was done since.
#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
    /// `pending` when the running sync began.
    syncing: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Node {
    /// Index into `Disk::files`.
    File(usize),
    Folder,
}

enum Name {
    Add(String, Node),
    Remove(String),
}

#[derive(Default)]
struct Folder {
    durable: BTreeMap<String, Node>,
    pending: Vec<Name>,
    syncing: usize,
}

/// A folder as the disk has it.
pub(crate) struct Disk {
    files: Vec<File>,
    folders: BTreeMap<String, Folder>,
    inodes: HashMap<u64, usize>,
}

impl Disk {
    /// Everything that is there now is durable.
    pub(crate) fn of(root: &Path) -> Self {
        let mut disk = Self { files: Vec::new(), folders: BTreeMap::new(), inodes: HashMap::new() };
        disk.scan(root, "");
        disk
    }

    fn scan(&mut self, path: &Path, name: &str) {
        use std::os::unix::fs::MetadataExt;
        self.folders.insert(name.into(), Folder::default());
        for entry in fs::read_dir(path).into_iter().flatten() {
            let entry = entry.unwrap();
            let (file, metadata) =
                (entry.file_name().into_string().unwrap(), entry.metadata().unwrap());
            let node = if metadata.is_dir() {
                self.scan(&entry.path(), &join(name, &file));
                Node::Folder
            } else {
                let durable = fs::read(entry.path()).unwrap();
                self.files.push(File { durable, ..File::default() });
                self.inodes.insert(metadata.ino(), self.files.len() - 1);
                Node::File(self.files.len() - 1)
            };
            self.folders.get_mut(name).unwrap().durable.insert(file, node);
        }
    }

    /// Plays a log; a last record that is not whole was never done. Returns how many there were.
    pub(crate) fn play(&mut self, log: &[u8]) -> usize {
        let (mut at, mut count) = (0, 0);
        while let Some(head) = log.get(at..at + HEAD_BYTES) {
            let word = |from: usize, bytes: usize| {
                head[from..from + bytes].iter().rev().fold(0u64, |sum, b| sum << 8 | u64::from(*b))
            };
            assert_eq!(word(0, 4), u64::from(MAGIC), "the log at byte {at}");
            let (kind, inode, offset) = (word(4, 4) as u8, word(8, 8), word(16, 8) as usize);
            let (bytes, path, other) =
                (word(24, 4) as usize, word(28, 2) as usize, word(30, 2) as usize);
            let rest = &log[at + HEAD_BYTES..];
            let Some(rest) = rest.get(..path + other + bytes) else { break };
            let text = |from: usize, to: usize| std::str::from_utf8(&rest[from..to]).unwrap();
            let (path, other) = (text(0, path), text(path, path + other));
            let data = &rest[rest.len() - bytes..];
            self.step(kind, inode, offset, path, other, data);
            at += HEAD_BYTES + rest.len();
            count += 1;
        }
        count
    }

    fn step(&mut self, kind: u8, inode: u64, offset: usize, path: &str, other: &str, data: &[u8]) {
        match kind {
            b'C' => {
                self.files.push(File::default());
                self.inodes.insert(inode, self.files.len() - 1);
                self.add(path, Node::File(self.files.len() - 1));
            }
            b'D' => {
                self.folders.entry(path.into()).or_default();
                self.add(path, Node::Folder);
            }
            b'U' | b'X' => self.remove(path),
            b'R' => {
                let node = Node::File(self.inodes[&inode]);
                self.add(other, node);
                self.remove(path);
            }
            b'W' => {
                self.file(inode).pending.push(Change::Write { at: offset, bytes: data.to_vec() });
            }
            b'T' => self.file(inode).pending.push(Change::Truncate { to: offset }),
            b'B' => {
                let file = self.file(inode);
                file.syncing = file.pending.len();
            }
            b'E' => {
                let file = self.file(inode);
                for change in file.pending.drain(..file.syncing) {
                    apply(&mut file.durable, &change);
                }
                file.syncing = 0;
            }
            b'b' => {
                let folder = self.folders.get_mut(path).unwrap();
                folder.syncing = folder.pending.len();
            }
            b'e' => {
                let folder = self.folders.get_mut(path).unwrap();
                let syncing = std::mem::take(&mut folder.syncing);
                let Folder { durable, pending, .. } = folder;
                pending.drain(..syncing).for_each(|name| rename(durable, name));
            }
            other => panic!("the log has a record of kind {other}"),
        }
    }

    fn file(&mut self, inode: u64) -> &mut File {
        let index = self.inodes[&inode];
        &mut self.files[index]
    }

    fn add(&mut self, path: &str, node: Node) {
        let (folder, name) = split(path);
        let folder = self.folders.get_mut(folder).expect("its folder is in the log");
        folder.pending.push(Name::Add(name.into(), node));
    }

    fn remove(&mut self, path: &str) {
        let (folder, name) = split(path);
        if let Some(folder) = self.folders.get_mut(folder) {
            folder.pending.push(Name::Remove(name.into()));
        }
    }

    /// Puts one of the states that a power cut may leave into `root`, instead of what is there.
    pub(crate) fn cut(self, root: &Path, random: &mut StdRng) {
        let _ = fs::remove_dir_all(root);
        let mut lot = Lot::Drawn(random);
        self.put("", root, &mut lot);
    }

    /// All that was done, as if the power had stayed.
    pub(crate) fn whole(self, root: &Path) {
        self.put("", root, &mut Lot::All);
    }

    fn put(&self, name: &str, path: &Path, lot: &mut Lot<'_>) {
        fs::create_dir(path).unwrap();
        let Some(folder) = self.folders.get(name) else { return };
        let mut names = folder.durable.clone();
        let kept = lot.of(folder.pending.len());
        for change in &folder.pending[..kept] {
            match change {
                Name::Add(name, node) => names.insert(name.clone(), *node),
                Name::Remove(name) => names.remove(name),
            };
        }
        for (file, node) in names {
            let path = path.join(&file);
            match node {
                Node::Folder => self.put(&join(name, &file), &path, lot),
                Node::File(index) => fs::write(path, lot.bytes(&self.files[index])).unwrap(),
            }
        }
    }
}

/// How what was not synced is chosen.
enum Lot<'a> {
    All,
    Drawn(&'a mut StdRng),
}

impl Lot<'_> {
    /// How many of so many changes, in their order.
    fn of(&mut self, count: usize) -> usize {
        match self {
            Self::All => count,
            Self::Drawn(random) => match random.random_range(0..3) {
                0 => 0,
                1 => count,
                _ => random.random_range(0..=count),
            },
        }
    }

    /// A file's bytes: each page as it was, as it became, or torn between two sectors.
    fn bytes(&mut self, file: &File) -> Vec<u8> {
        let mut latest = file.durable.clone();
        let kept = self.of(file.pending.len());
        file.pending[..kept].iter().for_each(|change| apply(&mut latest, change));
        let Self::Drawn(random) = self else { return latest };
        if kept == 0 || latest == file.durable {
            return latest;
        }
        // The size may be there before the bytes are, and then they read as zeros.
        let bytes = match random.random_range(0..3) {
            0 => file.durable.len(),
            1 => latest.len(),
            _ => {
                let (less, more) =
                    (file.durable.len().min(latest.len()), file.durable.len().max(latest.len()));
                random.random_range(less..=more)
            }
        };
        let mut out = file.durable.clone();
        out.resize(bytes, 0);
        latest.resize(bytes, 0);
        for (page, new) in out.chunks_mut(PAGE).zip(latest.chunks(PAGE)) {
            let torn = match random.random_range(0..3) {
                0 => 0..0,
                1 => 0..page.len(),
                _ => {
                    let sectors = page.len().div_ceil(SECTOR);
                    let (a, b) =
                        (random.random_range(0..=sectors), random.random_range(0..=sectors));
                    (a.min(b) * SECTOR).min(page.len())..(a.max(b) * SECTOR).min(page.len())
                }
            };
            page[torn.clone()].copy_from_slice(&new[torn]);
        }
        out
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes: new } => {
            if bytes.len() < at + new.len() {
                bytes.resize(at + new.len(), 0);
            }
            bytes[*at..at + new.len()].copy_from_slice(new);
        }
        Change::Truncate { to } => bytes.resize(*to, 0),
    }
}

fn rename(names: &mut BTreeMap<String, Node>, change: Name) {
    match change {
        Name::Add(name, node) => names.insert(name, node),
        Name::Remove(name) => names.remove(&name),
    };
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.into() } else { format!("{folder}/{name}") }
}
