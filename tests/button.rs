//! A button at the intake, end to end: the real binary, a real MQTT client, a real HTTP receiver.

use serde_json::json;

use crate::world::{Gateway, Message, Receiver, Site, grids, http, root, wait_for};

/// The buttons and grids of the shipped example.
fn district(receiver: &Receiver) -> Site {
    Site::demo()
        .set("name", "桥北社区警务室")
        .set("place", [113.9131, 30.9223])
        .set("grids", grids())
        .set("buttons", root().join("config/buttons.csv"))
        .http(receiver)
}

/// Of a button of the list, with all that it can say; under any topic.
fn full_press(gateway: &Gateway, id: &str) -> Message {
    let payload = json!({
        "device": "btn-0686", "event": "press", "id": id,
        "at": "2026-07-01T03:12:09+08:00", "battery": 87
    });
    Message::new(gateway.intake.unwrap(), "any/topic", payload.to_string())
}

/// Whether the intake acknowledged this.
fn is_taken(gateway: &Gateway, payload: &[u8]) -> bool {
    Message::new(gateway.intake.unwrap(), "x/y", payload).send()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_reaches_the_grid_with_its_grid_and_one_effect() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(&district(&receiver)).await;
    for (id, version, qos) in [("1", "311", "1"), ("1", "5", "1"), ("2", "5", "2")] {
        let press = full_press(&gateway, id).options(&["-V", version, "-q", qos]);
        assert!(press.send(), "{id} {version} {qos}");
    }
    let event = receiver.wait("the opened event", |data| data["what"] == "opened").await;
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "io.gridpost.incident.opened.v1");
    assert_eq!(event["source"], "urn:gridpost:demo");
    let data = &event["data"];
    assert_eq!(data["kind"], "emergency-button");
    assert_eq!(data["severity"], 1);
    assert_eq!(data["grid"]["code"], "420100-QB-01");
    assert_eq!(data["grid"]["head"], "李建国");
    assert_eq!(data["detail"]["battery"], 87);
    assert!(data["title"]["zh"].as_str().unwrap().contains("张秀英"), "{data}");
    // The second press of the open incident updates it; the repeated first one does nothing.
    let update = receiver.wait("the update", |data| data["detail"]["presses"] == 2).await;
    assert_eq!(update["data"]["revision"], 2);
    assert_eq!(receiver.state().len(), 1);
    let headers = &receiver.headers()[0];
    assert_eq!(headers["idempotency-key"], event["id"].as_str().unwrap());
    gateway.must_stop_sound().await;
    assert_eq!(receiver.events().len(), 2, "{:#?}", receiver.events());
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_an_acknowledged_press_survives_kill9_and_reaches_a_sink_that_was_down() {
    let receiver = Receiver::start().await;
    receiver.answer(|_| 503);
    let gateway = Gateway::start(&district(&receiver)).await;
    for id in 0..20 {
        gateway.press("btn-0701", &id.to_string());
    }
    let folder = gateway.kill().await;
    receiver.answer(|_| 200);
    let _gateway = Gateway::start_in(folder, &district(&receiver), &[]).await;
    let last = receiver.wait("all twenty presses", |data| data["detail"]["presses"] == 20).await;
    assert_eq!(last["data"]["revision"], 20);
    assert_eq!(last["data"]["active"], true, "an emergency stays open over a restart");
    let presses = receiver.state().into_values().filter(|data| data["kind"] == "emergency-button");
    assert_eq!(presses.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_payloads_are_quarantined_counted_and_disturb_nothing() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&district(&receiver)).await;
    let bad: [&[u8]; 5] = [b"not json", b"\xff\xfe\x00", b"[1,2]", b"{\"event\":7}", b""];
    for payload in bad {
        assert!(is_taken(&gateway, payload), "unreadable is acknowledged: {payload:?}");
    }
    // A megabyte costs itself: its beginning is kept, and the connection goes on.
    assert!(is_taken(&gateway, &vec![b'a'; 1 << 20]));
    let unknown = br#"{"device":"nobody-knows","event":"press","at":"1970-01-01T00:00:00Z"}"#;
    let unknown = Message::new(gateway.intake.unwrap(), "x/y", unknown).options(&["-V", "5"]);
    assert!(unknown.send());
    let event = receiver
        .wait("the press of an unknown device", |data| data["kind"] == "emergency-button")
        .await;
    assert_eq!(event["data"]["sources"][0]["kind"], "unknown");
    assert!(event["data"]["clock"]["error_ms"].as_u64().unwrap() > 1_000_000_000);
    assert_eq!(gateway.metric("gridpost_signals_unreadable_total").await, 6.0);
    assert_eq!(gateway.metric("gridpost_signals_too_large_total").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_move_the_stage_once_and_impossible_ones_change_nothing() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&district(&receiver)).await;
    assert!(full_press(&gateway, "9").send());
    let id = receiver.wait("opened", |_| true).await["subject"].as_str().unwrap().to_owned();
    let reply =
        |to: &str, id_of: &str| json!({"incident": id, "to": to, "by": "李建国", "id": id_of});
    let (status, body) = gateway.post("/api/v1/replies", &reply("accepted", "r1")).await;
    assert_eq!((status, &body["stage"]), (200, &json!("accepted")));
    assert_eq!(gateway.post("/api/v1/replies", &reply("accepted", "r1")).await.0, 200);
    assert_eq!(gateway.post("/api/v1/replies", &reply("accepted", "r2")).await.0, 409);
    let unknown =
        json!({"incident": "01900000-0000-7000-8000-000000000000", "to": "closed", "by": "x"});
    assert_eq!(gateway.post("/api/v1/replies", &unknown).await.0, 404);
    assert_eq!(gateway.post("/api/v1/replies", &json!({"to": "closed"})).await.0, 400);
    let (status, body) = gateway.post("/api/v1/replies", &reply("closed", "r3")).await;
    assert_eq!((status, &body["active"]), (200, &json!(false)));
    receiver
        .wait("closed at the grid", |data| data["stage"] == "closed" && data["revision"] == 3)
        .await;
    let (_, list) = gateway.get("/api/v1/incidents?kind=emergency-button").await;
    assert_eq!(list["incidents"][0]["stage"], "closed");
    assert_eq!(gateway.get("/api/v1/incidents?colour=red").await.0, 400);
    let plain = http().get(format!("{}/api/v1/incidents", gateway.web)).send().await;
    assert_eq!(plain.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_down_is_an_incident_and_a_reason_not_to_be_ready() {
    let receiver = Receiver::start().await;
    receiver.answer(|_| 500);
    let gateway = Gateway::start(&district(&receiver)).await;
    assert_eq!(gateway.get("/readyz").await.0, 200);
    assert!(full_press(&gateway, "1").send());
    gateway.readiness(503, "").await;
    // It is listed once it is on disk, which may be a moment after the readiness.
    wait_for("the incident", || async {
        let (_, list) = gateway.get("/api/v1/incidents?kind=sink-down").await;
        (list["incidents"][0]["active"] == true).then_some(())
    })
    .await;
    receiver.answer(|_| 200);
    receiver.wait("the press in spite of it all", |data| data["kind"] == "emergency-button").await;
    gateway.readiness(200, "").await;
}
