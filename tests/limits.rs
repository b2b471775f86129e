//! Limits on the real gateway, in seconds: not accepted, escalated, killed in between, accepted, given back, closed.

use serde_json::{Value, json};

use crate::world::{Gateway, Launch, Receiver, Site, check, grids};

fn site(receiver: &Receiver, accept: &str, dispatch: &str) -> Site {
    Site::demo()
        .set("timezone", "Asia/Shanghai")
        .set("grids", grids())
        .button("btn-1")
        .set("name", "张秀英")
        .set("place", [113.9128, 30.9221])
        .http(receiver)
        .section("[[life.limit]]")
        .set("kinds", ["emergency-button"])
        .set("accept", accept)
        .set("escalate", "4s")
        .set("dispatch", dispatch)
        .set("finish", "2h")
}

fn levels(steps: &Value) -> Vec<String> {
    let steps = steps.as_array().unwrap().iter();
    let escalated = steps.filter(|step| step["step"] == "escalated");
    escalated.map(|step| step["level"].as_str().unwrap().to_owned()).collect()
}

async fn say(gateway: &Gateway, id: &str, to: &str, by: &str) -> Value {
    let mut body = json!({"incident": id, "to": to, "by": by});
    if to == "dispatched" {
        body["department"] = "城管".into();
    }
    let (status, data) = gateway.post("/api/v1/replies", &body).await;
    assert_eq!(status, 200, "{to}: {data}");
    data
}

/// Each level once, in the order of the ladder, as far as it came.
fn is_a_climb(levels: &[String]) {
    let ladder = ["grid-head", "community", "township", "department"];
    assert!(levels.len() >= 2, "{levels:?}");
    assert_eq!(levels, &ladder[..levels.len()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_not_accepted_it_is_escalated_twice_over_a_kill_and_then_goes_its_way_to_the_close() {
    let (all, community) = (Receiver::start().await, Receiver::start().await);
    let site =
        site(&all, "1s", "1h").http_sink("community", &community.url).set("levels", ["community"]);
    let gateway = Gateway::start(&site).await;
    gateway.press("btn-1", "p1");
    let first = all.wait("the grid head", |data| data["what"] == "escalated").await;
    let id = first["data"]["incident"].as_str().unwrap().to_owned();
    let escalation = &first["data"]["detail"]["escalation"];
    assert_eq!(escalation["level"], "grid-head");
    assert_eq!((&escalation["urge"], &escalation["name"]), (&json!("催办"), &json!("李建国")));
    assert_eq!(
        (&escalation["for_step"], &first["data"]["deadline"]["light"]),
        (&json!("accept"), &json!("red"))
    );
    let next = &first["data"]["deadline"]["next"];
    assert_eq!((&next["what"], &next["for_step"]), (&json!("escalated"), &json!("accept")));
    assert!(community.events().is_empty(), "nobody there is meant yet");
    let folder = gateway.kill().await;
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    let second = community.wait("the community", |data| data["what"] == "escalated").await;
    assert_eq!(second["data"]["detail"]["escalation"]["level"], "community");
    let accepted = say(&gateway, &id, "accepted", "李建国").await;
    assert_eq!(accepted["deadline"]["light"], "green");
    assert!(accepted["detail"].get("escalation").is_none(), "somebody acts");
    is_a_climb(&levels(&accepted["steps"]));
    goes_its_way(&gateway, &id).await;

    let closed = community.wait("the close", |data| data["what"] == "closed").await;
    is_a_climb(&levels(&closed["data"]["steps"]));
    assert_eq!(levels(&closed["data"]["steps"]), levels(&accepted["steps"]), "none after he acted");
    let told: Vec<Value> = community.events().iter().map(|it| it["data"]["what"].clone()).collect();
    assert_eq!(told[0], "escalated", "{told:?}");
    // Each revision once, whatever was killed.
    all.wait("the close, too", |data| data["what"] == "closed").await;
    let events = all.events();
    let mut ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    let lights = events.iter().filter(|event| event["data"]["what"] == "limit").count();
    assert!(lights <= 1, "the light of one second is told once, or passed unseen");
    assert_eq!(closed["data"]["revision"].as_u64().unwrap() as usize, ids.len());
    let mut gateway = gateway;
    let table = gateway.command("incidents", &["--since", "1h", "--steps"]);
    table.must_say(
        0,
        ["督办 gridpost：催办：网格长 李建国，受理超时", "督办（黄牌）：社区 桥北社区", "已结案"],
    );
    gateway.must_stop_sound().await;
}

/// Dispatched, given back, dispatched again, handled, sent back by the verifier, handled again, closed.
async fn goes_its_way(gateway: &Gateway, id: &str) {
    for (to, by) in [
        ("dispatched", "李建国"),
        ("ask-give-back", "赵强"),
        ("granted", "李建国"),
        ("dispatched", "李建国"),
        ("handled", "王芳"),
        ("sent-back", "李建国"),
        ("handled", "王芳"),
        ("verified", "李建国"),
        ("closed", "李建国"),
    ] {
        let data = say(gateway, id, to, by).await;
        let step = data["deadline"]["step"]["for"].clone();
        let expected = match data["stage"].as_str().unwrap() {
            "accepted" => json!("dispatch"),
            "dispatched" => json!("handle"),
            "handled" => json!("verify"),
            _ => Value::Null,
        };
        assert_eq!(step, expected, "{to}: {data}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_accepted_and_nobody_sent_it_is_open_again_and_that_is_told() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(&site(&receiver, "1h", "1s")).await;
    gateway.press("btn-1", "p1");
    let id = receiver.opened(0).await;
    say(&gateway, &id, "accepted", "李建国").await;
    let lapsed = receiver.wait("the lapse", |data| data["what"] == "lapsed").await;
    let data = &lapsed["data"];
    assert_eq!(
        (&data["stage"], &data["deadline"]["step"]["for"]),
        (&json!("opened"), &json!("accept"))
    );
    assert!(data.get("accepted_at").is_none(), "{data}");
    let (_, shown) = gateway.get(&format!("/api/v1/incidents/{id}")).await;
    assert_eq!(shown["steps"], data["steps"]);
    say(&gateway, &id, "handled", "李建国").await;
    let table = gateway.command("incidents", &["--since", "1h", "--steps"]);
    table.must_say(0, ["逾期未派遣，重新待受理 gridpost", "已处置"]);
    gateway.must_stop_sound().await;
}

/// One grid around the button.
fn grid(code: &str, head: &str) -> String {
    let ring =
        json!([[113.9, 30.9], [113.95, 30.9], [113.95, 30.95], [113.9, 30.95], [113.9, 30.9]]);
    let properties = json!({"code": code, "name": format!("网格 {code}"), "head": head});
    let geometry = json!({"type": "Polygon", "coordinates": [ring]});
    let feature = json!({"type": "Feature", "properties": properties, "geometry": geometry});
    json!({"type": "FeatureCollection", "features": [feature]}).to_string()
}

/// The file of grids is replaced while a case is open, by one that cannot be read, and by one in which its grid is
/// gone: that is said, the case goes on with whom it had, is taken to the next level, and closed; new cases have the new grid.
#[tokio::test(flavor = "multi_thread")]
async fn l2_a_case_goes_on_though_the_file_of_grids_is_replaced() {
    let receiver = Receiver::start().await;
    let site = site(&receiver, "4s", "1h").section("[site]").set("grids", "grids.geojson");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("grids.geojson");
    std::fs::write(&file, grid("G1", "李建国")).unwrap();
    let mut gateway = Launch::of(&site).in_folder(folder).start().await;
    gateway.press("btn-1", "p1");
    let id = receiver.opened(0).await;
    std::fs::write(&file, "{\"type\":").unwrap();
    let (status, answer) = gateway.reload().await;
    assert_eq!(status, 422, "{answer}");
    assert!(answer.to_string().contains("grids.geojson"), "{answer}");
    std::fs::write(&file, grid("G2", "赵强")).unwrap();
    let (status, answer) = gateway.reload().await;
    assert_eq!(status, 200, "{answer}");
    let told = receiver.wait("the head of then", |data| data["what"] == "escalated").await;
    assert_eq!(told["data"]["detail"]["escalation"]["name"], "李建国");
    assert_eq!(told["data"]["grid"]["code"], "G1");
    say(&gateway, &id, "accepted", "李建国").await;
    let closed = say(&gateway, &id, "closed", "李建国").await;
    assert_eq!((&closed["stage"], &closed["grid"]["code"]), (&json!("closed"), &json!("G1")));
    gateway.press("btn-1", "p2");
    let other = |data: &Value| data["what"] == "opened" && data["incident"] != id.as_str();
    let next = receiver.wait("the next case", other).await;
    assert_eq!(next["data"]["grid"]["head"], "赵强");
    gateway.must_stop_sound().await;
}

/// A calendar of last year: `check` says to when it reaches, a running gateway that it is over, and cases go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_has_ended_is_said_and_the_case_goes_on() {
    let receiver = Receiver::start().await;
    let site = site(&receiver, "1h", "1h")
        .set("handle", "3d")
        .section("[life]")
        .set("calendar", "days.csv");
    let folder = tempfile::tempdir().unwrap();
    let days = "date,day\n2020-10-01,rest\n2020-12-31,through\n";
    std::fs::write(folder.path().join("days.csv"), days).unwrap();
    let mut gateway = Launch::of(&site).in_folder(folder).start().await;
    gateway.readiness(200, "it reached to 2020-12-31: since then Monday to Friday count").await;
    gateway.command("check", &[]).must_say(0, ["reaches to 2020-12-31"]);
    gateway.press("btn-1", "p1");
    let id = receiver.opened(0).await;
    let sent = say(&gateway, &id, "dispatched", "李建国").await;
    assert_eq!(sent["deadline"]["step"]["for"], "handle", "{sent}");
    say(&gateway, &id, "closed", "李建国").await;
    gateway.must_stop_sound().await;
}

#[test]
fn what_is_wrong_with_limits_and_their_calendar_is_a_line_with_its_place() {
    let checked = check(
        "[site]\nid = \"x\"\n[life]\ncalendar = \"nowhere.csv\"\nurgs = 1\n[[life.limit]]\naccept = \"3 weeks\"\n[[sink]]\nid = \"s\"\nkind = \"jsonl\"\npath = \"-\"\nlevels = [\"grid-hed\"]\n",
    );
    checked.must_say(
        2,
        [
            "gridpost.toml:4: error: life.calendar:",
            "nowhere.csv: cannot be read",
            "life.urgs: unknown key (did you mean `urges`?)",
            "`3 weeks`: expected a length like 30s, 15min, 2h or 7d",
            "unknown value `grid-hed`",
        ],
    );
    let late = check(
        "[site]\nid = \"x\"\n[[sink]]\nid = \"s\"\nkind = \"jsonl\"\npath = \"-\"\nlevels = [\"community\"]\n",
    );
    late.must_say(0, ["warning: sink[1].levels: every sink has `levels`"]);
}
