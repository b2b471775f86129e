//! A button that is put on the list over the web: whose it is is told from the next press on; taken back; and who may.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Button, Gateway, Receiver, Seat, Site, said, wait_for};

const BUTTONS: &str = "/api/v1/buttons";
const DEVICE: &str = "0x00158d0001";

fn hers(on: u64) -> Value {
    json!({ "on": on, "id": "flat-201", "device": DEVICE, "name": "李奶奶 3-201",
        "address": "三号楼 201", "contact": "女儿 13800000000", "note": "听力不好" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_that_nobody_knew_is_put_on_the_list_and_its_next_press_says_whose_it_is() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Site::demo().button("other").http(&receiver)).await;
    let installer = Seat::take(&gateway, "王工", "installer").await;
    let port = gateway.port("intake");
    let mut button = Button::new("a", port);
    button.press(DEVICE, 1).await;
    let of = |data: &Value, source: &str| {
        data["kind"] == "emergency-button" && data["sources"][0]["id"] == source
    };
    let unknown = receiver.wait("its first press", |data| of(data, DEVICE)).await;
    assert_eq!(unknown["data"]["detail"]["unlisted"], true, "{unknown}");
    wait_for("whoever installs it sees it", || async {
        let (_, devices) = gateway.get("/api/v1/devices").await;
        devices.to_string().contains(DEVICE).then_some(())
    })
    .await;
    let before = std::fs::read_to_string(gateway.file("gridpost.toml")).unwrap();
    let (status, told) = said(installer.ask(Method::POST, BUTTONS, &hers(0)).await).await;
    assert_eq!((status, &told["in_effect"]), (200, &json!(true)), "{told}");
    button.press(DEVICE, 2).await;
    let event = receiver.wait("its next press", |data| of(data, "flat-201")).await;
    let data = &event["data"];
    assert_eq!(data["sources"][0]["name"], "李奶奶 3-201", "{event}");
    assert!(data["detail"]["unlisted"].is_null(), "{event}");
    for words in ["三号楼 201", "女儿 13800000000", "听力不好"] {
        assert!(event.to_string().contains(words), "{words}: {event}");
    }
    // The same once more, another with its device, and one that came too late.
    for (asked, status) in [
        (hers(1), 422),
        (json!({ "on": 1, "id": "twin", "device": DEVICE, "name": "x" }), 422),
        (json!({ "on": 0, "id": "late", "name": "x" }), 409),
    ] {
        let (answer, told) = said(installer.ask(Method::POST, BUTTONS, &asked).await).await;
        assert_eq!(answer, status, "{told}");
    }
    assert_eq!(std::fs::read_to_string(gateway.file("gridpost.toml")).unwrap(), before);
    // Taken back, it goes on to be heard: as one that nobody knows.
    let undone = installer.ask(Method::POST, "/api/v1/rules/undo", &json!({ "on": 1 })).await;
    assert_eq!(undone.status(), 200);
    button.press(DEVICE, 3).await;
    let told = |data: &Value| of(data, DEVICE) && data["detail"]["presses"] == 2;
    receiver.wait("a press of nobody's", told).await;
    assert!(gateway.journal().contains("在页面上登记按钮 flat-201"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_puts_a_button_on_the_list_without_the_role_or_in_anothers_name() {
    let gateway = Gateway::start(Site::demo()).await;
    let installer = Seat::take(&gateway, "王工", "installer").await;
    let officer = Seat::take(&gateway, "李警官", "officer").await;
    let ask = async |seat: &Seat<'_>, body: &Value| {
        said(seat.ask(Method::POST, BUTTONS, body).await).await.0
    };
    assert_eq!(ask(&officer, &hers(0)).await, 403);
    assert_eq!(ask(&Seat::empty(&gateway), &hers(0)).await, 401);
    let mut other = hers(0);
    other["by"] = "李警官".into();
    assert_eq!(ask(&installer, &other).await, 403, "by his own name alone");
    let mut more = hers(0);
    more["user"] = "hub".into();
    assert_eq!(ask(&installer, &more).await, 422, "who may speak for it is not said here");
    assert!(!gateway.data().join("site.d/applied.toml").exists());
    assert_eq!(ask(&installer, &hers(0)).await, 200);
}
