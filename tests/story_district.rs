//! A car in the fire lane at 14:00, from the camera to the district's monthly table, against a district of its own: down for
//! a part of it, and the gateway killed in the middle.

use std::{collections::BTreeMap, io::Cursor, path::PathBuf, process::Command};

use calamine::{Data, Reader, Xlsx};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use crate::world::{
    District, Gateway, Launch, RtspServer, Site, WrongClock, grids, http, now_s, only_the_ssd,
    root, wait_for,
};

/// The lane of the scene; behind it cars are parked, as they may be.
const LANE: [[f64; 2]; 4] = [[0.35, 0.3], [0.95, 0.3], [0.95, 0.75], [0.35, 0.75]];
/// Of `config/profiles/codes.csv`.
const FIRE_LANE: &str = "0201";
const CALL: &str = "0101";

fn scene() -> PathBuf {
    let made = Command::new("/usr/bin/python3").arg(root().join("tests/rig/lane.py")).output();
    PathBuf::from(String::from_utf8(made.unwrap().stdout).unwrap().trim())
}

fn config(name: &str) -> String {
    root().join("config").join(name).display().to_string()
}

/// Limits are seconds; the district is asked each second, as shipped but for that.
fn site(camera: &RtspServer, district: &District, profile: &str) -> Site {
    Site::demo()
        .set("timezone", "Asia/Shanghai")
        .set("grids", grids())
        .camera("lane", camera)
        .short_clips()
        .set("name", "东门消防通道")
        .set("place", [113.9128, 30.9221])
        .rule("lane-blocked", "fire-lane")
        .set("labels", ["car", "truck", "bus"])
        .set("zone", LANE)
        .set("dwell_s", 2)
        .set("cooldown_s", 3600)
        .set("severity", 2)
        .button("btn-1")
        .set("name", "张秀英")
        .set("place", [113.9128, 30.9221])
        .section("[routing]")
        .set("table", config("routing.csv"))
        .section("[[life.limit]]")
        .set("kinds", ["fire-lane"])
        .set("accept", "1s")
        .set("escalate", "3s")
        .set("dispatch", "1h")
        .set("handle", "1h")
        .set("verify", "1h")
        .set("finish", "2h")
        .section("[[sink]]")
        .set("id", "district")
        .set("kind", "profile")
        .set("url", district.url())
        .set("profile_file", profile)
        .set("categories_file", config("profiles/codes.csv"))
        .set("kinds", ["fire-lane", "emergency-button"])
        .set("timeout_s", 2)
}

/// The shipped profile, which asks each second.
fn profile(folder: &std::path::Path) -> String {
    let shipped = std::fs::read_to_string(config("profiles/chengguan.toml")).unwrap();
    let file = folder.join("district.toml");
    assert!(shipped.contains("every_s = 60"));
    std::fs::write(&file, shipped.replace("every_s = 60", "every_s = 1")).unwrap();
    file.display().to_string()
}

/// A case of this stage, department and so many steps; as the page shows it.
async fn case_is(gateway: &Gateway, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("{id} as it should be"), || async {
        let (_, data) = gateway.get(&format!("/api/v1/incidents/{id}")).await;
        wanted(&data).then_some(data)
    })
    .await
}

async fn say(gateway: &Gateway, id: &str, to: &str, by: &str) {
    let body = json!({"incident": id, "to": to, "by": by, "note": "现场核对"});
    let (status, answer) = gateway.post("/api/v1/replies", &body).await;
    assert_eq!(status, 200, "{to}: {answer}");
}

fn steps(data: &Value) -> Vec<&str> {
    let all = data["steps"].as_array().into_iter().flatten();
    all.map(|one| one["step"].as_str().unwrap()).collect()
}

/// From the camera, routed, to the district; its answer is lost, and there is one case all the same.
async fn is_seen_and_reported(gateway: &Gateway, district: &District) -> (String, String) {
    let case = district.has(1, FIRE_LANE).await[0].clone();
    let id = case["eventCode"].as_str().unwrap().to_owned();
    let seen = case_is(gateway, &id, |data| data["kind"] == "fire-lane").await;
    assert_eq!(&seen["began_at"].as_str().unwrap()[11..13], "14", "{seen}");
    assert_eq!(seen["sources"][0]["id"], "lane");
    assert_eq!(seen["objects"][0]["label"], "car", "{seen}");
    assert_eq!(seen["route"]["department"], "消防救援大队", "{seen}");
    assert_eq!(seen["grid"]["code"], "420100-QB-01");
    (id, case["id"].as_str().unwrap().to_owned())
}

/// Nobody accepts it in time: twice the next level hears; then the district accepts it, and sends the wrong ones.
async fn is_late_and_goes_to_the_wrong_ones(
    gateway: &Gateway,
    district: &District,
    (id, case): (&str, &str),
) {
    let two = |data: &Value| steps(data).iter().filter(|step| **step == "escalated").count() >= 2;
    let late = case_is(gateway, id, two).await;
    let levels = late["steps"].as_array().unwrap().iter().map(|one| one["level"].as_str().unwrap());
    let levels: Vec<&str> = levels.take(2).collect();
    assert_eq!(levels, ["grid-head", "community"], "{late}");
    district.says("push", json!({"id": case, "sts": 4, "user": "王受理"})).await;
    case_is(gateway, id, |data| data["stage"] == "accepted").await;
    let wrong = json!({"eventCode": id, "id": case, "sts": 5, "user": "王派遣", "dept": "城管"});
    // Pushed, and in the list that is asked for too: one step.
    district.says("both", wrong).await;
    case_is(gateway, id, |data| data["department"] == "城管").await;
    say(gateway, id, "ask-give-back", "赵强").await;
    say(gateway, id, "granted", "李建国").await;
    let back = case_is(gateway, id, |data| data["stage"] == "accepted").await;
    assert!(back.get("department").is_none(), "{back}");
    let right = json!({"id": case, "sts": 5, "user": "王派遣", "dept": "消防救援大队"});
    district.says("poll", right).await;
    case_is(gateway, id, |data| data["department"] == "消防救援大队").await;
    district.says("poll", json!({"id": case, "sts": 6, "user": "孙消防"})).await;
    case_is(gateway, id, |data| data["stage"] == "handled").await;
}

/// With the district down: the verifier refuses, it is handled again, somebody calls; and a kill in between.
async fn goes_on_without_the_district(
    gateway: Gateway,
    launch: impl Fn() -> Launch,
    district: &mut District,
    id: &str,
) -> Gateway {
    gateway.nothing_is_pending().await;
    district.goes_down();
    say(&gateway, id, "sent-back", "李建国").await;
    let folder = gateway.kill().await;
    let gateway = launch().in_folder(folder).start().await;
    gateway.press("btn-1", "p1");
    say(&gateway, id, "handled", "孙消防").await;
    gateway.metric_is("gridpost_sink_up", |up| up == 0.0).await;
    let folder = gateway.kill().await;
    let gateway = launch().in_folder(folder).start().await;
    district.comes_up();
    district.has(1, CALL).await;
    gateway.nothing_is_pending().await;
    gateway.metric_is("gridpost_sink_up", |up| up == 1.0).await;
    gateway
}

/// Both sides counted: one case each, each of our steps once, each of theirs once.
async fn nothing_is_lost_or_doubled(district: &District, data: &Value, case: &str) {
    let id = data["incident"].as_str().unwrap();
    let state = district.state().await;
    let ours = |key: &str| -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for one in state[key].as_array().unwrap() {
            *all.entry(one["eventCode"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        all
    };
    let cases = ours("cases");
    assert!(cases.len() == 2 && cases.values().all(|count| *count == 1), "{cases:?}");
    let mut told: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for request in state["requests"].as_array().unwrap() {
        told.entry(request["key"].as_str().unwrap()).or_default().push(&request["body"]);
    }
    assert!(told.values().all(|bodies| bodies.len() == 1), "{told:#?}");
    // What our people did, and nothing that its own did.
    let of_case = |body: &&Value| body["id"] == case && body["sts"].is_i64();
    let mut did: Vec<(i64, &str)> = told
        .values()
        .flatten()
        .copied()
        .filter(of_case)
        .map(|body| (body["sts"].as_i64().unwrap(), body["user"].as_str().unwrap()))
        .collect();
    did.sort_unstable();
    assert_eq!(did, [(6, "孙消防"), (15, "李建国")], "handled again, and sent back");
    let life = steps(data);
    let lived: Vec<&str> = life.iter().filter(|step| **step != "escalated").copied().collect();
    assert_eq!(
        lived.join(" "),
        "accepted dispatched ask-give-back granted dispatched handled sent-back handled verified closed",
        "{id}"
    );
}

async fn bytes(gateway: &Gateway, path: &str) -> Vec<u8> {
    let url = format!("{}{path}", gateway.web);
    let answer = http().get(url).bearer_auth(&gateway.token).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    answer.bytes().await.unwrap().into()
}

fn number(cell: &Data) -> Option<f64> {
    match cell {
        Data::Float(value) => Some(*value),
        Data::Int(value) => Some(*value as f64),
        _ => None,
    }
}

/// What the table of the month has in this row: by heading.
fn row_of(rows: &[Vec<Data>], first: &str) -> BTreeMap<String, Option<f64>> {
    let row = rows.iter().find(|row| row[0] == Data::String(first.into()));
    let row = row.unwrap_or_else(|| panic!("no {first} in {rows:?}"));
    rows[0].iter().map(ToString::to_string).zip(row.iter().map(number)).collect()
}

/// The month's spreadsheet, opened by another library: as it happened, as the API says, as the CSV says.
async fn the_months_table_agrees(gateway: &Gateway, month: &str) {
    let file = bytes(gateway, &format!("/api/v1/figures.xlsx?month={month}")).await;
    let mut book = Xlsx::new(Cursor::new(file)).unwrap();
    let mut sheet = |name: &str| -> Vec<Vec<Data>> {
        book.worksheet_range(name).unwrap().rows().map(<[Data]>::to_vec).collect()
    };
    let kinds = sheet("按类型");
    let lane = row_of(&kinds, "fire-lane");
    for (heading, figure) in [
        ("上报", 1.0),
        ("有效", 1.0),
        ("作废", 0.0),
        ("应结案", 1.0),
        ("结案", 1.0),
        ("按期结案", 1.0),
        ("按期结案率", 1.0),
        ("自动结案", 0.0),
        ("未结", 0.0),
        ("派遣", 1.0),
        ("准确派遣", 0.0),
        ("准确派遣率", 0.0),
        ("返工次数", 1.0),
        ("返工案件", 1.0),
        ("回退", 1.0),
    ] {
        assert_eq!(lane.get(heading), Some(&Some(figure)), "{heading}: {lane:?}");
    }
    let department = row_of(&sheet("按部门"), "消防救援大队");
    assert_eq!(department["结案"], Some(1.0), "{department:?}");
    let (_, told) = gateway.get(&format!("/api/v1/figures?month={month}&group=kind")).await;
    let csv = bytes(gateway, &format!("/api/v1/figures.csv?month={month}&group=kind")).await;
    let csv = String::from_utf8(csv).unwrap();
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let keys = [
        ("上报", "reported"),
        ("有效", "valid"),
        ("应结案", "due"),
        ("结案", "closed"),
        ("按期结案", "closed_in_time"),
        ("派遣", "dispatched"),
        ("返工次数", "rework"),
        ("回退", "give_backs"),
    ];
    let rows = told["rows"].as_array().unwrap();
    assert_eq!(kinds.len(), rows.len() + 2, "heading, a row each, and the sum");
    for row in rows {
        let kind = row["group"]["id"].as_str().unwrap();
        let (in_book, in_csv) =
            (row_of(&kinds, kind), lines.iter().find(|line| line[0] == kind).unwrap());
        for (heading, key) in keys {
            let figure = row[key].as_f64().unwrap();
            assert_eq!(in_book[heading], Some(figure), "{kind} {heading}");
            let column = lines[0].iter().position(|one| *one == heading).unwrap();
            assert_eq!(in_csv[column].parse::<f64>().unwrap(), figure, "{kind} {heading}: {csv}");
        }
    }
    let sum = row_of(&kinds, "合计");
    for (heading, key) in keys {
        assert_eq!(sum[heading], told["total"][key].as_f64(), "{heading}");
    }
}

/// Seconds from now to 14:00 of this day at the site.
fn to_two_o_clock() -> i64 {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let now = Timestamp::from_second(now_s() as i64).unwrap().to_zoned(zone);
    let two = now.date().at(14, 0, 0, 0).to_zoned(now.time_zone().clone()).unwrap();
    two.timestamp().as_second() - now.timestamp().as_second()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_car_in_the_fire_lane_at_two_goes_its_whole_way_and_the_months_table_says_so() {
    if only_the_ssd() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clock = WrongClock::build(folder.path());
    clock.is_off_by(to_two_o_clock());
    let camera = RtspServer::start(0, &scene());
    let mut district = District::start(1);
    let site = site(&camera, &district, &profile(folder.path()));
    let launch = || Launch::of(&site).envs(clock.environment());
    let gateway = launch().start().await;
    district.pushes_to(&gateway).await;

    let (id, case) = is_seen_and_reported(&gateway, &district).await;
    is_late_and_goes_to_the_wrong_ones(&gateway, &district, (&id, &case)).await;
    let mut gateway = goes_on_without_the_district(gateway, launch, &mut district, &id).await;
    district.pushes_to(&gateway).await;
    district.says("poll", json!({"id": case, "sts": 9, "user": "周核查"})).await;
    case_is(&gateway, &id, |data| data["stage"] == "verified").await;
    district.says("push", json!({"id": case, "sts": 10, "user": "值班长"})).await;
    let closed = case_is(&gateway, &id, |data| data["stage"] == "closed").await;
    gateway.nothing_is_pending().await;

    nothing_is_lost_or_doubled(&district, &closed, &case).await;
    let (_, kept) = gateway.get("/readyz").await;
    assert!(!kept.to_string().contains("without effect"), "{kept}");
    let month = &closed["opened_at"].as_str().unwrap()[..7];
    the_months_table_agrees(&gateway, month).await;
    gateway.must_stop_sound().await;
}
