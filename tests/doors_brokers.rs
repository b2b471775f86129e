//! Brokers as doors: a message that is too large costs itself alone, and health is what was heard.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::world::{
    Broker, Gateway, Message, PATIENCE, Receiver, Site, certificates, is_of, wait_for,
};

const LIMIT: usize = 256 * 1024;

/// A list as Zigbee2MQTT keeps it, of exactly so many bytes.
fn list_of(bytes: usize) -> Vec<u8> {
    let mut text = vec![b' '; bytes];
    text[0] = b'[';
    text[bytes - 1] = b']';
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_costs_itself_and_no_press() {
    let broker = Broker::start_with("message_size_limit 0\n").await;
    let receiver = Receiver::start().await;
    // Retained, as the coordinator leaves it: it is there before we are, at each connection.
    let retained = Message::new(broker.port, "zigbee2mqtt/bridge/devices", list_of(LIMIT + 70_000));
    assert!(retained.options(&["-r"]).send());
    let site = Site::demo()
        .mqtt_source("radio", &broker)
        .set("topics", ["gridpost/demo/button/+", "zigbee2mqtt/#"])
        .button("btn-a")
        .http(&receiver);
    let mut gateway = Gateway::start(&site).await;
    let ready = gateway.readiness(200, "messages too large to be read: 1").await;
    assert!(ready.to_string().contains("zigbee2mqtt/bridge/devices"), "{ready}");
    let press = |n: usize| format!(r#"{{"action":"emergency","n":{n}}}"#);
    let mut cut = 1;
    for (n, bytes) in [LIMIT - 1, LIMIT, LIMIT + 1, 1 << 20, 20 << 20].into_iter().enumerate() {
        for (m, options) in [
            ["-q", "0", "-V", "mqttv311"],
            ["-q", "1", "-V", "mqttv311"],
            ["-q", "2", "-V", "mqttv311"],
            ["-q", "1", "-V", "mqttv5"],
        ]
        .iter()
        .enumerate()
        {
            // The largest once, for the time it takes.
            if bytes > 2 << 20 && m != 1 {
                continue;
            }
            let large = Message::new(broker.port, "zigbee2mqtt/bridge/devices", list_of(bytes));
            assert!(large.options(options).send());
            cut += usize::from(bytes > LIMIT);
            let device = format!("dev-{n}-{m}");
            broker.publish(&format!("zigbee2mqtt/{device}"), press(n));
            receiver.wait(&device, |data| is_of(data, "emergency-button", &device)).await;
        }
    }
    gateway.metric_is("gridpost_signals_too_large_total", |count| count == cut as f64).await;
    assert_eq!(gateway.log().matches("broker: not heard").count(), 0, "it never broke");
    assert!(gateway.metric("gridpost_memory_bytes").await < 250e6);
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_what_was_too_large_is_acknowledged_and_does_not_come_again() {
    let broker = Broker::start_with("message_size_limit 0\n").await;
    let receiver = Receiver::start().await;
    let site = Site::demo()
        .mqtt_source("radio", &broker)
        .set("topics", ["gridpost/demo/button/+", "zigbee2mqtt/#"])
        .http(&receiver);
    let gateway = Gateway::start(&site).await;
    gateway.readiness(200, "").await;
    broker.publish("zigbee2mqtt/bridge/devices", list_of(LIMIT + 1));
    gateway.metric_is("gridpost_signals_too_large_total", |count| count == 1.0).await;
    broker.publish("gridpost/demo/button/a", r#"{"event":"press","id":"1"}"#);
    receiver.wait("a", |data| is_of(data, "emergency-button", "a")).await;
    let folder = gateway.kill().await;
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    broker.publish("gridpost/demo/button/b", r#"{"event":"press","id":"1"}"#);
    receiver.wait("b", |data| is_of(data, "emergency-button", "b")).await;
    assert_eq!(gateway.metric("gridpost_signals_too_large_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_too_a_message_that_is_too_large_costs_itself_alone() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let at = folder.path().display().to_string();
    let keys = format!("certfile {at}/cert.pem\nkeyfile {at}/key.pem\nmessage_size_limit 0\n");
    let broker = Broker::start_with(&keys).await;
    let authority = format!("{at}/ca.pem");
    let publish = |topic: &str, payload: &[u8]| {
        assert!(Message::new(broker.port, topic, payload).trusting(&authority).send());
    };
    let receiver = Receiver::start().await;
    let site = Site::demo()
        .mqtt_source("radio", &format!("mqtts://localhost:{}", broker.port))
        .set("ca_file", "ca.pem")
        .set("topics", ["zigbee2mqtt/#"])
        .http(&receiver);
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    gateway.readiness(200, "").await;
    for (n, bytes) in [LIMIT, LIMIT + 1, 5 << 20].into_iter().enumerate() {
        publish("zigbee2mqtt/bridge/devices", &list_of(bytes));
        let device = format!("dev-{n}");
        publish(&format!("zigbee2mqtt/{device}"), br#"{"action":"emergency"}"#);
        receiver.wait(&device, |data| is_of(data, "emergency-button", &device)).await;
    }
    assert_eq!(gateway.metric("gridpost_signals_too_large_total").await, 2.0);
    assert_eq!(gateway.log().matches("broker: not heard").count(), 0, "it never broke");
}

/// What a broker of our own making does with each connection after CONNACK.
#[derive(Clone, Copy)]
enum Does {
    /// Answers each SUBSCRIBE with this code.
    Answers(u8),
    /// Answers no SUBSCRIBE.
    IsMute,
    /// Grants everything and hangs up.
    Breaks,
    /// Refuses the CONNECT with this code.
    Refuses(u8),
}

struct Scripted {
    port: u16,
    does: tokio::sync::watch::Sender<Does>,
}

impl Scripted {
    async fn start(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, receiver) = tokio::sync::watch::channel(does);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, receiver.clone()));
            }
        });
        Self { port, does: sender }
    }

    fn site(&self) -> Site {
        Site::demo()
            .section("[[mqtt]]")
            .set("id", "district")
            .set("topics", ["a/+", "b"])
            .set("url", format!("mqtt://127.0.0.1:{}", self.port))
    }
}

async fn packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0u8; 2];
    stream.read_exact(&mut head).await.ok()?;
    assert!(head[1] < 128, "packets of this test are short");
    let mut packet = vec![0; usize::from(head[1])];
    stream.read_exact(&mut packet).await.ok()?;
    packet.insert(0, head[0]);
    Some(packet)
}

async fn serve(mut stream: TcpStream, does: tokio::sync::watch::Receiver<Does>) -> Option<()> {
    packet(&mut stream).await?;
    let code = match *does.borrow() {
        Does::Refuses(code) => code,
        _ => 0,
    };
    stream.write_all(&[0x20, 2, 0, code]).await.ok()?;
    loop {
        let packet = packet(&mut stream).await?;
        let does = *does.borrow();
        if packet[0] == 0x82 && matches!(does, Does::IsMute) {
            continue;
        }
        if packet[0] == 0x82 {
            let code = match does {
                Does::Answers(code) => code,
                _ => 1,
            };
            // The second topic is always granted.
            let code = if packet.ends_with(b"b\x01") { 1 } else { code };
            stream.write_all(&[0x90, 3, packet[1], packet[2], code]).await.ok()?;
            if matches!(does, Does::Breaks) && packet.ends_with(b"b\x01") {
                return None;
            }
        } else if packet[0] == 0xc0 {
            stream.write_all(&[0xd0, 0]).await.ok()?;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_a_broker_refuses_is_told_and_is_asked_for_again() {
    let broker = Scripted::start(Does::Answers(0x80)).await;
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(broker.site().http(&receiver)).await;
    let ready = gateway.readiness(503, "broker district: it does not let us read `a/+`").await;
    assert_eq!(ready["ready"], false);
    let said = receiver.wait("the fault", |data| is_of(data, "device-fault", "district")).await;
    assert!(said["data"]["why"].as_str().unwrap().contains("0x80"), "{said}");
    broker.does.send_replace(Does::Answers(1));
    gateway.readiness(200, "").await;
    let over = |data: &Value| is_of(data, "device-fault", "district") && data["what"] == "ended";
    receiver.wait("that this is over", over).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_connects_and_breaks_again_and_again_is_not_heard() {
    let broker = Scripted::start(Does::Breaks).await;
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(broker.site().http(&receiver)).await;
    let ready = gateway.readiness(503, "broker district: the broker closed the connection").await;
    assert_eq!(ready["ready"], false);
    // It may be gone for a minute; then it is an incident, though it was there all the time.
    let told = async {
        loop {
            let all = receiver.state();
            let said = all.values().find(|data| is_of(data, "device-silent", "district"));
            if let Some(said) = said {
                return said["why"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let why = tokio::time::timeout(2 * PATIENCE, told).await.expect("no incident");
    assert!(why.contains("closed the connection"), "{why}");
    // A reason that is new is a line, the same one is not.
    assert_eq!(gateway.log().matches("broker: not heard").count(), 1, "{}", gateway.log());
    broker.does.send_replace(Does::Refuses(5));
    gateway.readiness(503, "we may not connect").await;
    gateway.logs("we may not connect").await;
    assert_eq!(gateway.log().matches("broker: not heard").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_answers_no_subscribe_is_not_heard() {
    let broker = Scripted::start(Does::IsMute).await;
    let gateway = Gateway::start(broker.site()).await;
    gateway.readiness(503, "broker district: not heard yet").await;
    gateway.readiness(503, "broker district: it does not answer our SUBSCRIBE").await;
    broker.does.send_replace(Does::Answers(1));
    gateway.readiness(200, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_a_reason_and_one_that_comes_back_is_said() {
    let mut broker = Broker::start().await;
    let gateway = Gateway::start(Site::demo().mqtt_source("radio", &broker)).await;
    gateway.readiness(200, "").await;
    broker.stop();
    gateway.readiness(503, "broker radio").await;
    broker.restart().await;
    gateway.readiness(200, "").await;
    gateway.logs("broker: heard again").await;
    // Without it in the configuration, nothing is said of it.
    broker.stop();
    gateway.readiness(503, "broker radio").await;
    gateway.reload_to(Site::demo()).await;
    let ready = wait_for("ready", || async {
        let (status, ready) = gateway.get("/readyz").await;
        (status == 200).then_some(ready)
    })
    .await;
    assert_eq!(ready["reasons"], json!([]));
}
