//! P7: beside a camera that works, every sort of one that does not: said by name and cause, counted, harmless.

use std::{
    fs,
    io::{Read, Write},
};

use crate::world::{Gateway, Receiver, RtspServer, street, wait_for};

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

#[tokio::test(flavor = "multi_thread")]
async fn p7_streams_that_cannot_be_used_are_said_and_disturb_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(street("h264")).unwrap();
    let truncated = folder.path().join("truncated.mp4");
    fs::write(&truncated, &whole[..whole.len() / 3]).unwrap();
    let corrupt = folder.path().join("corrupt.mp4");
    let mut bytes = whole.clone();
    let mut random = 0x2545_F491_4F6C_DD1Du64;
    for byte in &mut bytes[whole.len() / 4..whole.len() / 2] {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        *byte = random as u8;
    }
    fs::write(&corrupt, bytes).unwrap();
    let good = RtspServer::start(0, &street("h264"));
    let audio =
        RtspServer::launch("( audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay0 pt=0 )");
    let jpeg = RtspServer::launch(
        "( videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! jpegenc ! rtpjpegpay name=pay0 pt=26 )",
    );
    let user = "viewer:s3cret";
    let cameras = [
        ("good", good.with_user(user)),
        ("rubbish", rubbish()),
        ("audio", audio.with_user(user)),
        ("jpeg", jpeg.with_user(user)),
        ("truncated", truncated.display().to_string()),
        ("corrupt", corrupt.display().to_string()),
    ];
    let receiver = Receiver::start().await;
    let mut config = format!(
        "[site]\nid = \"demo\"\n\n[[rule]]\nid = \"walkers\"\nkind = \"intrusion\"\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n",
        receiver.url
    );
    for (id, url) in &cameras {
        let speed = if url.contains("://") { "" } else { "speed = \"max\"\n" };
        config.push_str(&format!("\n[[camera]]\nid = \"{id}\"\nurl = \"{url}\"\n{speed}"));
    }
    let mut gateway = Gateway::start(&config).await;
    let seen = |data: &serde_json::Value| data["sources"][0]["id"] == "good";
    receiver.wait("the good camera's incident", seen).await;
    for (camera, cause) in [
        ("rubbish", "not with RTSP that can be read"),
        ("audio", "no video in it (streams: Audio)"),
        ("jpeg", "H.264 or H.265 is needed"),
    ] {
        wait_for(&format!("the word on {camera}: {cause}"), || {
            let log = gateway.log();
            let told = log
                .lines()
                .any(|line| line.contains(&format!("camera=\"{camera}\"")) && line.contains(cause));
            async move { told.then_some(()) }
        })
        .await;
    }
    wait_for("the word on the truncated clip", || {
        let told = gateway.log().contains("the clip is cut off");
        async move { told.then_some(()) }
    })
    .await;
    wait_for("bad packets of the corrupt clip", || async {
        (gateway.metric("gridpost_camera_bad_packets_total").await > 0.0).then_some(())
    })
    .await;
    wait_for("failures counted", || async {
        (gateway.metric("gridpost_camera_failures_total").await >= 3.0).then_some(())
    })
    .await;
    assert!(gateway.stop().await.success());
}

/// A camera that accepts and never answers must not hold up the stop.
#[tokio::test(flavor = "multi_thread")]
async fn stop_is_within_five_seconds_beside_a_camera_that_hangs() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let receiver = Receiver::start().await;
    let config = format!(
        "[site]\nid = \"demo\"\n\n[[camera]]\nid = \"hangs\"\nurl = \"rtsp://{}/s\"\nconnect_timeout_s = 600\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n",
        silent.local_addr().unwrap(),
        receiver.url
    );
    let mut gateway = Gateway::start(&config).await;
    let (_held, _) = silent.accept().unwrap();
    let began = std::time::Instant::now();
    assert!(gateway.stop().await.success());
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    assert!(gateway.log().contains("everything acknowledged is on disk"));
}
