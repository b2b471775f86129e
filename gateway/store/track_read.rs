//! Kept tracks read back, for whoever tries rules on them: only what lies in the times that are asked for.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::track_folder::{hour, is_ours};
use crate::domain::{Bbox, KeptLook, SourceId, Track};

/// Looks that are read at most; of more, the newest. A look is a few hundred bytes in memory.
const LOOKS_MAX: usize = 200_000;
/// Lines that are read at most, whoever they are of: a core goes through some hundred thousand a second.
const LINES_MAX: usize = 3_000_000;
/// Bytes of a line; a longer one is none of ours.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// A look is in the file of the hour in which it was written, by another clock than its own.
const AROUND: SignedDuration = SignedDuration::from_hours(1);

/// What was found.
#[derive(Debug, Default)]
pub struct KeptTracks {
    /// By camera, each sorted by time.
    pub looks: BTreeMap<SourceId, Vec<KeptLook>>,
    /// Lines and files that nobody can read.
    pub unreadable: u64,
    /// There were more than can be read at once; the oldest are left out.
    pub left_out: bool,
}

/// Id, label, score, left, top, right, bottom, seen.
type Row = (u64, String, f32, f32, f32, f32, f32, u8);

/// A line as `tracks.rs` writes it.
#[derive(Deserialize)]
struct TrackLine {
    at: Timestamp,
    camera: SourceId,
    tracks: Vec<Row>,
}

/// Looks of these cameras in these times. Blocks on the disk.
pub fn kept_tracks(
    data: &Path,
    wanted: &BTreeMap<SourceId, Vec<(Timestamp, Timestamp)>>,
) -> KeptTracks {
    let mut kept = KeptTracks::default();
    let folder = data.join("tracks");
    let Ok(entries) = fs::read_dir(&folder) else { return kept };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| is_ours(name) && is_of(name, wanted)).collect();
    // The newest first: where there are too many, the oldest are not read.
    names.sort();
    let mut labels = HashMap::new();
    let mut left = ReadBudget { looks: LOOKS_MAX, lines: LINES_MAX };
    for name in names.iter().rev() {
        if left.looks == 0 || left.lines == 0 {
            kept.left_out = true;
            break;
        }
        match File::open(folder.join(name)) {
            Ok(file) => read(file, wanted, &mut labels, &mut kept, &mut left),
            // It has left just now, by age.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(_) => kept.unreadable += 1,
        }
    }
    kept.looks.values_mut().for_each(|looks| looks.sort_by_key(|look| look.at));
    kept
}

/// Whether a file of this hour may hold something of it.
fn is_of(name: &str, wanted: &BTreeMap<SourceId, Vec<(Timestamp, Timestamp)>>) -> bool {
    let of = |(from, until): &(Timestamp, Timestamp)| {
        let from = from.checked_sub(AROUND).unwrap_or(*from);
        let until = until.checked_add(AROUND).unwrap_or(*until);
        (hour(from).as_str()..=hour(until).as_str()).contains(&&name[..13])
    };
    wanted.values().flatten().any(of)
}

/// What may still be read.
struct ReadBudget {
    looks: usize,
    lines: usize,
}

fn read(
    file: File,
    wanted: &BTreeMap<SourceId, Vec<(Timestamp, Timestamp)>>,
    labels: &mut HashMap<String, Arc<str>>,
    kept: &mut KeptTracks,
    left: &mut ReadBudget,
) {
    let (mut reader, mut bytes) = (BufReader::new(file), Vec::new());
    loop {
        if left.looks == 0 || left.lines == 0 {
            kept.left_out = true;
            return;
        }
        left.lines -= 1;
        bytes.clear();
        let mut line = std::io::Read::take(&mut reader, LINE_BYTES_MAX);
        match line.read_until(b'\n', &mut bytes) {
            Ok(0) => return,
            Ok(_) => {}
            Err(_) => {
                kept.unreadable += 1;
                return;
            }
        }
        // The line that is being written has no end yet.
        let Some(text) = bytes.strip_suffix(b"\n").filter(|text| !text.is_empty()) else {
            continue;
        };
        let Ok(line) = serde_json::from_slice::<TrackLine>(text) else {
            kept.unreadable += 1;
            continue;
        };
        let spans = wanted.get(&line.camera).map_or(&[][..], Vec::as_slice);
        if spans.iter().any(|(from, until)| (*from..=*until).contains(&line.at)) {
            let track = |row: Row| track(row, line.at, labels);
            let tracks = line.tracks.into_iter().map(track).collect();
            kept.looks.entry(line.camera).or_default().push(KeptLook { at: line.at, tracks });
            left.looks -= 1;
        }
    }
}

fn track(row: Row, at: Timestamp, labels: &mut HashMap<String, Arc<str>>) -> Track {
    let (id, label, score, x0, y0, x1, y1, seen) = row;
    let bbox = Bbox::new(x0, y0, x1, y1);
    let label = labels.entry(label).or_insert_with_key(|label| label.as_str().into()).clone();
    let (seen, origin) = (seen != 0, bbox.foot());
    Track { id, label, score, bbox, seen, since: at, origin, shown_in_crop: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_read_and_what_is_broken_costs_itself() {
        let folder = tempfile::tempdir().unwrap();
        let tracks = folder.path().join("tracks");
        fs::create_dir(&tracks).unwrap();
        let line = |at: &str, camera: &str, label: &str| {
            format!(
                "{{\"at\":\"{at}\",\"camera\":\"{camera}\",\"tracks\":[[7,\"{label}\",0.512,0.1,0.2,0.3,0.4,1],[8,\"car\",0.9,0.1,0.2,0.3,0.4,0]]}}\n"
            )
        };
        let text = [
            line("2026-11-28T04:10:02Z", "a", "person"),
            "{\"at\":\"2026-11-28T04:1\n".into(),
            line("2026-11-28T04:10:01Z", "a", "person"),
            line("2026-11-28T04:10:01Z", "b", "person"),
            line("2026-11-28T04:59:00Z", "a", "person"),
            "{\"at\":\"2026-11-28T04:10:03Z\",\"cam".into(),
        ];
        fs::write(tracks.join("2026-11-28T04-0000.jsonl"), text.concat()).unwrap();
        fs::write(tracks.join("2026-11-29T04-0000.jsonl"), "not asked for\n").unwrap();
        fs::write(tracks.join("notes.jsonl"), "not ours\n").unwrap();
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let span = (at("2026-11-28T04:10:01Z"), at("2026-11-28T04:10:02Z"));
        let kept = kept_tracks(folder.path(), &BTreeMap::from([("a".into(), vec![span])]));
        assert_eq!((kept.unreadable, kept.left_out, kept.looks.len()), (1, false, 1));
        let looks = &kept.looks[&"a".into()];
        assert_eq!(looks.iter().map(|look| look.at).collect::<Vec<_>>(), [span.0, span.1]);
        let track = &looks[0].tracks[0];
        assert_eq!((track.id, &*track.label, track.seen), (7, "person", true));
        assert!(!looks[0].tracks[1].seen && (track.score - 0.512).abs() < 1e-6);
        assert!(kept_tracks(&folder.path().join("none"), &BTreeMap::new()).looks.is_empty());
    }
}
