//! The process itself: with few handles, stopped and woken, without its index, and seen by its neighbours.

use std::{
    fs,
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use crate::world::{Button, Gateway, Receiver, Site, env_number, is_of};

/// A listed button, and each door open.
fn all_doors(receiver: &Receiver) -> Site {
    let site = Site::demo().button("btn-1").section("[sl651]");
    site.set("listen", "127.0.0.1:0").http(receiver)
}

/// Attacks 11 and 15: with a soft bound of 1,024 files, idle connections at one door kept every press
/// out, and nobody was told.
#[tokio::test(flavor = "multi_thread")]
async fn with_few_handles_idle_connections_at_no_door_keep_a_listed_button_out() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(all_doors(&receiver)).await;
    let open = fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count();
    // So few that the bounds of the doors are never reached: what is left is what the kernel gives.
    let few = format!("--nofile={0}:{0}", open + 60);
    let pid = gateway.pid().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, &few]).status().unwrap().success());
    let mut button = Button::new("btn-1", gateway.intake.unwrap());
    button.press("btn-1", 1).await;
    let doors = ["web", "sl651", "intake"].map(|door| gateway.port(door));
    let each = env_number("GRIDPOST_HOSTILE_CONNECTIONS").unwrap_or(100).min(300);
    let mut idle = Vec::new();
    for port in doors {
        for _ in 0..each {
            // One for which nobody has room waits long, and the button must be heard meanwhile.
            let address = ([127, 0, 0, 1], port).into();
            idle.extend(TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok());
        }
        // Who is connected is heard, and what it says is on disk and goes out.
        for id in 0..3 {
            let pressed = button.press("btn-1", usize::from(port) * 10 + id);
            let took = tokio::time::timeout(Duration::from_secs(5), pressed).await;
            assert!(took.is_ok(), "port {port}");
        }
    }
    gateway.logs("cannot be accepted").await;
    let lines = gateway.log().matches("cannot be accepted").count();
    assert!(lines < 30, "{lines} lines: one now and then");
    drop(idle);
    let mut second = Button::new("btn-2", gateway.intake.unwrap());
    tokio::time::timeout(Duration::from_secs(20), second.press("btn-2", 1)).await.unwrap();
    receiver.wait("btn-2", |data| is_of(data, "emergency-button", "btn-2")).await;
    gateway.must_stop_sound().await;
}

/// Attacks 12, 13, 15: 5,000 of them; here some hundreds, and `make hostile` makes it more.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_idle_connections_at_each_door_are_bounded_and_a_new_button_gets_in() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(all_doors(&receiver)).await;
    let memory = gateway.metric("gridpost_memory_bytes").await;
    let each = env_number("GRIDPOST_HOSTILE_CONNECTIONS").unwrap_or(250);
    let mut idle = Vec::new();
    for door in ["web", "sl651", "intake"] {
        let port = gateway.port(door);
        for _ in 0..each {
            idle.extend(TcpStream::connect(("127.0.0.1", port)).ok());
        }
    }
    let began = Instant::now();
    for id in 0..5 {
        // A button that wakes, says its word and sleeps.
        Button::once(
            gateway.intake.unwrap(),
            "btn-1",
            &format!(r#"{{"event":"press","id":"{id}"}}"#),
        )
        .await;
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    receiver.wait("the presses", |data| data["detail"]["presses"] == 5).await;
    assert!(gateway.log().len() < 100_000, "{} bytes of log", gateway.log().len());
    let more = gateway.metric("gridpost_memory_bytes").await - memory;
    assert!(more < 100e6, "{more}");
}

/// Attack 60.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_was_stopped_and_goes_on_has_what_was_said_meanwhile() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(Site::demo().button("btn-1").http(&receiver)).await;
    let mut button = Button::new("btn-1", gateway.intake.unwrap());
    button.press("btn-1", 1).await;
    gateway.signal("STOP");
    let pressing = tokio::spawn(async move { button.press("btn-1", 2).await });
    // It has nothing to answer with; a second shows that it does not.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!pressing.is_finished());
    gateway.signal("CONT");
    pressing.await.unwrap();
    receiver.wait("the second", |data| data["detail"]["presses"] == 2).await;
    gateway.must_stop_sound().await;
}

/// Attack 59.
#[tokio::test(flavor = "multi_thread")]
async fn i4_its_index_deleted_while_it_runs_loses_nothing() {
    let receiver = Receiver::start().await;
    let site = Site::demo().button("btn-1").http(&receiver);
    let mut gateway = Gateway::start(&site).await;
    gateway.press("btn-1", "1");
    fs::remove_dir_all(gateway.data().join("index")).unwrap();
    gateway.press("btn-1", "2");
    receiver.wait("the second", |data| data["detail"]["presses"] == 2).await;
    assert!(gateway.stop().await.success());
    let gateway = Gateway::start_in(gateway.kill().await, &site, &[]).await;
    // Both are known: sent again, they have no effect.
    gateway.press("btn-1", "2");
    gateway.press("btn-1", "3");
    receiver.wait("the third", |data| data["detail"]["presses"] == 3).await;
}

/// Attack 68.
#[tokio::test(flavor = "multi_thread")]
async fn i5_no_secret_is_in_the_command_line_the_log_or_what_it_writes_for_others() {
    let secrets = ["S3cretCam", "S3cretSink", "S3cretBroker"];
    let [camera, sink, broker] = secrets;
    let site = Site::demo()
        .camera("c", format!("rtsp://viewer:{camera}@127.0.0.1:9/1"))
        .http_sink("grid", format!("http://u:{sink}@127.0.0.1:9/e?key={sink}"))
        .mqtt_source("radio", &format!("mqtt://u:{broker}@127.0.0.1:9"));
    let gateway = Gateway::start(&site).await;
    gateway.press("btn-1", "1");
    for part in ["camera=\"c\"", "broker", "sink"] {
        gateway.logs(part).await;
    }
    let command = fs::read(format!("/proc/{}/cmdline", gateway.pid())).unwrap();
    let mut seen = String::from_utf8_lossy(&command).into_owned();
    seen += &gateway.log();
    seen += &fs::read_to_string(gateway.data().join("run.json")).unwrap();
    for path in ["/healthz", "/readyz", "/api/v1/incidents", "/api/v1/devices"] {
        seen += &gateway.get(path).await.1.to_string();
    }
    seen += &gateway.metrics().await;
    for secret in secrets {
        assert!(!seen.contains(secret), "{secret}");
    }
}
