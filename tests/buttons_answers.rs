//! Who pressed hears it: answers on a real broker, a text at a robot; what is old or not meant is not said.

use std::fs;

use base64::Engine;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};

use crate::world::{Broker, Gateway, Listener, Receiver, Robot, gridpost, press, wait_for};

fn answers(port: u16, more: &str) -> String {
    format!(
        "\n[[sink]]\nid = \"answers\"\nkind = \"answer\"\nbroker = \"mqtt://127.0.0.1:{port}\"\ntimeout_s = 1\n{more}\n[[sink.say]]\nwhen = [\"received\", \"coming\", \"over\"]\ntopic = \"gridpost/{{site}}/button/{{device}}/answer\"\npayload = '{{\"say\":\"{{say}}\",\"person\":\"{{person}}\"}}'\n"
    )
}

fn config(receiver: &Receiver, more: &str) -> String {
    format!(
        "[site]\nid = \"demo\"\n[[button]]\nid = \"b1\"\nname = \"张\\\"三\"\ncontact = \"138\"\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n{more}",
        receiver.url
    )
}

fn said(listener: &Listener, device: &str) -> Vec<String> {
    let heard = listener.heard(&format!("gridpost/demo/button/{device}/answer"));
    heard.iter().map(|payload| payload["say"].as_str().unwrap().to_owned()).collect()
}

async fn ledger_holds(gateway: &mut Gateway) {
    assert!(gateway.stop().await.success());
    let data = gateway.data().display().to_string();
    let ledger = gridpost(&["store", "ledger", "--data", &data]);
    assert!(ledger.stdout.contains("the sums hold"), "{}", ledger.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn received_again_coming_and_over_are_heard_in_order() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let listener = Listener::start(broker.port, "gridpost/#", &[]).await;
    let mut gateway = Gateway::start(&config(&receiver, &answers(broker.port, ""))).await;
    let intake = gateway.intake.unwrap();
    assert!(press(intake, "b1", "1"));
    let heard = async |count: usize| {
        wait_for("the answer", || async { (said(&listener, "b1").len() >= count).then_some(()) })
            .await;
    };
    heard(1).await;
    assert!(press(intake, "b1", "2"));
    heard(2).await;
    let event = receiver.wait("the press", |data| data["kind"] == "emergency-button").await;
    for (n, to) in ["accepted", "dispatched", "handled", "closed"].iter().enumerate() {
        let reply = json!({"incident": event["subject"], "to": to, "by": "李建国"});
        let (status, body) = gateway.post("/api/v1/replies", &reply).await;
        assert_eq!(status, 200, "{to}: {body}");
        heard([3, 4, 4, 5][n]).await;
    }
    assert_eq!(said(&listener, "b1"), ["received", "received", "coming", "coming", "over"]);
    let first = &listener.heard("gridpost/demo/button/b1/answer")[0];
    assert_eq!(first["person"], "张\"三");
    wait_for("everything settled", || async {
        (gateway.metric("gridpost_pending_records").await == 0.0).then_some(())
    })
    .await;
    assert!(
        gateway.metric("gridpost_sink_passed_total").await >= 1.0,
        "`handled` means nothing to who pressed"
    );
    ledger_holds(&mut gateway).await;
}

/// The broker was away for longer than an answer is of use: it is passed over, and the next is not.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_too_late_is_not_said() {
    let mut broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let more = answers(broker.port, "too_old_s = 2");
    let gateway = Gateway::start(&config(&receiver, &more)).await;
    broker.stop();
    let intake = gateway.intake.unwrap();
    assert!(press(intake, "b1", "1"));
    receiver.wait("the press", |data| data["kind"] == "emergency-button").await;
    let there = std::time::Instant::now();
    wait_for("a failed try", || async {
        (gateway.metric("gridpost_delivery_failures_total").await >= 1.0).then_some(())
    })
    .await;
    wait_for("it to be old", || async { (there.elapsed().as_secs_f64() > 2.5).then_some(()) })
        .await;
    broker.restart().await;
    let listener = Listener::start(broker.port, "gridpost/#", &[]).await;
    wait_for("it to be passed over", || async {
        (gateway.metric("gridpost_sink_passed_total").await >= 1.0).then_some(())
    })
    .await;
    assert!(press(intake, "b1", "2"));
    wait_for("the next answer", || async { (!said(&listener, "b1").is_empty()).then_some(()) })
        .await;
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
    let more = format!(
        "\n[[sink]]\nid = \"dingtalk\"\nkind = \"webhook\"\nurl = \"{}?access_token=${{KEY}}\"\nsign = \"dingtalk\"\nsecret_file = \"secret\"\nbody = '{{\"msgtype\":\"text\",\"text\":{{\"content\":\"{{title}}\\n{{contact}}\"}}}}'\n\n[[sink]]\nid = \"wecom\"\nkind = \"webhook\"\nurl = \"{}?key=${{KEY}}\"\nkinds = [\"rain\"]\nbody = '{{\"msgtype\":\"text\",\"text\":{{\"content\":\"{{title}}\"}}}}'\n",
        robot.url, plain.url
    );
    let mut gateway =
        Gateway::start_in(folder, &config(&receiver, &more), &[("KEY", "k-geheim")]).await;
    assert!(press(gateway.intake.unwrap(), "b1", "1"));
    let told = receiver.wait("the word that it is down", |data| {
        data["kind"] == "sink-down" && data["sources"][0]["id"] == "dingtalk"
    });
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
    wait_for("everything settled", || async {
        (gateway.metric("gridpost_pending_records").await == 0.0).then_some(())
    })
    .await;
    assert_eq!(robot.texts().len(), 1, "only the emergency goes to the phone, once");
    assert!(plain.texts().is_empty(), "no rain, no text");
    let log = gateway.log();
    assert!(!log.contains("k-geheim") && !log.contains(secret), "{log}");
    let shown: Value = gateway.get("/api/v1/incidents?kind=sink-down").await.1;
    assert!(!shown.to_string().contains("k-geheim"));
    ledger_holds(&mut gateway).await;
}
