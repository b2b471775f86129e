//! Dismissed cases teach: what the binary proposes of made tracks is applied, takes effect, is undone, and costs no press.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{
    Gateway, Launch, Output, Site, gridpost, gridpost_command, now_s, seed, wait_for,
};

/// A camera that is away: what it saw is in its tracks.
fn site() -> Site {
    Site::demo()
        .set("timezone", "Asia/Shanghai")
        .section("[[camera]]")
        .set("id", "gate")
        .set("url", "rtsp://127.0.0.1:9/gate")
        .walkers()
        .set("cameras", ["gate"])
        .button("btn-1")
}

/// A line of a case that is over.
fn case(n: usize, at: Timestamp, is_real: bool) -> String {
    let (stage, reason) =
        if is_real { ("closed", Value::Null) } else { ("dismissed", json!("false-alarm")) };
    let ended = at + SignedDuration::from_secs(8);
    let mut line = json!({
        "id": format!("0190a5c6-0000-7000-8000-{n:012}"), "revision": 3, "kind": "intrusion", "severity": 2,
        "stage": stage, "source": "gate", "source_kind": "camera", "rule": "walkers",
        "began_at": at, "opened_at": at, "ended_at": ended, "over_at": ended, "reason": reason,
    });
    if is_real {
        line["accepted_at"] = json!(ended);
    } else {
        line["reason"] = reason;
    }
    if line["reason"].is_null() {
        line.as_object_mut().unwrap().remove("reason");
    }
    format!("{line}\n")
}

/// Eight seconds of somebody whose feet go from one place to another, by the file of the hour.
fn looks(n: usize, at: Timestamp, (from, to): (f64, f64), y: f64, score: f64) -> String {
    let mut text = String::new();
    for step in 0..=40 {
        let x = from + (to - from) * f64::from(step) / 40.0;
        let at = at + SignedDuration::from_millis(200 * i64::from(step));
        let (left, right, top) = (x - 0.03, x + 0.03, y - 0.2);
        text += &format!(
            "{{\"at\":\"{at}\",\"camera\":\"gate\",\"tracks\":[[{n},\"person\",{score},{left:.4},{top:.4},{right:.4},{y:.4},1]]}}\n"
        );
    }
    let at = at + SignedDuration::from_millis(8_200);
    text + &format!("{{\"at\":\"{at}\",\"camera\":\"gate\",\"tracks\":[]}}\n")
}

/// Six times a dog at its spot, dismissed, and four people, accepted; of the last days.
fn fill(data: &Path) {
    fs::create_dir_all(data.join("figures")).unwrap();
    fs::create_dir_all(data.join("tracks")).unwrap();
    let begin = Timestamp::from_second(now_s() as i64).unwrap() - SignedDuration::from_hours(30);
    let append = |path: &Path, text: &str| {
        let before = fs::read_to_string(path).unwrap_or_default();
        fs::write(path, before + text).unwrap();
    };
    for n in 0..10 {
        let at = begin + SignedDuration::from_mins(20 * n as i64);
        let is_real = n < 8 && n % 2 == 1;
        let seen = match is_real {
            true => looks(n, at, (0.5, 0.9), 0.6, 0.8),
            false => looks(n, at, (0.2, 0.21), 0.9, 0.8),
        };
        append(
            &data.join(format!("figures/{}.jsonl", at.strftime("%Y-%m"))),
            &case(n, at, is_real),
        );
        append(&data.join(format!("tracks/{}-0000.jsonl", at.strftime("%Y-%m-%dT%H"))), &seen);
    }
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fill(&folder.path().join("data"));
    folder
}

fn proposals(report: &Value) -> Vec<String> {
    let rule = &report["rules"][0];
    assert_eq!(rule["rule"], "walkers", "{report}");
    let all = rule["proposals"].as_array().unwrap();
    all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn apply(gateway: &Gateway, id: &str, more: &[&str]) -> Output {
    gridpost(&[&["rules", "apply", id, "-c", &gateway.file("gridpost.toml")], more].concat())
}

fn config(gateway: &Gateway, what: &str, more: &[&str]) -> Output {
    gridpost(&[&["config", what, "-c", &gateway.file("gridpost.toml")], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_a_proposal_is_applied_takes_effect_is_journaled_and_undone() {
    let gateway = Launch::of(site()).in_folder(folder()).start().await;
    let by_hand = fs::read(gateway.file("gridpost.toml")).unwrap();
    let (status, report) = gateway.get("/api/v1/rules").await;
    assert_eq!(status, 200, "{report}");
    let total = &report["rules"][0]["total"];
    assert_eq!((&total["opened"], &total["dismissed_by"]["false-alarm"]), (&json!(10), &json!(6)));
    assert_eq!(total["precision"], 0.4);
    let found = proposals(&report);
    let mask =
        found.iter().find(|id| id.contains(":mask:gate:")).unwrap_or_else(|| panic!("{report}"));
    assert_eq!(found.len(), 1, "all are seen alike, but for where: {report}");
    let tried = &report["rules"][0]["proposals"][0]["tried"];
    assert_eq!(
        (&tried["saved"], &tried["lost"], &tried["real"]),
        (&json!(6), &json!(0), &json!(4))
    );
    assert_eq!(gateway.get("/api/v1/rules?until=now").await.0, 400);
    gateway
        .command("rules", &[])
        .must_say(0, ["walkers", "40.0%", "误报 6", "误报少 6/6", mask.as_str()]);

    // Shown first, and nothing is written.
    apply(&gateway, mask, &["--dry-run"]).must_say(0, ["[[camera]]", "mask = ", "误报少 6/6"]);
    assert!(!gateway.data().join("site.d").join("applied.toml").exists());
    apply(&gateway, mask, &["--by", "李建国"])
        .must_say(0, ["第 1 版已写入", "camera gate changed mask", "已生效"]);
    assert_eq!(proposals(&gateway.get("/api/v1/rules").await.1), Vec::<String>::new(), "it holds");
    apply(&gateway, mask, &["--by", "王芳"]).must_say(2, ["no such proposal"]);
    config(&gateway, "show", &[]).must_say(
        0,
        ["camera[gate].mask = [[[", "applied.toml:", "rule[walkers].kind = \"intrusion\""],
    );
    config(&gateway, "versions", &[]).must_say(0, ["* 1", "李建国", "camera gate: mask"]);
    assert_eq!(fs::read(gateway.file("gridpost.toml")).unwrap(), by_hand, "byte for byte");
    let journal = fs::read(gateway.data().join("journal/00000001.log")).unwrap();
    let journal = String::from_utf8_lossy(&journal);
    assert!(journal.contains("\"entry\":\"applied\"") && journal.contains("李建国"));

    config(&gateway, "undo", &["--by", "王芳"]).must_say(0, ["第 2 版已写入", "已生效"]);
    assert_eq!(proposals(&gateway.get("/api/v1/rules").await.1), found);
    config(&gateway, "undo", &["--by", "王芳"]).must_say(0, ["第 3 版已写入", "已生效"]);
    assert_eq!(proposals(&gateway.get("/api/v1/rules").await.1), Vec::<String>::new());

    // A backup takes it along.
    let to = gateway.file("backup");
    gateway.store(&["backup", "--to", &to]);
    assert!(Path::new(&to).join("site.d/applied.toml").exists());
    assert!(Path::new(&to).join("site.d/versions/000001.toml").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_what_was_applied_and_is_broken_keeps_no_press_from_being_taken() {
    let mut gateway = Launch::of(site()).in_folder(folder()).start().await;
    let (_, report) = gateway.get("/api/v1/rules").await;
    apply(&gateway, &proposals(&report)[0], &["--by", "x"]).must_say(0, ["已生效"]);
    gateway.must_stop_sound().await;
    let applied = gateway.data().join("site.d/applied.toml");
    let text = fs::read_to_string(&applied).unwrap();
    fs::write(&applied, text.replace("mask", "msak")).unwrap();
    gateway.command("check", &[]).must_say(2, ["applied.toml:", "unknown key"]);
    let folder = gateway.kill().await;
    let gateway = Launch::of(site()).in_folder(folder).start().await;
    gateway.press("btn-1", "p1");
    gateway.readiness(503, "site.d: what was applied is wrong").await;
    // Whoever applied it thinks that it is in effect: the grid is told.
    let told = || async {
        let (_, body) = gateway.get("/api/v1/incidents?kind=device-fault").await;
        let all = body["incidents"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|one| one["sources"][0]["id"] == "site.d")
    };
    let case = wait_for("the case of site.d", told).await;
    assert_eq!((&case["active"], &case["severity"]), (&json!(true), &json!(3)), "{case}");
    assert!(case.to_string().contains("what was applied is wrong"), "{case}");
    assert_eq!(gateway.reload().await.0, 422, "told with its line");
    config(&gateway, "undo", &["--to", "1", "--by", "x"]).must_say(0, ["已生效"]);
    let (_, body) = gateway.get("/readyz").await;
    assert!(!body.to_string().contains("site.d"), "{body}");
    let ended = || async { told().await.filter(|one| one["active"] == json!(false)) };
    wait_for("the end of the case of site.d", ended).await;
    gateway.command("check", &[]).must_say(0, ["fine", "site.d: version 2 is laid over it"]);
}

#[test]
fn c3_killed_at_any_moment_it_leaves_the_old_or_the_new() {
    let folder = folder();
    let file = folder.path().join("gridpost.toml");
    fs::write(&file, site().section("[data]").set("path", "data").text()).unwrap();
    let file = file.display().to_string();
    let report = gridpost(&["rules", "-c", &file, "--json"]);
    // Without a gateway there is no journal yet.
    fs::create_dir_all(folder.path().join("data/journal")).unwrap();
    let report =
        if report.code == 0 { report } else { gridpost(&["rules", "-c", &file, "--json"]) };
    let report: Value =
        serde_json::from_str(&report.stdout).unwrap_or_else(|_| panic!("{}", report.said()));
    let id = proposals(&report)[0].clone();
    gridpost(&["rules", "apply", &id, "-c", &file, "--by", "x"]).must_say(0, ["网关未运行"]);
    let versions = || {
        let said = gridpost(&["config", "versions", "-c", &file, "--json"]);
        serde_json::from_str::<Value>(&said.stdout).unwrap_or_else(|_| panic!("{}", said.said()))
    };
    let site_d = folder.path().join("data/site.d");
    let mut random = StdRng::seed_from_u64(seed());
    let (mut old, mut new) = (0, 0);
    for round in 0..60 {
        if round >= 8 && old > 0 && new > 0 {
            break;
        }
        let before = versions()["current"].as_u64().unwrap();
        let next = site_d.join(format!("versions/{:06}.toml", before + 1));
        let _ = fs::remove_file(&next);
        let mut undo = gridpost_command(&["config", "undo", "-c", &file, "--by", "x"]);
        let mut child = undo.stdout(std::process::Stdio::null()).spawn().unwrap();
        // It has begun to write; and then some, every other time.
        let began = Instant::now();
        while !next.with_extension("toml.new").exists() && !next.exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "it never wrote");
            std::thread::yield_now();
        }
        if round % 2 == 1 {
            // Longer and longer: a slow disk needs its time until the new one counts.
            let most = 60 + 20 * round;
            std::thread::sleep(Duration::from_millis(random.random_range(0..most)));
        }
        let _ = child.kill();
        child.wait().unwrap();
        let versions = versions();
        let current = versions["current"].as_u64().unwrap();
        assert!([before, before + 1].contains(&current), "{round}: {versions}");
        old += u32::from(current == before);
        new += u32::from(current != before);
        let all = versions["versions"].as_array().unwrap();
        assert_eq!(all.last().unwrap()["version"].as_u64(), Some(current), "{round}: {versions}");
        // The whole of what it says it is: a mask, or none.
        let said = gridpost(&["check", "-c", &file]);
        said.must_say(0, [format!("site.d: version {current} is laid")]);
        assert!(!said.said().contains("warning: was changed"), "{}", said.said());
        let shown = gridpost(&["config", "show", "-c", &file]).stdout;
        assert_eq!(shown.contains("camera[gate].mask"), current % 2 == 1, "{round}: {shown}");
    }
    assert!(old > 0 && new > 0, "{old} killed before it counted, {new} after");
}
