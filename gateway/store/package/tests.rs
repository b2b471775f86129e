//! A package proves what it is, and any other file does not: one bit, one file, one place, one key.

use std::{fs, path::PathBuf};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use super::{container::Writing, *};
use crate::{
    domain::{EvidenceId, IdMint, Now, Severity, Stage},
    store::{
        own_keys::site_key,
        tests::{change, kept, new_store, noon, press, put, record},
    },
};

struct Site {
    folder: TempDir,
    store: Store,
    incident: IncidentId,
}

/// A piece that is in its place, and which no record names yet.
pub(in crate::store) fn evidence(store: &Store, end: &str, content: &[u8]) -> Evidence {
    let new = store.new_evidence(EvidenceId::new(), end).unwrap();
    let media_type = if end == "jpg" { "image/jpeg" } else { "video/mp4" };
    Evidence { starts_at: Some(noon()), ..kept(store, new, media_type, content) }
}

/// An incident with a picture and a clip among others, over several segments.
fn site() -> Site {
    let (folder, store) = new_store(&[]);
    let incident = IncidentId::new();
    let (picture, clip) =
        (evidence(&store, "jpg", b"a blurred picture"), evidence(&store, "mp4", &[7; 3_000]));
    let original = store.keep_original(&picture, b"a face").unwrap();
    let mut told = record(incident, 1, Severity::ALERT);
    let piece = |one: &Evidence| Entry::Evidence { incident, evidence: one.clone() };
    put(&store, vec![press("before"), change(told.clone())]);
    for n in 0..20 {
        let mut other = record(IncidentId::new(), 1, Severity::NOTICE);
        other.incident.why = format!("the secret of somebody else {n}").repeat(20);
        put(&store, vec![change(other)]);
    }
    told.incident.revision = 2;
    told.incident.evidence = vec![picture.clone(), clip.clone(), original.clone()];
    put(&store, vec![piece(&picture), piece(&original), piece(&clip), change(told.clone())]);
    put(&store, vec![press("between")]);
    told.incident.revision = 3;
    told.incident.stage = Stage::Closed;
    put(&store, vec![change(told)]);
    Site { folder, store, incident }
}

pub(in crate::store) fn order_of(incident: IncidentId) -> ExportOrder {
    let now = Now { wall: noon(), mono_ms: 0 };
    ExportOrder {
        incident,
        export: IdMint::new(rand::random()).export(now),
        by: "李警官".into(),
        why: "案件 2026-17".into(),
        site: "room-1".into(),
        site_name: "城关派出所".into(),
        hold_days: 180,
        at: noon(),
    }
}

impl Site {
    fn order(&self) -> ExportOrder {
        order_of(self.incident)
    }

    fn export(&self, name: &str) -> (PathBuf, Exported) {
        let to = self.folder.path().join(name);
        let made = self.store.export(&self.order(), &to).unwrap();
        assert_eq!(fs::metadata(&to).unwrap().len(), made.bytes);
        (to, made)
    }
}

/// Names and contents, as any unzipper sees them.
fn unpack(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    #[derive(Default)]
    struct Files(Vec<(String, Vec<u8>)>);
    impl container::Hears for Files {
        fn begins(&mut self, name: &str, _: u64) -> Result<(), String> {
            self.0.push((name.into(), Vec::new()));
            Ok(())
        }
        fn bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
            self.0.last_mut().unwrap().1.extend_from_slice(bytes);
            Ok(())
        }
        fn ends(&mut self) -> Result<(), String> {
            Ok(())
        }
    }
    let mut files = Files::default();
    container::read(&mut &bytes[..], &mut files).unwrap();
    files.0
}

fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writing = Writing::new(Vec::new());
    files.iter().for_each(|(name, content)| writing.put_bytes(name, content).unwrap());
    writing.finish().unwrap().0
}

#[test]
fn a_package_is_proved_by_its_key_and_holds_nothing_of_others() {
    let site = site();
    let (path, made) = site.export("one.zip");
    assert_eq!((made.pieces, made.left_out), (2, 1), "the original stays");
    let said = verify(&path, Some(&made.key)).unwrap().join("\n");
    assert!(said.contains("2 files of evidence") && said.contains("案件 2026-17"), "{said}");
    assert!(!said.contains("NOT PROVED"), "{said}");
    assert_eq!(site_key(site.folder.path()).unwrap(), made.key);
    let said = verify(&path, None).unwrap().join("\n");
    assert!(said.contains("NOT PROVED: that this key is the site's"), "{said}");
    let bytes = fs::read(&path).unwrap();
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    assert!(holds(b"a blurred picture") && holds("案件".as_bytes()));
    for secret in [&b"secret of somebody else"[..], b"a face", b"before", b"between"] {
        assert!(!holds(secret), "{}", String::from_utf8_lossy(secret));
    }
    // Every record of the incident is in it: three changes, three pieces, and the export itself.
    let files = unpack(&bytes);
    let records = files.iter().find(|(name, _)| name == manifest::RECORDS).unwrap();
    let lines: Vec<serde_json::Value> = String::from_utf8(records.1.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 7, "{lines:#?}");
    // Another one, after which the first is as good as before.
    let (again, second) = site.export("two.zip");
    assert!(verify(&again, Some(&second.key)).is_ok() && verify(&path, Some(&second.key)).is_ok());
    assert!(site.store.export(&site.order(), &path).is_err(), "nothing is written over");
    assert!(path.exists(), "and it is still there");
    let unknown = ExportOrder { incident: IncidentId::new(), ..site.order() };
    let none = site.store.export(&unknown, &site.folder.path().join("no.zip")).unwrap_err();
    assert_eq!(none, NoExport::Unknown);
}

#[test]
fn p10_one_bit_anywhere_breaks_it() {
    let site = site();
    let (path, made) = site.export("one.zip");
    let bytes = fs::read(&path).unwrap();
    let seed = std::env::var("GRIDPOST_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("GRIDPOST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let bent_path = site.folder.path().join("bent.zip");
    // Every byte once, with a bit of it by chance: heads, names, contents, directory, and end.
    for at in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 1 << random.random_range(0..8);
        fs::write(&bent_path, &bent).unwrap();
        assert!(verify(&bent_path, None).is_err(), "byte {at}");
    }
    for _ in 0..200 {
        let cut = random.random_range(0..bytes.len());
        fs::write(&bent_path, &bytes[..cut]).unwrap();
        assert!(verify(&bent_path, None).is_err(), "cut at {cut}");
    }
    fs::write(&bent_path, &bytes).unwrap();
    assert!(verify(&bent_path, Some(&made.key)).is_ok(), "and the whole one is right");
}

#[test]
fn files_that_are_missing_added_moved_renamed_or_changed_are_named() {
    let site = site();
    let (path, _) = site.export("one.zip");
    let files = unpack(&fs::read(&path).unwrap());
    assert_eq!(pack(&files), fs::read(&path).unwrap(), "it has one form");
    let other = site.folder.path().join("other.zip");
    let told = |files: &[(String, Vec<u8>)]| {
        fs::write(&other, pack(files)).unwrap();
        verify(&other, None).unwrap_err()
    };
    for n in 0..files.len() {
        let mut fewer = files.clone();
        let (name, _) = fewer.remove(n);
        assert!(told(&fewer).contains("missing"), "{name}: {}", told(&fewer));
        let mut twice = files.clone();
        twice.insert(n, files[n].clone());
        assert!(told(&twice).contains("two of it"), "{name}");
        let mut renamed = files.clone();
        renamed[n].0.push('x');
        assert!(!told(&renamed).is_empty(), "{name}");
        let mut changed = files.clone();
        changed[n].1.push(b' ');
        assert!(!told(&changed).is_empty(), "{name}");
        let mut emptied = files.clone();
        emptied[n].1.clear();
        assert!(!told(&emptied).is_empty(), "{name}");
    }
    for n in 1..files.len() {
        let mut moved = files.clone();
        moved.swap(n - 1, n);
        assert!(told(&moved).contains("another order"), "{n}: {}", told(&moved));
    }
    let mut added = files.clone();
    added.insert(4, ("evidence/more.jpg".into(), b"x".to_vec()));
    assert!(told(&added).contains("was added"));
}

/// Who has a key of his own can sign anything, and cannot make the records say it.
#[test]
fn what_another_key_signs_is_another_package_and_its_records_must_still_fit() {
    let site = site();
    let (path, made) = site.export("one.zip");
    let forger = tempfile::tempdir().unwrap();
    let key = SiteKey::load_or_make(forger.path()).unwrap();
    type Files = Vec<(String, Vec<u8>)>;
    let resigned = |change: &dyn Fn(&mut Files)| {
        let mut files = unpack(&fs::read(&path).unwrap());
        change(&mut files);
        let public = key.public() + "\n";
        let of = |files: &[(String, Vec<u8>)], name: &str| {
            files.iter().position(|(one, _)| one == name).unwrap()
        };
        let at = of(&files, manifest::PUBLIC_KEY);
        files[at].1 = public.into_bytes();
        let at = of(&files, manifest::MANIFEST);
        let mut manifest: Manifest = serde_json::from_slice(&files[at].1).unwrap();
        manifest.key = key.public();
        manifest.files = files[..at].iter().map(|(name, text)| described(name, text)).collect();
        files[at].1 = serde_json::to_vec_pretty(&manifest).unwrap();
        let signature = key.sign(&files[at].1) + "\n";
        let at = of(&files, manifest::SIGNATURE);
        files[at].1 = signature.into_bytes();
        let to = forger.path().join("forged.zip");
        fs::write(&to, pack(&files)).unwrap();
        to
    };
    let same = resigned(&|_| {});
    assert!(verify(&same, Some(&made.key)).unwrap_err().contains("another key"));
    assert!(verify(&same, None).unwrap().join(" ").contains("NOT PROVED"), "nobody can tell alone");
    let other_picture = resigned(&|files| {
        let at = files.iter().position(|(name, _)| name.ends_with(".jpg")).unwrap();
        files[at].1 = b"another picture".to_vec();
    });
    let why = verify(&other_picture, None).unwrap_err();
    assert!(why.contains("last record"), "the journal's record names the right one: {why}");
    let no_chain = resigned(&|files| {
        let at = files.iter().position(|(name, _)| name == manifest::CHAIN).unwrap();
        let chain = &mut files[at].1;
        let record = chain.len() - 60;
        chain[record] ^= 1;
    });
    assert!(verify(&no_chain, None).unwrap_err().contains("chain.bin"));
    for wrong in ["", "00", &made.key.to_uppercase(), &made.key[1..]] {
        assert!(verify(&path, Some(wrong)).unwrap_err().contains("no public key"), "{wrong}");
    }
}

#[test]
fn an_export_is_in_the_journal_and_holds_the_evidence() {
    let site = site();
    let (_, made) = site.export("one.zip");
    assert_eq!(made.until, noon() + jiff::SignedDuration::from_hours(180 * 24));
    let folder = site.folder.path().to_path_buf();
    site.store.close_blocking().unwrap();
    let report = crate::store::check(&folder);
    assert!(report.sound, "{:#?}", report.lines);
    let journal = fs::read_dir(folder.join("journal")).unwrap();
    let written: Vec<Vec<u8>> = journal.map(|one| fs::read(one.unwrap().path()).unwrap()).collect();
    let id = made.export.to_string();
    let is_there = |bytes: &Vec<u8>| bytes.windows(id.len()).any(|part| part == id.as_bytes());
    assert!(written.iter().any(is_there), "who exported what, and why");
    let store = crate::store::tests::reopen(&folder, &[]).store;
    let mut wall = noon();
    let mut pieces_after = |days: i64| {
        wall = wall.max(noon() + jiff::SignedDuration::from_hours(days * 24));
        let most = u64::MAX;
        let now = Now { wall, mono_ms: 0 };
        store.make_room(None, (most, 0), "a test", now).unwrap()
    };
    // Whoever is short of room takes what is held too, and says so: nothing else is left.
    assert_eq!(pieces_after(0), 3);
}
