//! Who pressed hears it: answers on a real broker, a text at a robot; what is old or not meant is not said.

use std::fs;

use base64::Engine;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};

use crate::world::{Broker, Gateway, Launch, Listener, Receiver, Robot, Site, is_of, wait_for};

/// One button, and the grid.
fn one_button(receiver: &Receiver) -> Site {
    let site = Site::demo().button("b1").set("name", "张\"三").set("contact", "138");
    site.http(receiver)
}

/// Answers to whoever pressed, at this broker.
fn answers(site: Site, broker: &Broker) -> Site {
    let site = site.mqtt_sink("answers", broker).set("kind", "answer").set("timeout_s", 1);
    site.section("[[sink.say]]")
        .set("when", ["received", "coming", "over"])
        .set("topic", "gridpost/{site}/button/{device}/answer")
        .set("payload", r#"{"say":"{say}","person":"{person}"}"#)
}

fn said(listener: &Listener, device: &str) -> Vec<String> {
    let heard = listener.heard(&format!("gridpost/demo/button/{device}/answer"));
    heard.iter().map(|payload| payload["say"].as_str().unwrap().to_owned()).collect()
}

async fn heard(listener: &Listener, count: usize) {
    let enough = || async { (said(listener, "b1").len() >= count).then_some(()) };
    wait_for(&format!("{count} answers"), enough).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn received_again_coming_and_over_are_heard_in_order() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let listener = Listener::start(broker.port, "gridpost/#", &[]).await;
    let mut gateway = Gateway::start(&answers(one_button(&receiver), &broker)).await;
    gateway.press("b1", "1");
    heard(&listener, 1).await;
    gateway.press("b1", "2");
    heard(&listener, 2).await;
    let event = receiver.wait("the press", |data| data["kind"] == "emergency-button").await;
    for (n, to) in ["accepted", "dispatched", "handled", "closed"].iter().enumerate() {
        let reply = json!({"incident": event["subject"], "to": to, "by": "李建国"});
        let (status, body) = gateway.post("/api/v1/replies", &reply).await;
        assert_eq!(status, 200, "{to}: {body}");
        heard(&listener, [3, 4, 4, 5][n]).await;
    }
    assert_eq!(said(&listener, "b1"), ["received", "received", "coming", "coming", "over"]);
    let first = &listener.heard("gridpost/demo/button/b1/answer")[0];
    assert_eq!(first["person"], "张\"三");
    gateway.nothing_is_pending().await;
    assert!(
        gateway.metric("gridpost_sink_passed_total").await >= 1.0,
        "`handled` means nothing to who pressed"
    );
    gateway.must_stop_sound().await;
}

/// The broker was away for longer than an answer is of use: it is passed over, and the next is not.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_too_late_is_not_said() {
    let mut broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let site = answers(one_button(&receiver), &broker);
    let site = site.edit("[[sink]]", "answers").set("too_old_s", 2);
    let gateway = Gateway::start(&site).await;
    broker.stop();
    gateway.press("b1", "1");
    receiver.wait("the press", |data| data["kind"] == "emergency-button").await;
    let there = std::time::Instant::now();
    gateway.metric_is("gridpost_delivery_failures_total", |failures| failures >= 1.0).await;
    wait_for("it to be old", || async { (there.elapsed().as_secs_f64() > 2.5).then_some(()) })
        .await;
    broker.restart().await;
    let listener = Listener::start(broker.port, "gridpost/#", &[]).await;
    gateway.metric_is("gridpost_sink_passed_total", |passed| passed >= 1.0).await;
    gateway.press("b1", "2");
    heard(&listener, 1).await;
    assert_eq!(said(&listener, "b1"), ["received"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_says_200_and_means_no_is_asked_again_and_the_signature_is_right() {
    let (robot, plain) = (Robot::start().await, Robot::start().await);
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let secret = "SEC000000000000000000000";
    fs::write(folder.path().join("secret"), secret).unwrap();
    robot.says(93_000);
    let webhook =
        |site: Site, id: &str, url: String| site.http_sink(id, url).set("kind", "webhook");
    let url = format!("{}?access_token=${{KEY}}", robot.url);
    let site = webhook(one_button(&receiver), "dingtalk", url)
        .set("sign", "dingtalk")
        .set("secret_file", "secret")
        .set("body", r#"{"msgtype":"text","text":{"content":"{title}\n{contact}"}}"#);
    let site = webhook(site, "wecom", format!("{}?key=${{KEY}}", plain.url))
        .set("kinds", ["rain"])
        .set("body", r#"{"msgtype":"text","text":{"content":"{title}"}}"#);
    let mut gateway = Launch::of(&site).in_folder(folder).env("KEY", "k-geheim").start().await;
    gateway.press("b1", "1");
    let down = |data: &Value| is_of(data, "sink-down", "dingtalk");
    let told = receiver.wait("the word that it is down", down);
    let why = told.await["data"]["why"].as_str().unwrap().to_owned();
    assert!(why.contains("answered 200 and /errcode 93000: not now"), "{why}");
    assert!(robot.refused() >= 3 && robot.texts().is_empty());
    robot.says(0);
    let (query, body) = robot.text().await;
    assert_eq!(query["access_token"], "k-geheim");
    assert_eq!(body["text"]["content"], "张\"三：紧急按钮求助\n138");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{}\n{secret}", query["timestamp"]).as_bytes());
    let sign = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(query["sign"], sign, "as DingTalk computes it");
    gateway.nothing_is_pending().await;
    assert_eq!(robot.texts().len(), 1, "only the emergency goes to the phone, once");
    assert!(plain.texts().is_empty(), "no rain, no text");
    let log = gateway.log();
    assert!(!log.contains("k-geheim") && !log.contains(secret), "{log}");
    let shown: Value = gateway.get("/api/v1/incidents?kind=sink-down").await.1;
    assert!(!shown.to_string().contains("k-geheim"));
    gateway.must_stop_sound().await;
}
