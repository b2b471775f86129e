//! Streams without key frames, as encoders really make them: what is told of each packet, decoding from its middle, clips.

use std::{path::Path, process::Command};

use jiff::{SignedDuration, Timestamp};

use super::{Decoder, Packet, Ring, Session, SessionRequest, write_clip};
use crate::domain::PreRollLimit;

/// Ten pictures a second, a refresh takes 2 s. Encoder, its arguments, and how units are filtered.
const H264: [&str; 3] = ["libx264", "intra-refresh=1", "h264_mp4toannexb"];
const H265: [&str; 3] = ["libx265", "intra-refresh=1:log-level=none", "hevc_mp4toannexb"];

fn ffmpeg(args: &[&str]) {
    let done = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn start() -> Timestamp {
    "2026-07-01T03:00:00Z".parse().unwrap()
}

fn at(seconds: f64) -> Timestamp {
    start() + SignedDuration::from_millis((seconds * 1000.0) as i64)
}

/// Twelve seconds with intra refresh, of which the first `drop` pictures are not there; without SEI
/// where `bare`.
pub(crate) fn refreshed(folder: &Path, codec: [&str; 3], drop: u32, bare: bool) -> Vec<Packet> {
    let [encoder, how, to_annexb] = codec;
    let (whole, part) = (folder.join("whole.mp4"), folder.join("part.ts"));
    let (whole, part) = (whole.display().to_string(), part.display().to_string());
    let params = if encoder == "libx264" { "-x264-params" } else { "-x265-params" };
    let input = "testsrc2=size=320x240:rate=10:duration=12";
    let quick = ["-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "20"];
    let coded = ["-f", "lavfi", "-i", input, "-c:v", encoder];
    ffmpeg(&[&coded[..], &quick, &[params, how, &whole]].concat());
    let sei = if encoder == "libx264" { "6" } else { "39" };
    let bare = if bare { format!(",filter_units=remove_types={sei}") } else { String::new() };
    // Cameras give the parameter sets in the SDP; here they come with each packet.
    let filter = format!("{to_annexb}{bare},dump_extra=freq=all,noise=drop='lt(n,{drop})'");
    ffmpeg(&["-i", &whole, "-c", "copy", "-bsf:v", &filter, "-muxdelay", "0", &part]);
    let mut session = Session::open(&SessionRequest::of_clip(Path::new(&part))).unwrap();
    std::iter::from_fn(|| session.next(start).unwrap()).collect()
}

#[test]
fn what_ffmpeg_calls_key_frames_of_an_intra_refresh_are_recovery_points() {
    let folder = tempfile::tempdir().unwrap();
    let packets = refreshed(folder.path(), H264, 0, false);
    let marked: Vec<(usize, bool, Option<u32>)> = packets
        .iter()
        .enumerate()
        .filter(|(_, packet)| packet.key || packet.refresh.is_some())
        .map(|(n, packet)| (n, packet.key, packet.refresh))
        .collect();
    assert_eq!(marked[0], (0, true, None), "it begins with an IDR");
    let later: Vec<usize> = marked[1..].iter().map(|(n, ..)| *n).collect();
    assert_eq!(later, [20, 40, 60, 80, 100]);
    assert!(
        marked[1..].iter().all(|(_, key, n)| !key && (5..=20).contains(&n.unwrap())),
        "{marked:?}"
    );
    assert!(
        packets.iter().filter(|packet| packet.packet.is_key()).count() > 1,
        "FFmpeg says otherwise"
    );
    let bare = refreshed(folder.path(), H264, 33, true);
    assert!(bare.len() > 80 && !bare.iter().any(|packet| packet.key || packet.refresh.is_some()));
}

/// Pictures that come out, and when the first one does.
fn decoded(packets: &[Packet], partial: bool) -> (usize, f64) {
    let mut decoder = Decoder::of(&packets[0]).unwrap();
    decoder.begin(&packets[0]);
    decoder.show_partial(partial);
    let (mut count, mut first) = (0, None);
    for packet in packets {
        let _ = decoder.send(packet);
        while let Some(frame) = decoder.receive() {
            first.get_or_insert(frame.at.duration_since(packets[0].at).as_secs_f64());
            count += 1;
        }
    }
    (count, first.unwrap_or(f64::MAX))
}

#[test]
fn decoding_begins_in_the_middle_where_pictures_that_are_not_whole_are_shown() {
    for codec in [H264, H265] {
        for bare in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let packets = refreshed(folder.path(), codec, 33, bare);
            let (count, first) = decoded(&packets, true);
            assert!(count >= packets.len() - 2 && first < 0.5, "{codec:?} {bare}: {count} {first}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let bare = refreshed(folder.path(), H264, 33, true);
    assert_eq!(decoded(&bare, false).0, 0, "nothing comes out for ever otherwise");
    // A decoder that is lent to another camera knows nothing of this.
    let mut decoder = Decoder::of(&bare[0]).unwrap();
    decoder.show_partial(true);
    decoder.begin(&bare[0]);
    assert!(bare.iter().all(|packet| decoder.send(packet).is_err() || decoder.receive().is_none()));
}

/// Seconds that a clip shows, by FFmpeg as players have it.
fn shown(folder: &Path, ring: &Ring, from: f64, began: f64) -> (f64, usize, Option<PreRollLimit>) {
    let cut = ring.cut(at(from), at(began), at(11.0)).unwrap();
    let path = folder.join("cut.mp4");
    let info = write_clip(&path, &cut).unwrap();
    let asked = ["-v", "quiet", "-show_entries", "packet=flags", "-of", "csv=p=0"];
    let listing = Command::new("ffprobe").args(asked).arg(&path).output().unwrap().stdout;
    assert!(String::from_utf8(listing).unwrap().starts_with('K'), "or a player waits for ever");
    let mut session = Session::open(&SessionRequest::of_clip(&path)).unwrap();
    let packets: Vec<Packet> = std::iter::from_fn(|| session.next(start).unwrap()).collect();
    let (count, _) = decoded(&packets, false);
    (info.starts_at.duration_since(start()).as_secs_f64(), count, cut.limit)
}

#[test]
fn p8_a_clip_of_a_stream_without_key_frames_begins_so_that_it_is_whole_by_its_pre_roll() {
    let folder = tempfile::tempdir().unwrap();
    let ring_of = |packets: Vec<Packet>| {
        let mut ring = Ring::new(60, 64 << 20);
        packets.into_iter().for_each(|packet| ring.push(packet));
        ring
    };
    // Recovery points at 0.7, 2.7, 4.7 … s; each is whole up to 2 s later.
    let packets = refreshed(folder.path(), H264, 33, false);
    let count = packets.len() as f64 / 10.0;
    let points = packets.iter().filter(|packet| packet.refresh.is_some()).map(|packet| packet.at);
    let points: Vec<Timestamp> = points.collect();
    let takes = SignedDuration::from_millis(
        100 * i64::from(packets.iter().find_map(|packet| packet.refresh).unwrap()),
    );
    let ring = ring_of(packets);
    let (began, pictures, limit) = shown(folder.path(), &ring, 5.0, 7.0);
    let whole = points.iter().rfind(|point| **point + takes <= at(5.0)).unwrap();
    assert_eq!((at(began), limit), (*whole, None), "{points:?}");
    assert!(pictures as f64 / 10.0 >= count - 5.0 - 0.3, "{pictures} of {count} s");
    // Too early for one: the first there is, and it says so.
    let (began, _, limit) = shown(folder.path(), &ring, 0.5, 2.0);
    assert_eq!((at(began), limit), (points[0], Some(PreRollLimit::StreamBegan)));
    // Nothing says where: it begins earlier than asked, and says that it builds up.
    for codec in [H264, H265] {
        let ring = ring_of(refreshed(folder.path(), codec, 33, true));
        let cut = ring.cut(at(5.0), at(7.0), at(8.0)).unwrap();
        let began = cut.packets[0].at.duration_since(start()).as_secs_f64();
        assert_eq!((began, cut.limit), (1.0, Some(PreRollLimit::NoKeyFrame)));
    }
}

#[test]
fn p11_a_stream_without_key_frames_leaves_the_ring_as_it_ages() {
    let folder = tempfile::tempdir().unwrap();
    for (bare, longest) in [(true, 3.1), (false, 7.1)] {
        let mut ring = Ring::new(3, 64 << 20);
        for packet in refreshed(folder.path(), H264, 33, bare) {
            ring.push(packet);
            assert!(ring.held_s() <= longest, "{bare}: {}", ring.held_s());
        }
        assert!(ring.held_s() >= 3.0, "{bare}: {}", ring.held_s());
    }
}
