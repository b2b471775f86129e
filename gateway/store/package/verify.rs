//! `gridpost verify`: proves a package on any machine, with nothing but the file and the site's public key.

use std::{collections::BTreeMap, fs::File, io::BufReader, path::Path};

use sha2::{Digest, Sha256};

use super::{
    chain::{self, ChainLink},
    container::{self, Hears},
    manifest::{self, ChainSpan, Manifest},
};
use crate::{
    domain::{Entry, ExportedFile, Incident},
    store::{
        format::hex,
        own_keys::{is_signed, unhex},
    },
};

/// Of what is read into memory: chain and records, together.
const HELD_BYTES_MAX: usize = 1 << 30;

/// Everything in a package, once.
#[derive(Default)]
struct Contents {
    files: Vec<ExportedFile>,
    /// What is looked into; evidence is not.
    texts: BTreeMap<String, Vec<u8>>,
    held: usize,
    hash: Sha256,
}

impl Hears for Contents {
    fn begins(&mut self, name: &str, bytes: u64) -> Result<(), String> {
        if self.files.iter().any(|file| file.name == name) {
            return Err(format!("{name}: there are two of it"));
        }
        self.files.push(ExportedFile { name: name.into(), sha256: String::new(), bytes });
        self.hash = Sha256::new();
        if !name.starts_with(manifest::EVIDENCE) {
            self.held = self.held.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX));
            if self.held > HELD_BYTES_MAX {
                return Err(format!("{name}: larger than any package that gridpost makes"));
            }
            self.texts.insert(name.into(), Vec::new());
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.hash.update(bytes);
        let name = self.files.last().map(|file| file.name.as_str()).unwrap_or_default();
        if let Some(text) = self.texts.get_mut(name) {
            text.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn ends(&mut self) -> Result<(), String> {
        let hash = std::mem::take(&mut self.hash).finalize();
        if let Some(file) = self.files.last_mut() {
            file.sha256 = hex(&hash);
        }
        Ok(())
    }
}

/// Proves a package; `key`: what the site says its public key is, 64 hex digits. Sentences for people say what
/// was proved, or the error what is wrong.
pub fn verify(path: &Path, key: Option<&str>) -> Result<Vec<String>, String> {
    let wanted = key.map(str::trim);
    if let Some(key) = wanted.filter(|key| unhex(key).is_none_or(|bytes| bytes.len() != 32)) {
        return Err(format!("`{key}` is no public key: expected 64 hex digits in lower case"));
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut contents = Contents::default();
    container::read(&mut BufReader::with_capacity(1 << 16, file), &mut contents)?;
    let manifest = contents.manifest(wanted)?;
    contents.has_what_is_listed(&manifest)?;
    let links = contents.links(&manifest)?;
    let latest = exported(&manifest, &links)?;
    has_all_evidence(&manifest, latest)?;
    Ok(said(&manifest, &links, latest, wanted.is_some()))
}

impl Contents {
    fn text(&self, name: &str) -> Result<&[u8], String> {
        let text = self.texts.get(name).map(Vec::as_slice);
        text.ok_or_else(|| {
            format!("{name} is missing: this is no package of gridpost, or not whole")
        })
    }

    /// Signed by the key that it names, and by the one that is wanted.
    fn manifest(&self, wanted: Option<&str>) -> Result<Manifest, String> {
        let bytes = self.text(manifest::MANIFEST)?;
        let signature = std::str::from_utf8(self.text(manifest::SIGNATURE)?).unwrap_or_default();
        let manifest: Manifest = serde_json::from_slice(bytes)
            .map_err(|error| format!("{}: {error}", manifest::MANIFEST))?;
        if manifest.format != manifest::FORMAT || manifest.version != manifest::FORMAT_VERSION {
            return Err(format!(
                "it is a {} of version {}; this gridpost knows {} of version {}",
                manifest.format,
                manifest.version,
                manifest::FORMAT,
                manifest::FORMAT_VERSION
            ));
        }
        if wanted.is_some_and(|key| key != manifest.key) {
            return Err(format!("it is signed by another key, {}", manifest.key));
        }
        let signature = signature.strip_suffix('\n').unwrap_or_default();
        match is_signed(&manifest.key, bytes, signature) {
            true => Ok(manifest),
            false => Err("its manifest is not what was signed".into()),
        }
    }

    /// The same files in the same order, and nothing beside them.
    fn has_what_is_listed(&self, manifest: &Manifest) -> Result<(), String> {
        let own = [manifest::MANIFEST, manifest::SIGNATURE];
        let listed = manifest.files.iter().map(|file| file.name.as_str()).chain(own);
        let found = self.files.iter().map(|file| file.name.as_str());
        if !listed.clone().eq(found.clone()) {
            let missing = listed.clone().find(|name| !found.clone().any(|one| one == *name));
            let added = found.clone().find(|name| !listed.clone().any(|one| one == *name));
            return Err(match (missing, added) {
                (Some(name), _) => format!("{name} is missing"),
                (None, Some(name)) => format!("{name} was added"),
                (None, None) => "its files stand in another order".into(),
            });
        }
        let differs =
            manifest.files.iter().zip(&self.files).find(|(listed, found)| listed != found);
        if let Some((listed, _)) = differs {
            return Err(format!("{}: it is not the file that was signed", listed.name));
        }
        let key = self.text(manifest::PUBLIC_KEY)?;
        match key.strip_suffix(b"\n") == Some(manifest.key.as_bytes()) {
            true => Ok(()),
            false => Err(format!("{}: another key than the manifest names", manifest::PUBLIC_KEY)),
        }
    }

    /// The records, each right in itself and in its place.
    fn links(&self, manifest: &Manifest) -> Result<Vec<ChainLink>, String> {
        let links = chain::read(self.text(manifest::CHAIN)?)
            .map_err(|reason| format!("{}: {reason}", manifest::CHAIN))?;
        if chain::lines(&links).as_bytes() != self.text(manifest::RECORDS)? {
            return Err(format!("{}: not the records of the chain", manifest::RECORDS));
        }
        let seq = |link: Option<&ChainLink>| link.map_or(0, |link| link.seq);
        let (from, through) = (seq(links.first()), seq(links.last()));
        // How many were left out is the site's word alone, and signed.
        let left_out = manifest.chain.left_out;
        match manifest.chain == (ChainSpan { from, through, records: links.len(), left_out }) {
            true => Ok(links),
            false => Err(format!("{}: not the records that the manifest names", manifest::CHAIN)),
        }
    }
}

/// The journal knows of this export what the manifest says; returns the incident as it was then.
fn exported<'l>(manifest: &Manifest, links: &'l [ChainLink]) -> Result<&'l Incident, String> {
    let evidence = manifest.files.iter().filter(|file| file.name.starts_with(manifest::EVIDENCE));
    let is_this = |entry: &Entry| match entry {
        Entry::Exported { export, incident, by, why, files, at, .. } => {
            (export, incident, by, why, at)
                == (&manifest.export, &manifest.incident, &manifest.by, &manifest.why, &manifest.at)
                && files.iter().eq(evidence.clone())
        }
        _ => false,
    };
    if !links.last().and_then(ChainLink::entry).is_some_and(is_this) {
        return Err("its last record is not the one of this export".into());
    }
    let newest = chain::newest(links, manifest.incident);
    newest.ok_or_else(|| "no record of the incident is in it".into())
}

/// Every piece that the incident lists is there, as it was recorded, or is named as left out.
fn has_all_evidence(manifest: &Manifest, incident: &Incident) -> Result<(), String> {
    let prefix = |id: &dyn std::fmt::Display| format!("{}{id}.", manifest::EVIDENCE);
    for piece in &incident.evidence {
        let file = manifest.files.iter().find(|file| file.name.starts_with(&prefix(&piece.id)));
        let left_out = manifest.left_out.iter().any(|one| one.evidence == piece.id);
        match file {
            Some(file) if file.sha256 != piece.sha256 => {
                return Err(format!("{}: not the file that the records name", file.name));
            }
            None if !left_out => return Err(format!("evidence {} is missing", piece.id)),
            _ => {}
        }
    }
    let named = |file: &&ExportedFile| {
        let is_of = |id: &dyn std::fmt::Display| file.name.starts_with(&prefix(id));
        !file.name.starts_with(manifest::EVIDENCE)
            || incident.evidence.iter().any(|one| is_of(&one.id))
    };
    match manifest.files.iter().find(|file| !named(file)) {
        Some(file) => Err(format!("{}: no record names it", file.name)),
        None => Ok(()),
    }
}

/// Records of the incident that there were once, as far as that is known.
fn not_in_it(manifest: &Manifest, links: &[ChainLink]) -> Vec<String> {
    let mut lines = Vec::new();
    let left_out = manifest.chain.left_out;
    if left_out > 0 {
        lines.push(format!(
            "未包含：{left_out} 条不含新内容的记录（重复更新、其送达结果、重复按键），数目为现场所述。 Left out: {left_out} records that say nothing new (updates, what became of them, presses that came again), as the site says."
        ));
    }
    let first = chain::states(links, manifest.incident).map(|incident| incident.revision).min();
    if let Some(first) = first.filter(|first| *first > 1) {
        lines.push(format!(
            "未包含：修订 {first} 之前的记录在导出时已不在日志中。 Not in it: records before revision {first}: the journal had them no more when it was exported."
        ));
    }
    let again = links.iter().filter(|link| link.is_again()).count();
    if again > 0 {
        lines.push(format!(
            "其中 {again} 条是日志旧段移除前重新写入的：内容不变，日志中的原位置已不可证。 {again} of the records were written again before the part of the journal left that held them: they say the same, and where they stood before cannot be proved any more."
        ));
    }
    lines
}

/// What was proved, Chinese first: an officer or a court reads it.
fn said(
    manifest: &Manifest,
    links: &[ChainLink],
    incident: &Incident,
    is_key_known: bool,
) -> Vec<String> {
    let pieces =
        manifest.files.iter().filter(|file| file.name.starts_with(manifest::EVIDENCE)).count();
    let linked = links.iter().filter(|link| link.is_linked).count();
    let (site, name) = (&manifest.site.id, &manifest.site.name);
    let mut lines = vec![
        format!("事件 incident: {} ({})", incident.title.zh, manifest.incident),
        format!("现场 site: {site} {name}"),
        format!("导出 exported: {} {}: {}", manifest.at, manifest.by, manifest.why),
        format!("签名密钥 signed by: {}", manifest.key),
        "已证实：自导出以来未改动一个比特，没有文件缺失、增加、改名或换位。 Proved: not one bit was changed since it was exported; no file is missing, added, renamed or in another place.".into(),
        format!(
            "已证实：{pieces} 个证据文件与记录中的 sha256 一致。 Proved: {pieces} files of evidence are those that the records name, by sha256."
        ),
        format!(
            "已证实：{} 条记录完整，其中 {linked} 条的哈希写在日志的下一条记录中。 Proved: {} records are whole; the hash of {linked} of them stands in the record behind it in the journal.",
            links.len(),
            links.len()
        ),
    ];
    for one in &manifest.left_out {
        lines.push(format!("未包含 left out: {} ({})", one.evidence, one.why));
    }
    lines.extend(not_in_it(manifest, links));
    lines.push(match is_key_known {
        true => "已证实：签名密钥就是所给的公钥。 Proved: the key is the one that was given.".into(),
        false => "未证实：该密钥是否属于现场。请用 --key 给出现场公钥（现场运行 gridpost keys）。 NOT PROVED: that this key is the site's. Give the site's with --key (`gridpost keys` there prints it): anybody can sign with a key of his own.".into(),
    });
    lines
}
