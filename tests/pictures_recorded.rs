//! Recordings as recorders and phones leave them, and configurations of cameras that cannot be right.

use std::path::Path;

use serde_json::Value;

use crate::world::{
    Gateway, Receiver, Replay, Site, check, ffmpeg, gridpost_command, in_a_row, output,
};

/// Somebody is there from 4 to 8 s, of 12.
fn walk(folder: &Path) -> std::path::PathBuf {
    in_a_row(folder, &[(0.0, 4.0), (32.0, 36.0), (0.0, 4.0)])
}

fn made(folder: &Path, name: &str, arguments: &[&str]) -> std::path::PathBuf {
    let path = folder.join(name);
    let to = path.display().to_string();
    ffmpeg(&[arguments, &[&to]].concat());
    path
}

fn site() -> Site {
    Site::demo().walkers().camera("cam", "rtsp://127.0.0.1:1/none").set("decode", "full")
}

/// When somebody was there.
fn spans(clip: &Path) -> Vec<(f64, f64)> {
    Replay::of(&site()).camera("cam", clip).run().happenings()
}

#[test]
fn recordings_of_every_make_tell_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let clip = walk(folder);
    let from = clip.display().to_string();
    let annexb = ["-i", &from, "-c", "copy", "-bsf:v", "h264_mp4toannexb"];
    let raw = made(folder, "raw.h264", &[&annexb[..], &["-f", "h264"]].concat());
    let ps = made(folder, "ps.mpg", &[&annexb[..], &["-f", "vob"]].concat());
    let parts = [("a.ts", "0", "6"), ("b.ts", "6", "6")].map(|(name, at, long)| {
        made(folder, name, &["-ss", at, "-t", long, "-i", &from, "-c", "copy"])
    });
    let joined = folder.join("joined.ts");
    std::fs::write(&joined, parts.map(|part| std::fs::read(part).unwrap()).concat()).unwrap();
    let coded = ["-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-sc_threshold", "0"];
    let bframes = made(folder, "bf.mp4", &[&["-i", &from], &coded[..], &["-bf", "2"]].concat());
    let avi = made(folder, "bf.avi", &["-i", &bframes.display().to_string(), "-c", "copy"]);
    // Times that do not begin at nought, and sound that goes on when there are no pictures any more.
    let late = made(folder, "late.mkv", &["-i", &from, "-c", "copy", "-output_ts_offset", "300"]);
    let silence = ["-f", "lavfi", "-t", "150", "-i", "anullsrc"];
    let sound =
        made(folder, "sound.mkv", &[&["-i", &from][..], &silence, &["-c:v", "copy"]].concat());
    let expected = spans(&clip);
    assert_eq!(expected.len(), 1, "{expected:?}");
    for other in [raw, ps, joined, bframes, avi, late, sound] {
        let told = spans(&other);
        assert_eq!(told.len(), 1, "{}: {told:?}", other.display());
        for (told, expected) in [(told[0].0, expected[0].0), (told[0].1, expected[0].1)] {
            assert!((told - expected).abs() < 0.7, "{}: {told}, not {expected}", other.display());
        }
    }
}

/// Parts in a row by a program that lets no stamp go back: each picture from 2 s on is a millisecond after the one before.
#[test]
fn a_recording_whose_stamps_stick_is_seen_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let clip = walk(folder.path());
    let sticks = "setts=ts='if(lt(N,50),TS,1960+N-49)':time_base=1/1000";
    let from = clip.display().to_string();
    let stuck = made(folder.path(), "stuck.mkv", &["-i", &from, "-c", "copy", "-bsf:v", sticks]);
    let played = Replay::of(&site()).camera("cam", &stuck).run();
    let (told, expected) = (played.happenings(), spans(&clip));
    assert_eq!(told.len(), 1, "{told:?}");
    let long = |span: (f64, f64)| span.1 - span.0;
    assert!((long(told[0]) - long(expected[0])).abs() < 0.7, "{told:?} {expected:?}");
    // Two seconds of pictures tell it.
    assert!((expected[0].0 - told[0].0 - 2.0).abs() < 0.7, "{told:?} {expected:?}");
    assert!(played.log.contains("its time stamps stick at 2"), "{}", played.log);
}

#[test]
fn what_a_phone_held_upright_recorded_is_seen_upright_and_its_clip_plays_so() {
    let folder = tempfile::tempdir().unwrap();
    let clip = walk(folder.path());
    let from = clip.display().to_string();
    let lies = made(
        folder.path(),
        "lies.mp4",
        &[
            "-i",
            &from,
            "-vf",
            "transpose=2",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-bf",
            "0",
            "-g",
            "50",
        ],
    );
    let lies = lies.display().to_string();
    let upright = made(
        folder.path(),
        "upright.mp4",
        &["-i", &lies, "-c", "copy", "-metadata:s:v", "rotate=270"],
    );
    let data = folder.path().join("data").display().to_string();
    let played = Replay::of(&site()).camera("cam", &upright).arguments(&["--data", &data]).run();
    let (told, expected) = (played.happenings(), spans(&clip));
    assert_eq!(told.len(), expected.len(), "{told:?} {expected:?}");
    assert!((told[0].0 - expected[0].0).abs() < 0.7, "{told:?} {expected:?}");
    let evidence =
        std::process::Command::new("find").args([&data, "-name", "*.mp4"]).output().unwrap();
    let evidence = String::from_utf8(evidence.stdout).unwrap();
    let cut = evidence.lines().next().expect("a clip was kept");
    let turned = |clip: &std::path::Path| {
        let probe = std::process::Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "stream_side_data=rotation", "-of", "csv=p=0"])
            .arg(clip)
            .output()
            .unwrap();
        String::from_utf8(probe.stdout).unwrap()
    };
    assert_ne!(turned(&upright).trim(), "", "the recording is not turned");
    assert_eq!(turned(std::path::Path::new(cut)), turned(&upright), "as it was recorded");
}

#[test]
fn a_recording_of_which_next_to_nothing_is_seen_is_no_good_end() {
    let folder = tempfile::tempdir().unwrap();
    let clip = walk(folder.path());
    let from = clip.display().to_string();
    let locked = made(
        folder.path(),
        "locked.mp4",
        &[
            "-i",
            &from,
            "-c",
            "copy",
            "-encryption_scheme",
            "cenc-aes-ctr",
            "-encryption_key",
            "76a6c65c5ea762046bd749a2e632ccbb",
            "-encryption_kid",
            "a7e61c373e219033c21091fa607bf3b8",
        ],
    );
    let one = made(
        folder.path(),
        "one.h264",
        &["-i", &from, "-c", "copy", "-frames:v", "1", "-bsf:v", "h264_mp4toannexb"],
    );
    let whole = std::fs::read(&clip).unwrap();
    let torn =
        made(folder.path(), "torn.mp4", &["-i", &from, "-c", "copy", "-movflags", "+faststart"]);
    let bytes = std::fs::read(&torn).unwrap();
    std::fs::write(&torn, &bytes[..bytes.len() * 6 / 100 + 12_000]).unwrap();
    assert!(whole.len() > 100_000);
    // A recorder that was set to another codec in the midst of a file: FFmpeg does not tell it, and reads on in the first.
    let part = |name: &str, seconds: &[&str], coded: &[&str]| {
        let made = made(folder.path(), name, &[seconds, &["-i", &from], coded].concat());
        std::fs::read(made).unwrap()
    };
    let older = part("older.ts", &["-t", "8"], &["-c", "copy"]);
    let coded = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"];
    let codecs = folder.path().join("codecs.ts");
    std::fs::write(&codecs, [older, part("newer.ts", &["-ss", "8"], &coded)].concat()).unwrap();
    for (clip, part) in [
        (locked, "its pictures are encrypted"),
        (codecs, "its video became H.265 in its midst, at 8.0 s; what follows was not seen"),
        (one, "next to nothing was seen of it"),
        (torn, "next to nothing was seen of it"),
    ] {
        let ended = Replay::of(&site()).camera("cam", &clip).try_run();
        assert_eq!(ended.code, 1, "{}: {}", clip.display(), ended.stderr);
        assert!(ended.stderr.contains(part), "{}: {}", clip.display(), ended.stderr);
    }
}

#[test]
fn numbers_and_addresses_of_cameras_that_cannot_be_right_are_refused_with_what_to_write() {
    let of = |keys: &str| format!("[site]\nid = \"x\"\n[[camera]]\nid = \"a\"\n{keys}\n");
    for (keys, part) in [
        (
            "url = \"rtsp://h/1\"\nclip_max_s = 9223372036854775807",
            "camera[1].clip_max_s: 9223372036854775807: expected seconds, 1 to 3600",
        ),
        ("url = \"rtsp://h/1\"\nclip_max_s = 1000000000000", "expected seconds, 1 to 3600"),
        ("url = \"rtsp://h/1\"\npre_roll_s = 301", "expected seconds, 0 to 300"),
        (
            "url = \"rtsp://h/1\"\nstall_timeout_s = 9223372036854775807",
            "expected seconds, 1 to 600",
        ),
        ("url = \"rtsp://h/1\"\nring_max_bytes = 0", "expected bytes, 1048576 to 4294967296"),
        (
            "url = \"rtsp://admin:a#s3cret@192.0.2.1/1\"",
            "camera[1].url: a `#` stands before its `@`; if it is part of the password, write %23",
        ),
        ("url = \"rtsp://192.0.2.1:99999/1\"", "its port: expected a number from 1 to 65535"),
        ("url = \"rtsp://2001:db8::5/1\"", "an IPv6 address stands in brackets"),
        (
            "url = \"rtsp://h/1\"\ndetect_url = \"rtsp://u:a/s3cret@h/2\"",
            "camera[1].detect_url: a `/` stands before",
        ),
    ] {
        let said = check(&of(keys));
        said.must_say(2, [part]);
        assert!(!said.said().contains("s3cret"), "{}", said.said());
    }
    for (zone, hint) in [
        ("Asia/Beijing", "Asia/Shanghai"),
        ("Asia/Chongqing1", "Asia/Chongqing"),
        ("Asia/Wulumuqi", "Asia/Urumqi"),
        ("北京", "Asia/Shanghai"),
        ("UTC+8", "Asia/Shanghai"),
    ] {
        let said = check(&format!("[site]\nid = \"x\"\ntimezone = \"{zone}\"\n"));
        said.must_say(2, [format!("did you mean `{hint}`?")]);
    }
}

/// Sections with a secret in each of their texts, right and wrong.
const SECTIONS: &[&str] = &[
    "[[camera]]\nid = \"c\"\nurl = \"rtsp://admin:${S}@192.0.2.1/a\"",
    "[[camera]]\nid = \"c\"\nurl = \"${S}\"",
    "[[camera]]\nid = \"c\"\nurl = \"192.0.2.1/user=admin&password=${S}\"",
    "[[camera]]\nid = \"c\"\nurl = \"rtsp://h/1\"\ndetect_url = \"rtsp://admin:${S}@192.0.2.1/a\"",
    "[[camera]]\nid = \"c\"\nonvif = \"http://admin:${S}@192.0.2.1/a\"",
    "[[camera]]\nid = \"c\"\nonvif = \"${S}\"",
    "[[camera]]\nid = \"c\"\nurl = \"rtsp://h/1\"\nclip_max_s = \"${S}\"\ndecode = \"${S}\"\nwakes = [\"${S}\"]",
    "[[drone]]\nid = \"d\"\nurl = \"rtsp://admin:${S}@192.0.2.1/a\"",
    "[[drone]]\nid = \"d\"\nlisten = \"srt://0.0.0.0:99999?passphrase=${S}\"",
    "[[drone]]\nid = \"d\"\nlisten = \"rtmp://0.0.0.0/${S}\"",
    "[[mqtt]]\nid = \"m\"\nurl = \"mqtt://user:${S}@h\"\ntopics = [\"a\"]",
    "[[mqtt]]\nid = \"m\"\nurl = \"user:${S}@h\"\ntopics = [\"${S}\"]",
    "[[sink]]\nid = \"s\"\nkind = \"http\"\nurl = \"${S}\"",
    "[[sink]]\nid = \"s\"\nkind = \"http\"\nurl = \"https://u:${S}@h:99999/\"\nevidence_url = \"${S}\"",
    "[[sink]]\nid = \"s\"\nkind = \"webhook\"\nurl = \"h/send?key=${S}\"\nbody = \"${S}\"",
    "[[sink]]\nid = \"s\"\nkind = \"webhook\"\nurl = \"ftp://h/send?key=${S}\"\nbody = \"{\"",
    "[[sink]]\nid = \"s\"\nkind = \"mqtt\"\nbroker = \"mqtt//u:${S}@h\"",
    "[[sink]]\nid = \"${S}\"\nkind = \"${S}\"",
    "[site]\nid = \"${S}\"\ntimezone = \"${S}\"",
    "[[button]]\nid = \"b\"\ngrid = \"${S}\"",
    "[web]\nlisten = \"${S}\"",
    "[intake]\nlisten = \"${S}\"",
];

#[test]
fn i5_no_value_from_the_environment_is_printed_by_check() {
    for secret in ["s3cr3t-w0rd", "s3cr3t#\"/@w0rd\\"] {
        for section in SECTIONS {
            let site = if section.starts_with("[site]") { "" } else { "[site]\nid = \"x\"\n" };
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("gridpost.toml");
            std::fs::write(&file, format!("{site}{section}\n")).unwrap();
            let mut command = gridpost_command(&["check", "-c", &file.display().to_string()]);
            command.env("S", secret);
            let said = output(command).said();
            assert!(!said.contains("s3cr3t") && !said.contains("w0rd"), "{section}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_no_password_is_in_what_a_run_logs_answers_and_writes() {
    let receiver = Receiver::start().await;
    let nowhere = "127.0.0.1:1";
    let site = |clip_max_s: u64| {
        Site::demo()
            .http(&receiver)
            .camera("query", format!("rtsp://{nowhere}/a?loginuse=u&loginpas=s3cr3t").as_str())
            .set("clip_max_s", clip_max_s)
            .camera(
                "path",
                format!("rtsp://{nowhere}/user=admin&password=s3cr3t_x&channel=1").as_str(),
            )
            .camera("user", format!("rtsp://u:s3cr3t%23@{nowhere}/a").as_str())
            .drone("uav")
            .set("url", format!("rtsp://u:s3cr3t@{nowhere}/a"))
            .mqtt_source("m", format!("mqtt://u:s3cr3t@{nowhere}").as_str())
            .set("topics", ["a"])
            .mqtt_sink("out", format!("mqtt://u:s3cr3t@{nowhere}").as_str())
            .http_sink("web", format!("http://u:s3cr3t@{nowhere}/key=s3cr3t"))
    };
    let mut gateway = Gateway::start(&site(30)).await;
    for camera in ["query", "path", "user"] {
        let of = format!("gridpost_camera_failures_total{{camera=\"{camera}\"}}");
        gateway.figure_is(&of, |failures| failures >= 1.0).await;
        receiver.wait(camera, |data| data["sources"][0]["id"] == camera).await;
    }
    gateway.press("btn-1", "1");
    receiver.wait("the press", |data| data["kind"] == "emergency-button").await;
    gateway.rewrite(site(4_000));
    let (status, answer) = gateway.reload().await;
    assert_eq!(status, 422, "{answer}");
    let mut said: Vec<Value> = vec![answer];
    for path in ["/readyz", "/healthz", "/api/v1/incidents", "/api/v1/status"] {
        said.push(gateway.get(path).await.1);
    }
    let said = format!("{said:?}{:?}", receiver.events());
    assert!(!said.contains("s3cr3t"), "{said}");
    assert!(gateway.stop().await.success());
    let log = gateway.log();
    assert!(!log.contains("s3cr3t"), "{log}");
    let data = gateway.data();
    let found = std::process::Command::new("grep").args(["-rl", "s3cr3t"]).arg(&data).output();
    let found = String::from_utf8(found.unwrap().stdout).unwrap();
    assert_eq!(found, "", "files of the data folder that hold it");
}
