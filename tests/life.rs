//! A case with the grid from press to close, over the web, restarts between; and what the morning asks.

use serde_json::{Value, json};

use crate::world::{Gateway, Receiver, Site, grids};

fn site(receiver: &Receiver) -> Site {
    Site::demo()
        .set("timezone", "Asia/Shanghai")
        .set("grids", grids())
        .button("btn-1")
        .set("name", "张秀英")
        .set("place", [113.9128, 30.9221])
        .http(receiver)
}

async fn step(gateway: &Gateway, body: &Value) -> (u16, Value) {
    gateway.post("/api/v1/replies", body).await
}

async fn opened(gateway: &Gateway, receiver: &Receiver) -> String {
    gateway.press("btn-1", "p1");
    let event = receiver.wait("the press", |data| data["what"] == "opened").await;
    event["data"]["incident"].as_str().unwrap().to_owned()
}

/// A reply to this incident.
fn say(id: &str, to: &str, by: &str, more: Value) -> Value {
    let mut body = json!({"incident": id, "to": to, "by": by});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Two taps on one screen are one, and the second officer hears who was first; returns the clock.
async fn is_accepted_once(gateway: &Gateway, id: &str) -> String {
    let tap = |by: &str| say(id, "accepted", by, json!({"revision": 1}));
    let (status, data) = step(gateway, &tap("李建国")).await;
    assert_eq!((status, &data["what"]), (200, &json!("accepted")));
    assert_eq!(step(gateway, &tap("李建国")).await.0, 200);
    let (status, told) = step(gateway, &tap("王芳")).await;
    assert_eq!((status, &told["by"], &told["step"]), (409, &json!("李建国"), &json!("accepted")));
    assert_eq!(told["at"], data["accepted_at"]);
    let clock = data["accepted_at"].as_str().unwrap()[11..16].to_owned();
    assert_eq!(told["zh"], format!("已由李建国 {clock} 受理"));
    clock
}

/// Given back by the wrong department, handled, sent back by the verifier, handled again, closed.
async fn goes_on_to_its_close(gateway: &Gateway, id: &str) {
    let asked = json!({"id": "g1", "note": "不归我们管"});
    for _ in 0..2 {
        let ask = say(id, "ask-give-back", "赵强", asked.clone());
        assert_eq!(step(gateway, &ask).await.0, 200);
    }
    let granted = |by: &str| say(id, "granted", by, json!({}));
    assert_eq!(step(gateway, &granted("赵强")).await.0, 409, "who asked");
    let (status, data) = step(gateway, &granted("李建国")).await;
    let reached = (status, &data["stage"], &data["what"]);
    assert_eq!(reached, (200, &json!("accepted"), &json!("granted")));
    let (_, data) = step(gateway, &say(id, "handled", "王芳", json!({"note": "已送医"}))).await;
    assert_eq!((&data["stage"], &data["self_handled"]), (&json!("handled"), &json!(true)));
    let (status, told) = step(gateway, &say(id, "verified", "王芳", json!({}))).await;
    assert_eq!(status, 409);
    assert!(told["error"].as_str().unwrap().contains("another person verifies"), "{told}");
    for (to, by) in [("sent-back", "李建国"), ("handled", "王芳"), ("verified", "李建国")] {
        assert_eq!(step(gateway, &say(id, to, by, json!({}))).await.0, 200, "{to}");
    }
    let (_, closed) = step(gateway, &say(id, "closed", "李建国", json!({}))).await;
    assert_eq!((&closed["active"], &closed["what"]), (&json!(false), &json!("closed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_goes_from_press_to_close_and_the_morning_hears_who_did_what_and_when() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&site(&receiver)).await;
    let id = opened(&gateway, &receiver).await;
    let clock = is_accepted_once(&gateway, &id).await;
    let department = json!({"department": "城管", "id": "d1"});
    assert_eq!(step(&gateway, &say(&id, "dispatched", "李建国", department)).await.0, 200);
    let folder = gateway.kill().await;
    let gateway = Gateway::start_in(folder, &site(&receiver), &[]).await;
    goes_on_to_its_close(&gateway, &id).await;

    // What the grid got is what the page shows, and nothing of it is lost by another restart.
    let event = receiver.wait("closed", |data| data["what"] == "closed").await;
    let folder = gateway.kill().await;
    let mut gateway = Gateway::start_in(folder, &site(&receiver), &[]).await;
    let (_, shown) = gateway.get(&format!("/api/v1/incidents/{id}")).await;
    assert_eq!(shown["steps"], event["data"]["steps"]);
    let steps = shown["steps"].as_array().unwrap().iter();
    let steps: Vec<&str> = steps.map(|step| step["step"].as_str().unwrap()).collect();
    let all = "accepted dispatched ask-give-back granted handled sent-back handled verified closed";
    assert_eq!(steps.join(" "), all);
    let table = gateway.command("incidents", &["--since", "today", "--steps"]);
    let told = [
        "时间 opened",
        "已结案",
        "张秀英",
        "桥北第一网格",
        "申请回退 赵强：不归我们管",
        "派遣 李建国：城管",
        "1 件，未结 0 件",
    ];
    table.must_say(0, told);
    let row = table.stdout.lines().find(|line| line.contains(&id)).unwrap();
    assert!(row.contains(&format!("{clock} 李建国 (<1分)")), "{row}");
    // Before the last start it was closed: it can be reopened all the same.
    let (status, again) = step(&gateway, &say(&id, "reopened", "李建国", json!({}))).await;
    let reached = (status, &again["stage"], &again["what"]);
    assert_eq!(reached, (200, &json!("opened"), &json!("reopened")));
    assert!(again.get("accepted_at").is_none() && again["steps"].as_array().unwrap().len() == 10);
    let lines = gateway.command("incidents", &["--since", "1h", "--open", "--json"]).stdout;
    let line: Value = serde_json::from_str(lines.trim()).unwrap();
    assert_eq!((&line["incident"], &line["stage"]), (&json!(id), &json!("opened")));
    gateway.command("incidents", &["--since", "last week"]).must_say(2, ["expected today"]);
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_mean_nothing_are_answered_in_words_and_the_case_goes_on() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(&site(&receiver)).await;
    let id = opened(&gateway, &receiver).await;
    let reply = |more: Value| {
        let mut body = json!({"incident": id, "to": "accepted", "by": "甲"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (more, status, part) in [
        (json!({"revision": 9}), 409, "revision 9 has not been shown"),
        (json!({"revision": -1}), 400, "not a reply"),
        (json!({"to": "granted"}), 409, "nothing is asked"),
        (json!({"to": "transferred", "department": "城管"}), 409, "not possible there"),
        (json!({"to": "ask-withdraw", "by": " "}), 409, "must say who they are"),
        (json!({"to": "ask-extend", "until": "1970-01-01T00:00:00Z"}), 409, "not possible there"),
        (json!({"to": "merged", "into": id}), 409, "into itself"),
        (json!({"to": "dismissed", "reason": "because"}), 400, "expected one of `false-alarm`"),
        (json!({"to": "erledigt"}), 400, "expected one of `accepted`"),
    ] {
        let (answer, body) = step(&gateway, &reply(more.clone())).await;
        let error = body["error"].as_str().unwrap_or_default();
        assert!(answer == status && error.contains(part), "{more}: {answer} {body}");
    }
    let (_, shown) = gateway.get(&format!("/api/v1/incidents/{id}")).await;
    assert_eq!((&shown["revision"], &shown["stage"]), (&json!(1), &json!("opened")));
    // HTML and a long note are a note like another: kept, cut in the step.
    let note = format!("<script>alert(1)</script>{}", "长".repeat(5_000));
    let (status, data) = step(&gateway, &reply(json!({"note": note}))).await;
    let kept = data["steps"][0]["note"].as_str().unwrap();
    assert_eq!((status, kept.chars().count()), (200, 500));
    assert_eq!(data["detail"]["note_of_reply"], note);
    let dismissed = json!({"to": "dismissed", "reason": "false-alarm"});
    let (status, data) = step(&gateway, &reply(dismissed)).await;
    assert_eq!((status, &data["steps"][1]["reason"]), (200, &json!("false-alarm")));
    assert_eq!((&data["active"], data.get("closed_at").is_some()), (&json!(false), true));
    gateway.must_stop_sound().await;
}
