//! The fragments of a watched stream: whatever came in comes out, picture by picture, and a player may trust their times.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{Fragmenter, Session, SessionRequest, fragments::units_of, session::Packet};

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Three seconds at 25 a second with key frames a second apart; `name` ends in `.mp4` or `.ts`.
fn clip(folder: &Path, name: &str, codec: &str, more: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let to = path.display().to_string();
    let source = "testsrc2=size=320x240:rate=25:duration=3,format=yuv420p";
    let mut arguments =
        vec!["-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:v", codec, "-g", "25"];
    arguments.extend(more);
    arguments.push(&to);
    run("ffmpeg", &arguments);
    path
}

fn packets(path: &Path) -> Vec<Packet> {
    let start: jiff::Timestamp = "2026-07-01T03:00:00Z".parse().unwrap();
    let mut session = Session::open(&SessionRequest::of_clip(path)).unwrap();
    std::iter::from_fn(|| session.next(|| start).unwrap()).collect()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Decode time and length of a fragment, ticks.
fn times(fragment: &[u8]) -> (u64, u64) {
    let decoded = u64::from(number(fragment, 60)) << 32 | u64::from(number(fragment, 64));
    (decoded, u64::from(number(fragment, 88)))
}

#[test]
fn what_comes_out_is_what_came_in_picture_by_picture() {
    let folder = tempfile::tempdir().unwrap();
    let h265 = &["-preset", "ultrafast", "-x265-params", "log-level=error"];
    for (name, codec, more, named) in [
        ("plain.mp4", "libx264", &["-bf", "0", "-profile:v", "main"][..], "avc1.4D40"),
        ("b.mp4", "libx264", &["-bf", "3", "-profile:v", "high"], "avc1.6400"),
        ("rtsp.ts", "libx264", &["-bf", "0", "-profile:v", "main"], "avc1.4D40"),
        ("rtsp-b.ts", "libx264", &["-bf", "2"], "avc1.6400"),
        ("h265.mp4", "libx265", h265, "hvc1.1.6."),
        ("h265.ts", "libx265", h265, "hvc1.1.6."),
    ] {
        let path = clip(folder.path(), name, codec, more);
        let packets = packets(&path);
        assert_eq!(packets.len(), 75, "{name}");
        let (mut fragments, head) = Fragmenter::begin(&packets[0]).unwrap();
        assert!(head.codec.starts_with(named), "{name}: {}", head.codec);
        assert_eq!((head.width, head.height), (320, 240), "{name}");
        let mut whole = head.init.to_vec();
        let mut keys = 0;
        for packet in &packets {
            let picture = fragments.picture(packet);
            assert_eq!((picture.key, picture.at), (packet.key, packet.at), "{name}");
            assert_eq!(number(&picture.bytes, 96) == 0x0200_0000, packet.key, "{name}");
            keys += usize::from(picture.key);
            whole.extend_from_slice(&picture.bytes);
        }
        assert_eq!(keys, 3, "{name}");
        let out = folder.path().join("fragments.mp4");
        std::fs::write(&out, whole).unwrap();
        // Another hand decodes both.
        let sums = |path: &Path| {
            let path = path.display().to_string();
            let told =
                run("ffmpeg", &["-v", "error", "-xerror", "-i", &path, "-f", "framemd5", "-"]);
            let sums = told.lines().filter(|line| !line.starts_with('#'));
            sums.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(sums(&out), sums(&path), "{name}");
    }
}

#[test]
fn a_player_is_never_told_of_a_gap_that_makes_it_wait_for_a_key_frame() {
    let folder = tempfile::tempdir().unwrap();
    let all = packets(&clip(folder.path(), "gaps.ts", "libx264", &["-bf", "0"]));
    let (mut fragments, head) = Fragmenter::begin(&all[0]).unwrap();
    // Pictures are lost: one, three, and almost a second of them.
    let kept = all.iter().enumerate().filter(|(n, _)| !matches!(n, 5 | 10..=12 | 30..=50));
    let fragments: Vec<_> = kept.map(|(_, packet)| fragments.picture(packet)).collect();
    for pair in fragments.windows(2) {
        let ((before, length), (now, _)) = (times(&pair[0].bytes), times(&pair[1].bytes));
        assert!(now > before && now - before <= length, "{before} + {length} to {now}");
        assert!(pair[1].media_ms > pair[0].media_ms);
    }
    let second = fragments[1].media_ms - fragments[0].media_ms;
    assert_eq!((second, times(&fragments[1].bytes).0), (40, u64::from(head.timescale / 25)));
    // A short gap is as long as it was; a long one is left out, and where it was can be told.
    assert_eq!(fragments[5].media_ms, 240);
    assert!(fragments[30].at.duration_since(fragments[0].at).as_millis() > 2_000);
    assert!(fragments[30].media_ms < 2_000);
}

#[test]
fn any_bytes_become_units_without_harm_and_units_stay_what_they_are() {
    assert_eq!(units_of(&[0, 0, 0, 1, 9, 8, 0, 0, 1, 7, 0]), [0, 0, 0, 2, 9, 8, 0, 0, 0, 1, 7]);
    assert_eq!(units_of(&[1, 2, 3]), [0; 0]);
    assert_eq!(units_of(&[0, 0, 1]), [0; 0]);
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    for _ in 0..5_000 {
        // Units without zeros, in a row, behind codes of three or four bytes.
        let units: Vec<Vec<u8>> = (0..random.random_range(0..6))
            .map(|_| {
                (0..random.random_range(1..40)).map(|_| random.random_range(1..=255)).collect()
            })
            .collect();
        let (mut given, mut wanted) = (Vec::new(), Vec::new());
        for unit in &units {
            given.extend_from_slice(if random.random() { &[0, 0, 1] } else { &[0, 0, 0, 1] });
            given.extend_from_slice(unit);
            wanted.extend_from_slice(&(unit.len() as u32).to_be_bytes());
            wanted.extend_from_slice(unit);
        }
        assert_eq!(units_of(&given), wanted);
        let rubbish: Vec<u8> =
            (0..random.random_range(0..60)).map(|_| random.random_range(0..3)).collect();
        let _ = units_of(&rubbish);
    }
}
