//! An incident as one file that any machine can prove: evidence, records, their part of the chain, and a manifest
//! that the site has signed.

mod chain;
mod collect;
mod container;
mod manifest;
#[cfg(test)]
pub(super) mod tests;
#[cfg(test)]
mod tests_long;
mod verify;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Store, evidence, facts::Fact, format::hex, holds::HoldOrder, own_keys::SiteKey};
use crate::{
    base::lock,
    domain::{Entry, Evidence, ExportId, ExportedFile, IncidentId, Record, SiteId},
};
use chain::ChainLink;
use collect::{Collected, Collector};
use container::{Crc, Writing};
use manifest::{ChainSpan, LeftOut, Manifest, PackageSite};
pub use verify::verify;

/// Who takes an incident with him.
#[derive(Clone, Debug)]
pub struct ExportOrder {
    /// Which one.
    pub incident: IncidentId,
    /// Minted for this export.
    pub export: ExportId,
    /// As claimed.
    pub by: String,
    /// In a sentence.
    pub why: String,
    /// Whose it is.
    pub site: SiteId,
    /// For people.
    pub site_name: String,
    /// Its evidence is kept so long from now on.
    pub hold_days: u32,
    /// Gateway time.
    pub at: Timestamp,
}

/// A package that was made.
#[derive(Clone, Debug)]
pub struct Exported {
    /// As in the journal.
    pub export: ExportId,
    /// Of the package.
    pub bytes: u64,
    /// Pieces of evidence in it.
    pub pieces: usize,
    /// And such as are not.
    pub left_out: usize,
    /// Records of the incident that say nothing new and are not in it.
    pub records_left_out: usize,
    /// Its evidence is kept until then.
    pub until: Timestamp,
    /// What it is signed with, 64 hex digits.
    pub key: String,
}

/// Why there is no package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoExport {
    /// Nobody knows it.
    #[error("no such incident")]
    Unknown,
    /// For people.
    #[error("the package could not be made: {0}")]
    Failed(String),
}

impl From<String> for NoExport {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

/// A piece of evidence as it goes into the package.
struct Piece {
    file: ExportedFile,
    crc: u32,
    path: PathBuf,
}

impl Store {
    /// Makes the package of an incident at `to`, which must not be there. That it is made is in the journal
    /// before its first byte, and its evidence is held from then on. Blocks on the disk; where the journal is
    /// large, for some seconds.
    pub fn export(&self, order: &ExportOrder, to: &Path) -> Result<Exported, NoExport> {
        let brief = self.brief_of(order.incident).ok_or(NoExport::Unknown)?;
        if fs::symlink_metadata(to).is_ok() {
            return Err(format!("{}: is there already", to.display()).into());
        }
        // One at a time: each reads the journal, and takes the room of its evidence once more.
        let _turn = lock(&self.inner.exporting);
        let key = SiteKey::load_or_make(&self.inner.data_folder.root)?;
        // What can be no package is found out here, before anything is written down.
        let mut collector = Collector::new(&self.inner.data_folder, order.incident, brief.first);
        collector.read_through(self.synced_seq())?;
        let record = self.incident(order.incident).ok_or(NoExport::Unknown)?;
        let hold = HoldOrder {
            incident: order.incident,
            by: order.by.clone(),
            why: order.why.clone(),
            days: order.hold_days,
            at: order.at,
        };
        let hold = self.put_hold(&hold).map_err(|error| error.to_string())?;
        let (pieces, mut left_out) = self.pieces(&record);
        let evidence_bytes: u64 = pieces.iter().map(|piece| piece.file.bytes).sum();
        // Records are in it twice: as they lie in the journal, and to be read.
        self.has_room(to, evidence_bytes + 2 * collector.bytes())?;
        let entry = Entry::Exported {
            export: order.export,
            incident: order.incident,
            by: order.by.clone(),
            why: order.why.clone(),
            files: pieces.iter().map(|piece| piece.file.clone()).collect(),
            until: hold.until,
            at: order.at,
        };
        self.write_blocking(vec![Fact::Entry(entry)], Vec::new())
            .map_err(|error| error.to_string())?;
        collector.read_to(order.export)?;
        let chain = collector.finish();
        let links = chain::read(&chain.bytes)?;
        left_out.extend(came_late(&links, &record));
        let (key, links, pieces, left_out) = (&key, &links[..], &pieces[..], &left_out[..]);
        let parts = PackageParts { order, key, chain: &chain, links, pieces, left_out };
        let bytes = parts.write(to).map_err(|error| {
            drop(fs::remove_file(to));
            format!("{}: {error}", to.display())
        })?;
        Ok(Exported {
            export: order.export,
            bytes,
            pieces: pieces.len(),
            left_out: left_out.len(),
            records_left_out: chain.left_out,
            until: hold.until,
            key: key.public(),
        })
    }

    /// Of the last record that is synced.
    fn synced_seq(&self) -> u64 {
        lock(&self.inner.shared.state).checkpoint.as_ref().map_or(0, |end| end.seq)
    }

    /// A package for the console lies in the data folder until it was sent: presses need their room there.
    fn has_room(&self, to: &Path, bytes: u64) -> Result<(), String> {
        let root = &self.inner.data_folder.root;
        let wanted = bytes.saturating_add(self.inner.config.min_free_bytes);
        match evidence::free_bytes(root) {
            Ok(free) if to.starts_with(root) && free < wanted => Err(format!(
                "{free} bytes are free, and {wanted} are needed; `gridpost export` can write it elsewhere"
            )),
            _ => Ok(()),
        }
    }

    /// Where a file lies that was made for somebody: whatever is left of it goes at the next start.
    pub fn handed_out(&self, name: &str) -> PathBuf {
        self.inner.data_folder.unfinished().join(name)
    }

    /// What goes into the package, and what does not, with the reason.
    fn pieces(&self, record: &Record) -> (Vec<Piece>, Vec<LeftOut>) {
        let (mut pieces, mut left_out) = (Vec::new(), Vec::new());
        for described in &record.incident.evidence {
            match self.piece_of(described) {
                Ok(piece) => pieces.push(piece),
                Err(why) => left_out.push(LeftOut {
                    evidence: described.id,
                    sha256: described.sha256.clone(),
                    why,
                }),
            }
        }
        (pieces, left_out)
    }

    fn piece_of(&self, described: &Evidence) -> Result<Piece, String> {
        if described.original_of.is_some() {
            return Err("the original of a blurred picture: sealed at the site".into());
        }
        let path = evidence::find(&self.inner.data_folder, described)
            .ok_or("its file is gone (retention)")?;
        let (file, crc) = sums(&path).map_err(|error| format!("cannot be read: {error}"))?;
        if file.sha256 != described.sha256 {
            return Err("its file was changed after it was recorded".into());
        }
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or("bin");
        let name = format!("{}{}.{end}", manifest::EVIDENCE, described.id);
        Ok(Piece { file: ExportedFile { name, ..file }, crc, path })
    }
}

/// Evidence that the incident got while the package was made: the newest record in it names it.
fn came_late(links: &[ChainLink], record: &Record) -> Vec<LeftOut> {
    let known = &record.incident.evidence;
    let newest = chain::newest(links, record.incident.id).map(|incident| incident.evidence.iter());
    let late = newest.into_iter().flatten();
    let late = late.filter(|piece| known.iter().all(|one| one.id != piece.id));
    let left_out = |piece: &Evidence| LeftOut {
        evidence: piece.id,
        sha256: piece.sha256.clone(),
        why: "it came while the package was made".into(),
    };
    late.map(left_out).collect()
}

/// Its sha256, bytes and CRC; without a name.
fn sums(path: &Path) -> io::Result<(ExportedFile, u32)> {
    let mut file = File::open(path)?;
    let (mut hash, mut crc, mut bytes) = (Sha256::new(), Crc::new(), 0);
    let mut chunk = vec![0; 1 << 16];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            n => {
                hash.update(&chunk[..n]);
                crc.take(&chunk[..n]);
                bytes += n as u64;
            }
        }
    }
    let sha256 = hex(&hash.finalize());
    Ok((ExportedFile { name: String::new(), sha256, bytes }, crc.value()))
}

/// All that a package is made of.
struct PackageParts<'p> {
    order: &'p ExportOrder,
    key: &'p SiteKey,
    chain: &'p Collected,
    links: &'p [ChainLink],
    pieces: &'p [Piece],
    left_out: &'p [LeftOut],
}

impl PackageParts<'_> {
    /// Writes and syncs it; returns its bytes.
    fn write(&self, to: &Path) -> io::Result<u64> {
        let (order, links) = (self.order, self.links);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        let mut writing = Writing::new(BufWriter::new(file));
        let mut files = Vec::new();
        let readme = manifest::readme(order.site.as_str(), order.incident);
        for (name, content) in [
            (manifest::README, readme.as_bytes()),
            (manifest::RECORDS, chain::lines(links).as_bytes()),
            (manifest::CHAIN, &self.chain.bytes[..]),
        ] {
            writing.put_bytes(name, content)?;
            files.push(described(name, content));
        }
        for piece in self.pieces {
            let sums = (piece.file.bytes, piece.crc);
            let mut from = BufReader::new(File::open(&piece.path)?);
            writing.put(&piece.file.name, sums, &mut from)?;
            files.push(piece.file.clone());
        }
        let public = self.key.public() + "\n";
        writing.put_bytes(manifest::PUBLIC_KEY, public.as_bytes())?;
        files.push(described(manifest::PUBLIC_KEY, public.as_bytes()));
        let seqs = |link: Option<&ChainLink>| link.map_or(0, |link| link.seq);
        let manifest = Manifest {
            format: manifest::FORMAT.into(),
            version: manifest::FORMAT_VERSION,
            gridpost: env!("CARGO_PKG_VERSION").into(),
            site: PackageSite { id: order.site.clone(), name: order.site_name.clone() },
            incident: order.incident,
            export: order.export,
            at: order.at,
            by: order.by.clone(),
            why: order.why.clone(),
            key: self.key.public(),
            chain: ChainSpan {
                from: seqs(links.first()),
                through: seqs(links.last()),
                records: links.len(),
                left_out: self.chain.left_out,
            },
            files,
            left_out: self.left_out.to_vec(),
        };
        let manifest = serde_json::to_vec_pretty(&manifest)?;
        writing.put_bytes(manifest::MANIFEST, &manifest)?;
        let signature = self.key.sign(&manifest) + "\n";
        writing.put_bytes(manifest::SIGNATURE, signature.as_bytes())?;
        let (mut out, bytes) = writing.finish()?;
        out.flush()?;
        out.get_ref().sync_all()?;
        Ok(bytes)
    }
}

fn described(name: &str, content: &[u8]) -> ExportedFile {
    let sha256 = hex(&Sha256::digest(content));
    ExportedFile { name: name.into(), sha256, bytes: content.len() as u64 }
}
