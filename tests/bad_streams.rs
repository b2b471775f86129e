//! P7: beside a camera that works, every sort of one that does not: said by name and cause, counted, harmless.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use crate::world::{Gateway, Receiver, RtspServer, Site, Stream, street, wait_for};

/// Answers every connection with bytes that are no RTSP.
fn rubbish() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut asked = [0u8; 256];
            let _ = stream.read(&mut asked);
            let _ = stream.write_all(&[0xA5; 4096]);
        }
    });
    format!("rtsp://{address}/stream")
}

/// The street's first third, and the whole with bytes in it that are no video.
fn broken_clips(folder: &Path) -> (PathBuf, PathBuf) {
    let whole = fs::read(street("h264")).unwrap();
    let truncated = folder.join("truncated.mp4");
    fs::write(&truncated, &whole[..whole.len() / 3]).unwrap();
    let corrupt = folder.join("corrupt.mp4");
    let mut bytes = whole.clone();
    let mut random = 0x2545_F491_4F6C_DD1Du64;
    for byte in &mut bytes[whole.len() / 4..whole.len() / 2] {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        *byte = random as u8;
    }
    fs::write(&corrupt, bytes).unwrap();
    (truncated, corrupt)
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_streams_that_cannot_be_used_are_said_and_disturb_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (truncated, corrupt) = broken_clips(folder.path());
    let good = RtspServer::start(0, &street("h264"));
    let audio =
        RtspServer::launch("( audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay0 pt=0 )");
    let jpeg = RtspServer::launch(
        "( videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! jpegenc ! rtpjpegpay name=pay0 pt=26 )",
    );
    let streams: [(&str, &dyn Stream); 4] =
        [("good", &good), ("rubbish", &rubbish()), ("audio", &audio), ("jpeg", &jpeg)];
    let receiver = Receiver::start().await;
    let mut site = Site::demo().walkers().http(&receiver);
    for (id, stream) in streams {
        site = site.camera(id, stream);
    }
    for (id, clip) in [("truncated", truncated), ("corrupt", corrupt)] {
        site = site.camera(id, clip).set("speed", "max");
    }
    let mut gateway = Gateway::start(&site).await;
    let seen = |data: &serde_json::Value| data["sources"][0]["id"] == "good";
    receiver.wait("the good camera's incident", seen).await;
    for (camera, cause) in [
        ("rubbish", "not with RTSP that can be read"),
        ("audio", "no video in it (streams: Audio)"),
        ("jpeg", "H.264 or H.265 is needed"),
    ] {
        wait_for(&format!("the word on {camera}: {cause}"), || {
            let (log, of) = (gateway.log(), format!("camera=\"{camera}\""));
            let told = log.lines().any(|line| line.contains(&of) && line.contains(cause));
            async move { told.then_some(()) }
        })
        .await;
    }
    gateway.logs("the clip is cut off").await;
    gateway.metric_is("gridpost_camera_bad_packets_total", |bad| bad > 0.0).await;
    gateway.metric_is("gridpost_camera_failures_total", |failures| failures >= 3.0).await;
    assert!(gateway.stop().await.success());
}

/// A camera that accepts and never answers must not hold up the stop.
#[tokio::test(flavor = "multi_thread")]
async fn stop_is_within_five_seconds_beside_a_camera_that_hangs() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let receiver = Receiver::start().await;
    let site = Site::demo()
        .camera("hangs", format!("rtsp://{}/s", silent.local_addr().unwrap()))
        .set("connect_timeout_s", 600)
        .http(&receiver);
    let mut gateway = Gateway::start(&site).await;
    let (_held, _) = silent.accept().unwrap();
    let began = std::time::Instant::now();
    assert!(gateway.stop().await.success());
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    assert!(gateway.log().contains("everything acknowledged is on disk"));
}
