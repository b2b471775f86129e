//! A change without a restart of what stands around the cameras: sinks, listeners, buttons, grids and brokers.

use std::{fs, net::TcpListener};

use serde_json::{Value, json};

use crate::world::{Broker, Button, Gateway, Receiver, Site, grids, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_removed_sink_keeps_what_it_is_owed_and_gets_it_when_it_comes_back() {
    let (grid, district) = (Receiver::start().await, Receiver::start().await);
    district.answer(|_| 503);
    let one = Site::demo().http(&grid);
    let both = one.clone().http_sink("district", &district.url);
    let mut gateway = Gateway::start(&both).await;
    gateway.press("owed", "1");
    let down = |data: &Value| data["kind"] == "sink-down" && data["active"] == true;
    grid.wait("the word that it is down", down).await;
    gateway.reload_to(&one).await;
    let over = |data: &Value| data["kind"] == "sink-down" && data["what"] == "ended";
    grid.wait("the word that this is over", over).await;
    let (_, ready) = gateway.get("/readyz").await;
    assert_eq!(ready["ready"], true, "{ready}");
    gateway.press("meanwhile", "1");
    grid.wait("the press meanwhile", |data| data["sources"][0]["id"] == "meanwhile").await;
    district.answer(|_| 200);
    gateway.reload_to(&both).await;
    gateway.press("after", "1");
    district.wait("the press after it came back", |d| d["sources"][0]["id"] == "after").await;
    wait_for("what it was owed", || async { district.sources().contains("owed").then_some(()) })
        .await;
    assert!(!district.sources().contains("meanwhile"), "it was not there then");
    gateway.nothing_is_pending().await;
    // A changed sink goes on, with nothing lost in the courier that ended.
    grid.answer(|_| 503);
    gateway.press("in-hand", "1");
    gateway.metric_is("gridpost_delivery_failures_total", |failures| failures > 0.0).await;
    grid.answer(|_| 200);
    let changed = both.edit("[[sink]]", "grid").set("timeout_s", 4);
    let answer = gateway.reload_to(changed).await;
    assert_eq!(answer["difference"][0]["keys"], json!(["timeout_s"]), "{answer}");
    grid.wait("what the old courier had", |data| data["sources"][0]["id"] == "in-hand").await;
    gateway.must_stop_sound().await;
}

/// Whether a button with this password is let in.
async fn comes_in(port: u16, password: &str) -> bool {
    Button::with_password("with-user", port, "button", password).is_let_in().await
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_move_new_one_first_and_stay_if_they_cannot() {
    let receiver = Receiver::start().await;
    let site = Site::demo().http(&receiver);
    let mut gateway = Gateway::start(&site).await;
    let intake =
        |port: u16| site.clone().section("[intake]").set("listen", format!("127.0.0.1:{port}"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    gateway.rewrite(intake(port));
    let (status, answer) = gateway.reload().await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["kept"][0]["section"], "intake", "{answer}");
    assert!(answer["kept"][0]["why"].as_str().unwrap().contains("cannot listen on"), "{answer}");
    gateway.press("old-door", "1");
    // The same file once the port is free.
    drop(taken);
    let (status, answer) = gateway.reload().await;
    assert_eq!((status, &answer["kept"]), (200, &json!([])), "{answer}");
    let before = gateway.intake.replace(port).unwrap();
    gateway.press("new-door", "1");
    let gone = tokio::net::TcpStream::connect(("127.0.0.1", before)).await;
    assert!(gone.is_err(), "the old listener is still there");
    assert_eq!(gateway.port("intake"), port);
    // The same address with users: the door stays, who may come in changes; so does a changed file.
    let users = gateway.file("users");
    fs::write(&users, "button:one\n").unwrap();
    let with_users = intake(port).set("allow_anonymous", false).set("users_file", "users");
    gateway.rewrite(&with_users);
    gateway.reload().await;
    assert!(comes_in(port, "one").await && !comes_in(port, "two").await);
    fs::write(&users, "button:two\n").unwrap();
    let (_, answer) = gateway.reload().await;
    assert_eq!(answer["difference"][0]["keys"], json!(["users_file (its content)"]), "{answer}");
    assert!(comes_in(port, "two").await && !comes_in(port, "one").await);
    // The web moves while it answers.
    let web = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    gateway.rewrite(with_users.section("[web]").set("listen", web.to_string()));
    let (status, answer) = gateway.reload().await;
    assert_eq!(status, 200, "{answer}");
    gateway.web = format!("http://{web}");
    let (status, _) = gateway.get("/api/v1/incidents").await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_web_token_lets_in_by_the_new_one_alone() {
    let mut gateway =
        Gateway::start(Site::demo().section("[web]").set("token_file", "data/token")).await;
    let token = gateway.data().join("token");
    let before = fs::read_to_string(&token).unwrap();
    assert_eq!(gateway.get("/api/v1/incidents").await.0, 200);
    fs::write(&token, "another-token-of-the-same-site\n").unwrap();
    let (status, answer) = gateway.reload().await;
    assert_eq!(status, 200, "the old one still asks for the reload: {answer}");
    assert_eq!(gateway.get("/api/v1/incidents").await.0, 401, "{before}");
    gateway.token = "another-token-of-the-same-site".into();
    assert_eq!(gateway.get("/api/v1/incidents").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_grids_and_brokers_are_swapped_while_it_runs() {
    let (receiver, broker) = (Receiver::start().await, Broker::start().await);
    let site = Site::demo().http(&receiver);
    let gateway = Gateway::start(&site).await;
    gateway.press("b-9", "1");
    let unknown = receiver.wait("the press", |data| data["what"] == "opened").await;
    assert_eq!(unknown["data"]["sources"][0]["name"], "b-9");
    let csv = gateway.file("buttons.csv");
    let row = |name: &str| {
        format!("id,name,lon,lat,grid,contact,note\nb-10,{name},113.9128,30.9221,,,\n")
    };
    fs::write(&csv, row("张秀英")).unwrap();
    let with_broker = site
        .section("[site]")
        .set("buttons", "buttons.csv")
        .set("grids", grids())
        .mqtt_source("city", &broker);
    let answer = gateway.reload_to(&with_broker).await;
    let sections: Vec<&str> = answer["difference"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["section"].as_str().unwrap())
        .collect();
    assert_eq!(sections, ["button", "mqtt", "site"], "{answer}");
    // Until the gateway has subscribed, a broker has nobody to keep it for.
    let named = wait_for("a press by way of the new broker", || {
        broker.publish("gridpost/demo/button/b-10", r#"{"event":"press","id":"1"}"#);
        let of_button = |event: &Value| event["data"]["sources"][0]["id"] == "b-10";
        let found = receiver.events().into_iter().find(of_button);
        async move { found }
    })
    .await;
    assert_eq!(named["data"]["sources"][0]["name"], "张秀英", "{named}");
    assert_eq!(named["data"]["grid"]["code"], "420100-QB-01", "{named}");
    // The csv alone changed: its buttons differ.
    fs::write(&csv, row("李建国")).unwrap();
    let (_, answer) = gateway.reload().await;
    assert_eq!(
        answer["difference"],
        json!([{ "section": "button", "id": "b-10", "change": "changed", "keys": ["name"] }])
    );
    // Another time zone: events carry it from now on.
    gateway.reload_to(with_broker.section("[site]").set("timezone", "UTC")).await;
    gateway.press("b-11", "1");
    let event = receiver.wait("a press after that", |d| d["sources"][0]["id"] == "b-11").await;
    assert!(named["time"].as_str().unwrap().ends_with("+08:00"), "{named}");
    assert!(!event["time"].as_str().unwrap().ends_with("+08:00"), "{event}");
}
