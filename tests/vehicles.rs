//! Vehicles by their plates: a barrier, a fire lane, and what is left of a plate on disk and on its way; with the real models.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gridpost::vision::missing_for_plates;
use serde_json::{Value, json};

use crate::world::{
    Gateway, Launch, Played, Receiver, Replay, Robot, RtspServer, Site, check_in, is_of, models_of,
    plate_models, root,
};

/// The road on which the car of `tests/rig/plates.py` comes and stays, without the vans far behind it.
const ROAD: [[f32; 2]; 4] = [[0.4, 0.4], [1.0, 0.4], [1.0, 0.75], [0.4, 0.75]];
/// On the lists of these sites.
const RESIDENT: &str = "晋B12345";
const STRANGER: &str = "晋B67893";

/// A car with this plate; made once.
fn car(arguments: &[&str]) -> PathBuf {
    let script = root().join("tests/rig/plates.py");
    let made = Command::new("/usr/bin/python3").arg(script).args(arguments).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
}

fn list(folder: &Path) -> String {
    let rows = [
        format!("{RESIDENT},resident,,,"),
        "晋B88888,attention,2099-12-31,公查字〔2026〕12 号,王队".to_owned(),
    ];
    let file = folder.join("vehicles.csv");
    fs::write(&file, format!("plate,list,until,order,author\n{}\n", rows.join("\n"))).unwrap();
    file.display().to_string()
}

fn site(rule: &str, list: &str) -> Site {
    let site = Site::demo().section("[vehicles]").set("list_file", list);
    site.rule("gate", rule).set("zone", ROAD)
}

/// What a barrier told of this car.
fn barrier(arguments: &[&str]) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let site = site("barrier", &list(folder.path())).camera("cam", car(arguments));
    Replay::of(&site).run()
}

fn opened<'p>(played: &'p Played, kind: &str) -> Vec<&'p Value> {
    played.of(kind).into_iter().filter(|data| data["what"] == "opened").collect()
}

#[test]
fn the_barrier_lets_residents_in_and_tells_of_a_stranger() {
    if !plate_models() {
        return;
    }
    let played = barrier(&[RESIDENT]);
    assert_eq!(opened(&played, "barrier").len(), 0, "{:#?}\n{}", played.events, played.log);
    for (plate, title, severity, standing) in [
        (STRANGER, "陌生车辆到达道闸", 3, "unknown"),
        ("晋B88888", "关注车辆到达道闸", 2, "attention"),
    ] {
        let played = barrier(&[plate]);
        let told = opened(&played, "barrier");
        assert_eq!(told.len(), 1, "{plate}: {:#?}\n{}", played.events, played.log);
        assert_eq!(told[0]["title"]["zh"], title);
        assert_eq!(told[0]["severity"], severity);
        let vehicle = &told[0]["detail"]["vehicles"][0];
        let masked = gridpost::domain::Plate::parse(plate).unwrap().masked();
        assert_eq!(vehicle["plate"], masked, "{vehicle}");
        assert_eq!(vehicle["standing"], standing);
        assert_eq!(vehicle["colour"], "red");
        // Nobody reads it whole, wherever it may stand; nor the seal of it.
        let all = serde_json::to_string(&played.events).unwrap() + &played.log;
        assert!(!all.contains(&plate[3..]) && !all.contains("\"sealed\""), "{plate}: {all}");
    }
}

#[test]
fn a_mirror_image_a_poster_and_a_car_without_a_plate_are_never_a_plate() {
    if !plate_models() {
        return;
    }
    for arguments in [&[RESIDENT, "--mirrored"][..], &[STRANGER, "--poster"], &["-"]] {
        let played = barrier(arguments);
        let told = opened(&played, "barrier");
        // The car is told as one whose plate cannot be read, and nothing is made up.
        assert_eq!(told.len(), 1, "{arguments:?}: {:#?}\n{}", played.events, played.log);
        assert_eq!(told[0]["title"]["zh"], "道闸处车辆号牌无法识别", "{arguments:?}");
        let vehicles = played.of("barrier").into_iter().map(|data| &data["detail"]["vehicles"]);
        for vehicle in vehicles.flat_map(|told| told.as_array().into_iter().flatten()) {
            assert!(vehicle.get("plate").is_none(), "{arguments:?}: {vehicle}");
        }
    }
}

/// All bytes of a folder in which somebody could look for a plate.
fn bytes_in(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => all.extend(bytes_in(&entry)),
            false => all.extend(fs::read(&entry).unwrap_or_default()),
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_the_car_in_the_fire_lane_has_its_plate_whole_where_it_may_be_and_masked_elsewhere() {
    if !plate_models() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = RtspServer::start(0, &car(&[STRANGER]));
    let (police, screen) = (Receiver::start().await, Receiver::start().await);
    let (column, mute) = (Robot::start().await, Robot::start().await);
    let site = site("fire-lane", &list(folder.path())).set("dwell_s", 8);
    let site = site.camera("lane", &server).short_clips();
    let site = site.http_sink("police", &police.url).set("send_plates", true);
    let site = site.http_sink("screen", &screen.url);
    // One column says the plate, and beside it one that may not.
    let site = speaks(site, "column", &column.url, "请挪车，{plate}").set("say_plates", true);
    let site = speaks(site, "mute", &mute.url, "请挪车");
    let mut gateway: Gateway = Launch::of(site).start().await;
    let told = |data: &Value| {
        is_of(data, "fire-lane", "lane") && data["detail"]["vehicles"][0]["plate"].is_string()
    };
    let whole = police.wait("the plate at the police", told).await;
    let masked = screen.wait("the plate at the screen", told).await;
    let plate = |event: &Value| event["data"]["detail"]["vehicles"][0]["plate"].clone();
    assert_eq!((plate(&whole), plate(&masked)), (json!(STRANGER), json!("晋B·6**93")));
    let said = |(_, body): (_, Value)| body["text"].as_str().unwrap_or_default().to_owned();
    assert_eq!(said(column.text().await), "请挪车，晋 B 6 7 8 9 3");
    assert_eq!(said(mute.text().await), "请挪车");
    let screen_all = serde_json::to_string(&screen.events()).unwrap();
    assert!(!screen_all.contains(STRANGER) && !screen_all.contains("\"sealed\""));
    let (_, listed) = gateway.get("/api/v1/incidents").await;
    assert!(!listed.to_string().contains(STRANGER), "{listed}");
    assert!(listed.to_string().contains("晋B·6**93"), "{listed}");
    for page in ["/api/v1/fleet", "/api/v1/cameras", "/readyz"] {
        let (_, shown) = gateway.get(page).await;
        assert!(!shown.to_string().contains(STRANGER), "{page}: {shown}");
    }
    assert!(!gateway.metrics().await.contains(&STRANGER[3..]));
    gateway.must_stop_sound().await;
    // What lies on disk and in the log holds it sealed alone.
    let kept = bytes_in(&gateway.data());
    let has = |text: &str| kept.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("晋B·6**93") && !has(STRANGER) && !has(&STRANGER[3..]));
    assert!(!gateway.log().contains(STRANGER));
}

fn speaks(site: Site, id: &str, way: &str, zh: &str) -> Site {
    let site = site.section("[[speaker]]").set("id", id).set("way", way);
    let site = site.section("[[announce]]").set("id", id).set("rules", ["gate"]);
    site.set("speakers", [id]).set("zh", zh)
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_wrong_list_costs_its_lines_at_a_start_and_never_drops_the_one_in_effect() {
    let folder = tempfile::tempdir().unwrap();
    let file = list(folder.path());
    let good = fs::read_to_string(&file).unwrap();
    let wrong = format!("{good}晋B22222,friend,,,\n晋B2222O,resident,,,\n");
    let site = site("barrier", &file).camera("cam", "rtsp://192.0.2.1/");
    fs::write(&file, &wrong).unwrap();
    let mut gateway = Launch::of(site).start().await;
    let body = gateway.readiness(200, "2 lines of the list are wrong and do not count: 4, 5").await;
    assert!(!body.to_string().contains("22222"), "{body}");
    // Mended, and then wrong again: the second is refused, and the list of before stays.
    fs::write(&file, good.replace("公查字", "公查")).unwrap();
    let (status, answer) = gateway.reload_confirmed().await;
    assert_eq!((status, &answer["applied"]), (200, &json!(true)), "{answer}");
    let body = gateway.readiness(200, "").await;
    assert!(!body.to_string().contains("lines of the list"), "{body}");
    fs::write(&file, &wrong).unwrap();
    let (status, answer) = gateway.reload_confirmed().await;
    assert_eq!(status, 422, "{answer}");
    let told = answer.to_string();
    assert!(told.contains("\"line\":4") && told.contains("\"line\":5"), "{told}");
    assert!(!told.contains("晋B2222O"), "{told}");
    let (_, ready) = gateway.get("/readyz").await;
    assert!(!ready.to_string().contains("lines of the list"), "what counts is whole: {ready}");
    gateway.must_stop_sound().await;
    assert!(!gateway.log().contains("晋B2222O") && !gateway.log().contains("22222"));
}

/// What is missing is said where it is asked for, before anything runs, and at run time; and nothing else stops.
#[test]
fn without_the_models_check_says_at_the_rule_what_is_missing_and_how_it_comes() {
    let models = models_of(&[]);
    assert!(!missing_for_plates(models.path()).is_empty());
    let folder = tempfile::tempdir().unwrap();
    let text = site("barrier", &list(folder.path())).camera("cam", "rtsp://192.0.2.1/").text();
    fs::write(folder.path().join("gridpost.toml"), &text).unwrap();
    let mut command = crate::world::gridpost_command(&["check", "-c"]);
    command.arg(folder.path().join("gridpost.toml")).env("GRIDPOST_MODELS", models.path());
    let checked = crate::world::output(command);
    let parts = ["warning: rule[1].kind: no plate can be read", "gridpost models fetch --plates"];
    checked.must_say(0, parts);
    for name in ["plate-finder", "plate-reader", "plate-second-reader"] {
        assert!(checked.said().contains(name), "{}", checked.said());
    }
}

#[test]
fn a_list_with_mistakes_and_a_barrier_without_the_section_are_told_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let rows = ["晋B12345,friend,,,", "京津冀,resident,,,", "晋B88888,attention,2099-12-31,,"];
    let text = format!("plate,list,until,order,author\n{}\n", rows.join("\n"));
    fs::write(folder.path().join("vehicles.csv"), text).unwrap();
    let config = site("barrier", "vehicles.csv").camera("cam", "rtsp://192.0.2.1/").text();
    let checked = check_in(folder.path(), &config);
    let parts = [
        "vehicles.csv:2: error: list: `friend`",
        "vehicles.csv:3: error: plate: `京津冀`",
        "vehicles.csv:4: error: order and author is empty",
    ];
    checked.must_say(2, parts);
    let barrier = Site::demo().camera("cam", "rtsp://192.0.2.1/").rule("gate", "barrier");
    check_in(folder.path(), &barrier.text()).must_say(2, ["needs a section [vehicles]"]);
}
