//! The file of `replay --tracks`: MOTChallenge text, or a table with a header where its name ends with `.csv`.
//!
//! The text has ten columns and no header, as evaluators of tracking read it: frame, id, left, top,
//! width, height, score, class, seen, -1. Frames and pixels count from 1. A disk that is full ends
//! the file and nothing else: what was written stays, in whole lines.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{domain::Track, runtime::TrackedLook};

/// Stands for the id of the camera in the name of the file.
const CAMERA: &str = "{camera}";
/// Bytes of whole lines that are written at once.
const WRITE_BYTES: usize = 64 << 10;
const HEADER: &str = "camera,frame,seconds,at,id,label,score,left,top,width,height,seen\n";

/// Takes the tracks of a replay.
pub(super) struct TrackFile {
    is_table: bool,
    /// By camera; all cameras of a table share one, under no name.
    files: HashMap<String, CameraFile>,
    /// Why no more is written.
    failed: Option<String>,
}

/// One file, and what waits to be written to it.
struct CameraFile {
    path: PathBuf,
    /// None: it could not be made.
    file: Option<File>,
    lines: String,
    /// Bytes on disk, all of them whole lines.
    written: u64,
    /// By camera: the frame that was written last.
    frames: HashMap<String, u64>,
}

impl TrackFile {
    /// Makes the file of each camera. The error is wrong usage; a file that cannot be made is said,
    /// and [`Self::finish`] says it again.
    pub(super) fn create(path: &Path, cameras: &[&str], inputs: &[&Path]) -> Result<Self, String> {
        let is_table = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
        let name = path.to_string_lossy();
        let several = cameras.len() > 1 && !is_table;
        if several && !name.contains(CAMERA) {
            return Err(format!(
                "--tracks {name}: the text has no column for the camera, and {} are played; \
                 expected {CAMERA} in the name, or a name that ends with .csv",
                cameras.join(", ")
            ));
        }
        let mut this = Self { is_table, files: HashMap::new(), failed: None };
        let names = if is_table { &[""] } else { cameras };
        for camera in names {
            let path = match is_table {
                true => path.to_owned(),
                false => PathBuf::from(name.replace(CAMERA, camera)),
            };
            let is_same = |input: &&&Path| {
                let real = |path: &Path| path.canonicalize().ok();
                real(input).is_some_and(|input| real(&path) == Some(input))
            };
            if let Some(input) = inputs.iter().find(is_same) {
                let input = input.display();
                return Err(format!(
                    "--tracks {name}: {input} is played, and would be overwritten"
                ));
            }
            let mut file = CameraFile::create(path, &mut this.failed);
            file.lines.push_str(if is_table { HEADER } else { "" });
            this.files.insert((*camera).to_owned(), file);
        }
        Ok(this)
    }

    /// Writes down a look. A picture that was told already is left out.
    pub(super) fn take(&mut self, look: &TrackedLook<'_>) {
        let camera = look.camera.as_str();
        let Some(file) = self.files.get_mut(if self.is_table { "" } else { camera }) else {
            return;
        };
        if self.failed.is_some() || file.frames.get(camera).is_some_and(|last| look.frame <= *last)
        {
            return;
        }
        file.frames.insert(camera.to_owned(), look.frame);
        for track in look.tracks {
            match self.is_table {
                true => table_line(&mut file.lines, look, track),
                false => text_line(&mut file.lines, look, track),
            }
        }
        if file.lines.len() >= WRITE_BYTES {
            file.write(&mut self.failed);
        }
    }

    /// Writes what still waits. The error says why not all is there.
    pub(super) fn finish(mut self) -> Result<(), String> {
        for file in self.files.values_mut() {
            if self.failed.is_none() {
                file.write(&mut self.failed);
            }
        }
        self.failed.map_or(Ok(()), Err)
    }
}

impl CameraFile {
    fn create(path: PathBuf, failed: &mut Option<String>) -> Self {
        let file = match File::create(&path) {
            Ok(file) => Some(file),
            Err(error) => {
                fails(failed, &path, &error, "no tracks are written");
                None
            }
        };
        Self { path, file, lines: String::new(), written: 0, frames: HashMap::new() }
    }

    fn write(&mut self, failed: &mut Option<String>) {
        let Some(file) = &mut self.file else { return };
        match file.write_all(self.lines.as_bytes()) {
            Ok(()) => self.written += self.lines.len() as u64,
            Err(error) => {
                // A part of a line would be read as a line; a pipe has no length, and keeps it.
                let _ = file.set_len(self.written);
                fails(failed, &self.path, &error, "it ends early");
            }
        }
        self.lines.clear();
    }
}

/// Says at once why no more tracks are written; the replay goes on.
fn fails(failed: &mut Option<String>, path: &Path, error: &io::Error, so: &str) {
    let reason = format!("--tracks {}: cannot be written: {error}; {so}", path.display());
    tracing::error!("{reason}, the replay goes on");
    failed.get_or_insert(reason);
}

/// Left, top, width and height in pixels; the first pixel is 1.
fn pixels(look: &TrackedLook<'_>, track: &Track) -> [f64; 4] {
    let (width, height) = (f64::from(look.size.0), f64::from(look.size.1));
    let one = &track.bbox;
    let [x0, y0, x1, y1] = [one.x0, one.y0, one.x1, one.y1].map(f64::from);
    [x0 * width + 1.0, y0 * height + 1.0, (x1 - x0) * width, (y1 - y0) * height]
}

/// The benchmark's number of a class; 8 (distractor) for what it has none for.
fn class(label: &str) -> u8 {
    match label {
        "person" => 1,
        "car" | "bus" | "truck" => 3,
        "bicycle" => 4,
        "motorcycle" => 5,
        _ => 8,
    }
}

fn text_line(out: &mut String, look: &TrackedLook<'_>, track: &Track) {
    let ([left, top, width, height], seen) = (pixels(look, track), u8::from(track.seen));
    let (frame, id, score, class) = (look.frame, track.id, track.score, class(&track.label));
    let _ = writeln!(
        out,
        "{frame},{id},{left:.2},{top:.2},{width:.2},{height:.2},{score:.4},{class},{seen},-1"
    );
}

fn table_line(out: &mut String, look: &TrackedLook<'_>, track: &Track) {
    let ([left, top, width, height], seen) = (pixels(look, track), u8::from(track.seen));
    let (camera, frame, seconds, at) = (look.camera, look.frame, look.since_s, look.at);
    // A label is a line of the model's list, and may hold anything.
    let label = match track.label.contains([',', '"']) {
        true => format!("\"{}\"", track.label.replace('"', "\"\"")),
        false => track.label.to_string(),
    };
    let (id, score) = (track.id, track.score);
    let _ = writeln!(
        out,
        "{camera},{frame},{seconds:.3},{at},{id},{label},{score:.4},{left:.2},{top:.2},{width:.2},{height:.2},{seen}"
    );
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;

    use super::*;
    use crate::domain::{Bbox, SourceId};

    fn track(id: u64, label: &str, seen: bool) -> Track {
        let bbox = Bbox::new(0.25, 0.5, 0.5, 1.0);
        let since = Timestamp::UNIX_EPOCH;
        Track {
            id,
            label: label.into(),
            score: 0.87654,
            bbox,
            seen,
            since,
            origin: bbox.foot(),
            shown_in_crop: false,
        }
    }

    fn tell(file: &mut TrackFile, camera: &str, frame: u64, tracks: &[Track]) {
        let (at, since_s) = (Timestamp::UNIX_EPOCH, (frame - 1) as f64 / 10.0);
        let camera = &SourceId::from(camera);
        file.take(&TrackedLook { camera, frame, at, since_s, size: (640, 360), tracks });
    }

    #[test]
    fn the_text_is_that_of_the_benchmark_and_each_picture_is_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("{camera}.txt");
        let mut file = TrackFile::create(&path, &["a", "b"], &[]).unwrap();
        tell(&mut file, "a", 1, &[track(1, "person", true), track(2, "bus", false)]);
        tell(&mut file, "a", 1, &[track(1, "person", true)]);
        tell(&mut file, "b", 1, &[track(1, "bicycle", true), track(2, "cat", true)]);
        tell(&mut file, "a", 3, &[]);
        tell(&mut file, "a", 2, &[track(1, "person", true)]);
        tell(&mut file, "a", 4, &[track(3, "motorcycle", true)]);
        tell(&mut file, "nobody", 4, &[track(3, "person", true)]);
        file.finish().unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let place = "161.00,181.00,160.00,180.00,0.8765";
        assert_eq!(
            read("a.txt"),
            format!("1,1,{place},1,1,-1\n1,2,{place},3,0,-1\n4,3,{place},5,1,-1\n")
        );
        assert_eq!(read("b.txt"), format!("1,1,{place},4,1,-1\n1,2,{place},8,1,-1\n"));
    }

    #[test]
    fn a_table_says_the_camera_the_time_and_the_label() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tracks.CSV");
        let mut file = TrackFile::create(&path, &["a", "b"], &[]).unwrap();
        tell(&mut file, "a", 5, &[track(1, "person", true)]);
        tell(&mut file, "b", 5, &[track(1, "a \"b\", c", false)]);
        file.finish().unwrap();
        let (at, place) = ("1970-01-01T00:00:00Z", "161.00,181.00,160.00,180.00");
        assert_eq!(
            fs::read_to_string(path).unwrap(),
            format!(
                "{HEADER}a,5,0.400,{at},1,person,0.8765,{place},1\n\
                 b,5,0.400,{at},1,\"a \"\"b\"\", c\",0.8765,{place},0\n"
            )
        );
    }

    #[test]
    fn a_wrong_name_is_told_and_what_is_played_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (clip, text) = (folder.path().join("clip.mp4"), folder.path().join("t.txt"));
        fs::write(&clip, "a clip").unwrap();
        let failure = |path: &Path, cameras: &[&str]| {
            TrackFile::create(path, cameras, &[&clip]).err().unwrap_or_default()
        };
        assert!(failure(&text, &["a", "b"]).contains("expected {camera} in the name"));
        assert!(failure(&clip, &["a"]).contains("would be overwritten"));
        // The same file by another name.
        let link = folder.path().join("link.csv");
        std::os::unix::fs::symlink(&clip, &link).unwrap();
        assert!(failure(&link, &["a"]).contains("would be overwritten"));
        assert_eq!(fs::read_to_string(&clip).unwrap(), "a clip");
        assert!(failure(&text, &["a"]).is_empty());
    }

    #[test]
    fn a_full_disk_and_a_folder_that_is_not_there_are_told_at_the_end() {
        for (path, so, at_once) in [
            ("/dev/full", "No space left on device (os error 28); it ends early", false),
            ("/nowhere/at/all.txt", "No such file or directory (os error 2); no tracks", true),
        ] {
            let mut file = TrackFile::create(Path::new(path), &["a"], &[]).unwrap();
            assert_eq!(file.failed.is_some(), at_once);
            // More than is kept in memory, and then some.
            for frame in 1..5_000 {
                tell(&mut file, "a", frame, &[track(1, "person", true)]);
            }
            assert!(file.failed.is_some(), "{path}");
            assert!(file.files["a"].lines.len() < 2 * WRITE_BYTES);
            let error = file.finish().unwrap_err();
            assert!(error.contains(path) && error.contains(so), "{error}");
        }
    }
}
