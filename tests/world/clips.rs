//! What cameras are played from: the walkers of vtest, made scenes, and what FFmpeg makes of them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::root;

/// The walkers of vtest as a clip in this codec (`h264`, `h265`); made once.
pub(crate) fn street(codec: &str) -> PathBuf {
    let output = Command::new(root().join("tests/rig/clip.sh")).arg(codec).output().unwrap();
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// The first seconds of it.
pub(crate) fn street_of(folder: &Path, seconds: u32) -> PathBuf {
    let (from, to) = (street("h264"), folder.join("street.mp4"));
    ffmpeg(&["-t", &seconds.to_string(), "-i", &text(&from), "-c", "copy", &text(&to)]);
    to
}

/// A made scene of `tests/rig/scenes.py`, and what happens when in it; made once.
pub(crate) fn scene(name: &str) -> (PathBuf, Value) {
    let script = root().join("tests/rig/scenes.py");
    let output = Command::new("/usr/bin/python3").arg(script).arg(name).output();
    let clip = PathBuf::from(String::from_utf8(output.unwrap().stdout).unwrap().trim());
    let truth = std::fs::read(format!("{}.json", clip.display())).unwrap();
    (clip, serde_json::from_slice(&truth).unwrap())
}

/// The short form of a made scene of `tests/rig/people.py`, and who is in it when; made once.
pub(crate) fn people(name: &str) -> (PathBuf, Value) {
    let script = root().join("tests/rig/people.py");
    let output = Command::new("/usr/bin/python3").arg(script).args([name, "--small"]).output();
    let clip = PathBuf::from(String::from_utf8(output.unwrap().stdout).unwrap().trim());
    let truth = std::fs::read(clip.with_extension("json")).unwrap();
    (clip, serde_json::from_slice(&truth).unwrap())
}

/// FFmpeg with these arguments, which must not complain.
pub(crate) fn ffmpeg(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// How long a file plays, seconds, by the times of its pictures.
pub(crate) fn duration_s(file: &Path) -> f64 {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time"])
        .args(["-of", "csv=p=0"])
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let times = text.lines().filter_map(|line| line.trim_matches(',').parse::<f64>().ok());
    let (first, last) =
        times.fold((f64::MAX, f64::MIN), |(low, high), at| (low.min(at), high.max(at)));
    last - first
}

/// How cameras code, as arguments of FFmpeg.
const AS_A_CAMERA: &str = "-an -c:v libx264 -preset veryfast -pix_fmt yuv420p -sc_threshold 0";

/// A part of the scene `appear`, coded anew; `more`: its key frames and B-frames.
pub(crate) fn coded(
    folder: &Path,
    name: &str,
    from_s: &str,
    for_s: &str,
    more: &[&str],
) -> PathBuf {
    let (from, to) = (text(&scene("appear").0), folder.join(name));
    let mut arguments = vec!["-ss", from_s, "-t", for_s, "-i", &from];
    arguments.extend(AS_A_CAMERA.split(' '));
    arguments.extend(more);
    let out = text(&to);
    arguments.push(&out);
    ffmpeg(&arguments);
    to
}

/// A clip as who comes later has it from a camera: without its first `drop` pictures, and without messages beside
/// the pictures where `bare`. MPEG-TS, with the parameter sets in each packet.
pub(crate) fn joined(clip: &Path, codec: &str, drop: u32, bare: bool) -> PathBuf {
    let to = clip.with_extension("joined.ts");
    let (annexb, sei) = match codec {
        "h264" => ("h264_mp4toannexb", 6),
        _ => ("hevc_mp4toannexb", 39),
    };
    let bare = if bare { format!(",filter_units=remove_types={sei}") } else { String::new() };
    let filter = format!("{annexb}{bare},dump_extra=freq=all,noise=drop='lt(n,{drop})'");
    let (from, out) = (text(clip), text(&to));
    ffmpeg(&["-i", &from, "-c", "copy", "-bsf:v", &filter, "-muxdelay", "0", &out]);
    to
}

/// Parts of the scene `appear` in a row, seconds from and to, coded as a camera does.
pub(crate) fn in_a_row(folder: &Path, parts: &[(f64, f64)]) -> PathBuf {
    let (from, to) = (text(&scene("appear").0), folder.join("clip.mp4"));
    let cut = |(n, (from, to)): (usize, &(f64, f64))| {
        format!("[0]trim={from}:{to},setpts=PTS-STARTPTS[p{n}];")
    };
    let cuts: String = parts.iter().enumerate().map(cut).collect();
    let names: String = (0..parts.len()).map(|n| format!("[p{n}]")).collect();
    let filter = format!("{cuts}{names}concat=n={}", parts.len());
    let mut arguments = vec!["-i", &from, "-filter_complex", &filter];
    arguments.extend(AS_A_CAMERA.split(' '));
    let out = text(&to);
    arguments.extend(["-bf", "0", "-g", "50", &out]);
    ffmpeg(&arguments);
    to
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
