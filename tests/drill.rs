//! `gridpost test-event` on the real binary: a drill through every sink, and what is told of each.

use serde_json::Value;

use crate::world::{Gateway, Receiver, Robot, Site, free_port};

/// Told to all, to the owner of another kind of case, and to nobody.
fn site(receiver: &Receiver, robot: &Robot) -> Site {
    let dead = format!("http://127.0.0.1:{}/", free_port());
    Site::demo()
        .set("timezone", "Asia/Shanghai")
        .button("b1")
        .set("name", "张秀英")
        .http(receiver)
        .http_sink("fire", &robot.url)
        .set("kind", "webhook")
        .set("kinds", ["fire-lane"])
        .set("body", r#"{"text":"{title}"}"#)
        .http_sink("dead", dead)
        .section("[routing]")
        .set("otherwise", serde_json::json!({"department": "综治中心", "person": "李四"}))
}

fn said(gateway: &Gateway, more: &[&str]) -> (String, String, i32) {
    let args = [&["--by", "王芳", "--wait", "2"], more].concat();
    let output = gateway.command("test-event", &args);
    (output.stdout, output.stderr, output.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_says_what_arrived_where_and_is_no_case_of_the_figures() {
    let (receiver, robot) = (Receiver::start().await, Robot::start().await);
    let gateway = Gateway::start(&site(&receiver, &robot)).await;
    let drilled = tokio::task::block_in_place(|| said(&gateway, &["--source", "b1"]));
    let (out, problem, code) = drilled;
    assert_eq!(code, 1, "one sink is dead: {out}{problem}");
    let line = |part: &str| {
        let found = out.lines().find(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("{part} in\n{out}")).to_owned()
    };
    assert!(line("【演练】").contains("张秀英：紧急按钮求助"));
    assert!(line("归口").contains("综治中心 · 未列入准入清单 李四"));
    assert!(line("时限").contains("受理 accept 3 分，办结 finish 30 分"));
    assert!(line("grid ").contains("已送达 delivered"));
    assert!(line("fire").contains("不经此通道 passed over"));
    assert!(line("dead").contains("未送达 waiting"));
    assert!(problem.contains("1 sink(s) had not got it after 2 s"), "{problem}");

    let drill = receiver.wait("the drill", |data| data["detail"]["drill"] == true).await;
    assert_eq!((&drill["data"]["severity"], &drill["data"]["revision"]), (&1.into(), &1.into()));
    // A time for people: by the site's clock, as all others.
    let until = drill["data"]["detail"]["drill_until"].as_str().unwrap();
    assert!(until.ends_with("+08:00"), "{until}");
    gateway.press("b1", "real");
    let real =
        |data: &Value| data["detail"]["drill"].is_null() && data["kind"] == "emergency-button";
    receiver.wait("a real press is another case", real).await;
    let (_, figures) = gateway.get("/api/v1/figures?group=kind").await;
    let calls = |row: &&Value| row["group"]["id"] == "emergency-button";
    let row = figures["rows"].as_array().unwrap().iter().find(calls);
    let reported = row.map(|row| row["reported"].clone());
    assert_eq!(reported, Some(1.into()), "drills never count: {figures}");
    assert_eq!(figures["left_out"]["drills"], 1);

    let (out, problem, code) = tokio::task::block_in_place(|| said(&gateway, &["--source", "b9"]));
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(problem.contains("no source is called `b9`"), "{problem}");
    let (_, problem, code) = tokio::task::block_in_place(|| said(&gateway, &["--kind", "fire"]));
    assert_eq!(code, 2, "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_gateway_runs_it_is_said() {
    let (receiver, robot) = (Receiver::start().await, Robot::start().await);
    let mut gateway = Gateway::start(&site(&receiver, &robot)).await;
    gateway.stop().await;
    let (_, problem, code) = tokio::task::block_in_place(|| said(&gateway, &[]));
    assert_eq!(code, 1);
    assert!(problem.contains("no gateway runs on"), "{problem}");
}
