//! Cameras that send no key frames, or seldom: who comes is told all the same, with a clip, and people learn what it costs.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::{
    Gateway, Receiver, Replay, RtspServer, Site, clip_of, coded, ffmpeg, has_snapshot_and_clip,
    joined, wait_for,
};

/// People of the scene `appear` in its first 40 s who are there for 2 s and more.
const SURE: [(f64, f64); 2] = [(26.0, 28.0), (32.0, 36.0)];
/// Where in the scene the stream begins, s.
const FROM: &str = "20";
/// Pictures of the scene that are over when somebody connects: 2 s.
const DROP: u32 = 50;

/// How an encoder is told to send no key frame after its first one.
fn intra_refresh(codec: &str) -> Vec<&'static str> {
    match codec {
        "h264" => vec!["-bf", "0", "-g", "50", "-x264-params", "intra-refresh=1"],
        _ => {
            let x265 = "intra-refresh=1:keyint=50:log-level=none";
            vec!["-c:v", "libx265", "-bf", "0", "-x265-params", x265]
        }
    }
}

/// A part of the scene without a key frame, as it is after the camera has been on for long.
fn stream(folder: &Path, codec: &str, span: (&str, &str), bare: bool) -> PathBuf {
    let clip = coded(folder, &format!("{codec}.mp4"), span.0, span.1, &intra_refresh(codec));
    joined(&clip, codec, DROP, bare)
}

#[test]
fn p12_v11_who_comes_before_a_camera_without_key_frames_is_told_in_both_codecs() {
    for (codec, bare) in [("h264", false), ("h264", true), ("h265", true)] {
        let folder = tempfile::tempdir().unwrap();
        let clip = stream(folder.path(), codec, (FROM, "20"), bare);
        let site = Site::demo().section("[model]").set("variant", "fp32").anybody();
        let site = site.camera("cam", &clip).set("decode", "adaptive").set("pre_roll_s", 2);
        let played = Replay::of(&site).explain("cam").run();
        assert_eq!(played.gate("wakes: no-key-frame").len(), 1, "{:?}", played.explained("cam"));
        for span in SURE {
            let began = span.0 - 20.0 - f64::from(DROP) / 25.0;
            let late = |one: &(f64, f64)| (-0.3..0.7).contains(&(one.0 - began));
            let found = played.happenings();
            assert!(found.iter().any(late), "{codec} {bare} {span:?}: {found:?}");
        }
        let faults = played.events.iter().filter(|event| {
            event["data"]["kind"].as_str().is_some_and(|kind| kind.starts_with("camera-"))
        });
        assert_eq!(faults.count(), 0, "a picture that builds up is no fault");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_v11_over_rtsp_too_and_people_learn_what_it_costs() {
    for (codec, bare, limit) in [("h264", false, None), ("h265", true, Some("no-key-frame"))] {
        let folder = tempfile::tempdir().unwrap();
        let file = stream(folder.path(), codec, (FROM, "40"), bare);
        let server = RtspServer::launch(&format!(
            "filesrc location={} ! tsdemux ! {codec}parse ! rtp{codec}pay name=pay0 pt=96",
            file.display()
        ));
        let receiver = Receiver::start().await;
        let site = Site::demo().anybody().http(&receiver).camera("yard", &server).short_clips();
        let gateway = Gateway::start(&site.set("pre_roll_s", 2)).await;
        gateway.logs("camera: key frames: ").await;
        let note = "key frames of camera yard: ";
        let said = |body: &Value| body["notes"].to_string().contains(note);
        wait_for("the note", async || said(&gateway.get("/readyz").await.1).then_some(())).await;
        let (status, body) = gateway.get("/readyz").await;
        assert_eq!(status, 200, "it works: {body}");
        let cause = r#"gridpost_camera_sleepless{camera="yard",cause="no-key-frame"}"#;
        assert_eq!(gateway.figure(cause).await, Some(1.0));
        // The second one: by then all of the picture was coded anew.
        receiver.wait("somebody", |data| data["kind"] == "intrusion").await;
        let with_clip = |data: &Value| data["kind"] == "intrusion" && has_snapshot_and_clip(data);
        let event = receiver.wait("somebody with a clip", with_clip).await;
        let table = || async {
            let said = gateway.command("cameras", &[]).said();
            said.contains("decodes everything: it sends no key frame").then_some(())
        };
        wait_for("the table", table).await;
        let piece = clip_of(&event["data"]).unwrap();
        assert!(
            piece["pre_roll_ms"].as_i64().unwrap() >= 2_000 || !piece["pre_roll_limit"].is_null()
        );
        if let Some(limit) = limit {
            assert_eq!(piece["pre_roll_limit"], limit, "{piece}");
        }
        let path = folder.path().join("clip.mp4");
        std::fs::write(&path, gateway.evidence(piece).await).unwrap();
        ffmpeg(&["-i", &path.display().to_string(), "-f", "null", "-"]);
    }
}
