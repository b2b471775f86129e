//! An incident as one file that any machine can prove: evidence, records, their part of the chain, and a manifest
//! that the site has signed.

mod chain;
mod container;
mod manifest;
#[cfg(test)]
mod tests;
mod verify;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Seek, Write},
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
        let record = self.incident(order.incident).ok_or(NoExport::Unknown)?;
        // One at a time: each reads the journal, and takes the room of its evidence once more.
        let _turn = lock(&self.inner.exporting);
        let key = SiteKey::load_or_make(&self.inner.data_folder.root)?;
        let hold = HoldOrder {
            incident: order.incident,
            by: order.by.clone(),
            why: order.why.clone(),
            days: order.hold_days,
            at: order.at,
        };
        let hold = self.put_hold(&hold).map_err(|error| error.to_string())?;
        let (pieces, left_out) = self.pieces(&record);
        self.has_room(to, pieces.iter().map(|piece| piece.file.bytes).sum())?;
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
        let chain = self.chain(order, brief.first)?;
        let parts =
            PackageParts { order, key: &key, chain: &chain, pieces: &pieces, left_out: &left_out };
        let bytes = parts.write(to).map_err(|error| {
            drop(fs::remove_file(to));
            format!("{}: {error}", to.display())
        })?;
        Ok(Exported {
            export: order.export,
            bytes,
            pieces: pieces.len(),
            left_out: left_out.len(),
            until: hold.until,
            key: key.public(),
        })
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

    fn chain(&self, order: &ExportOrder, first: u64) -> Result<Vec<u8>, String> {
        let folder = &self.inner.data_folder;
        let collected = chain::collect(folder, (order.incident, first), order.export)?;
        match collected.is_whole {
            true => Ok(collected.bytes),
            false => Err("the journal could not be read up to the record of this export".into()),
        }
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
    chain: &'p [u8],
    pieces: &'p [Piece],
    left_out: &'p [LeftOut],
}

impl PackageParts<'_> {
    /// Writes and syncs it; returns its bytes.
    fn write(&self, to: &Path) -> io::Result<u64> {
        let links = chain::read(self.chain).map_err(io::Error::other)?;
        let order = self.order;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        let mut writing = Writing::new(BufWriter::new(file));
        let mut files = Vec::new();
        let readme = manifest::readme(order.site.as_str(), order.incident);
        for (name, content) in [
            (manifest::README, readme.as_bytes()),
            (manifest::RECORDS, chain::lines(&links).as_bytes()),
            (manifest::CHAIN, self.chain),
        ] {
            writing.put_bytes(name, content)?;
            files.push(described(name, content));
        }
        for piece in self.pieces {
            let sums = (piece.file.bytes, piece.crc);
            let mut from = BufReader::new(File::open(&piece.path)?);
            from.rewind()?;
            writing.put(&piece.file.name, sums, &mut from)?;
            files.push(piece.file.clone());
        }
        let public = self.key.public() + "\n";
        writing.put_bytes(manifest::PUBLIC_KEY, public.as_bytes())?;
        files.push(described(manifest::PUBLIC_KEY, public.as_bytes()));
        let seqs = |link: Option<&chain::ChainLink>| link.map_or(0, |link| link.seq);
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
