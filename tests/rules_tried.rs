//! A rule drawn on the page: tried on the kept tracks in a second, applied over the hand-written file, and taken back.

use std::{fmt::Write as _, fs, path::Path, time::Instant};

use serde_json::{Value, json};

use crate::world::{Gateway, Launch, Site, now_s};

/// Somebody walks from left to right each ten minutes, the last one five minutes ago: 20 s each, five looks a second.
fn tracks(data: &Path, visits: u32) {
    let folder = data.join("tracks");
    fs::create_dir_all(&folder).unwrap();
    let now = jiff::Timestamp::from_second(now_s() as i64).unwrap();
    for visit in 0..visits {
        let began = now - jiff::SignedDuration::from_secs(300 + 600 * i64::from(visit));
        let name = began.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%dT%H-0000.jsonl");
        let mut lines = String::new();
        for look in 0..100 {
            let at = began + jiff::SignedDuration::from_millis(look * 200);
            let x = look as f64 / 100.0;
            let id = 1000 + visit;
            let _ = writeln!(
                lines,
                "{{\"at\":\"{at}\",\"camera\":\"yard\",\"tracks\":[[{id},\"person\",0.8,{x:.4},0.4,{:.4},0.6,1]]}}",
                x + 0.05
            );
        }
        let at = began + jiff::SignedDuration::from_secs(20);
        let _ = writeln!(lines, "{{\"at\":\"{at}\",\"camera\":\"yard\",\"tracks\":[]}}");
        let path = folder.join(name.to_string());
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, before + &lines).unwrap();
    }
}

/// A camera that never answers: what is tried is what was kept.
fn site() -> Site {
    Site::demo()
        .camera("yard", "rtsp://127.0.0.1:9/none")
        .camera("gate", "rtsp://127.0.0.1:9/none")
        .rule("walkers", "intrusion")
        .set("cameras", ["yard"])
        .set("cooldown_s", 0)
}

async fn gateway(site: Site, visits: u32) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    tracks(&folder.path().join("data"), visits);
    Launch::of(site).in_folder(folder).start().await
}

fn zone(id: &str, zone: Value) -> Value {
    json!({"id": id, "kind": "intrusion", "cameras": ["yard"], "cooldown_s": 0, "zone": zone})
}

async fn tried(gateway: &Gateway, hours: f64, rule: &Value) -> Value {
    let asked = json!({"camera": "yard", "hours": hours, "rule": rule});
    let (status, answer) = gateway.post("/api/v1/rules/try", &asked).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_would_have_raised_stands_beside_what_the_present_one_does() {
    let gateway = gateway(site(), 11).await;
    let left = json!([[0.0, 0.0], [0.3, 0.0], [0.3, 1.0], [0.0, 1.0]]);
    let began = Instant::now();
    let answer = tried(&gateway, 6.0, &zone("walkers", left.clone())).await;
    println!("tried on {} looks in {:?}", answer["looks"], began.elapsed());
    assert_eq!(
        (answer["new"]["count"].as_u64(), answer["present"]["count"].as_u64()),
        (Some(11), Some(11))
    );
    assert!(answer["why_not"].is_null() && answer["looks"].as_u64() > Some(1_000), "{answer}");
    let one = &answer["new"]["raised"][10];
    assert_eq!(one["objects"], json!({"person": 1}));
    assert!(one["places"][0][0].as_f64().unwrap() < 0.3 && one["ended_at"].is_string(), "{one}");
    // The same question has the same answer.
    let again = tried(&gateway, 6.0, &zone("walkers", left)).await;
    assert_eq!((&answer["new"], &answer["present"]), (&again["new"], &again["present"]));
    // Above everybody's head nobody stands.
    let above = json!([[0.0, 0.0], [1.0, 0.0], [1.0, 0.2], [0.0, 0.2]]);
    let answer = tried(&gateway, 6.0, &zone("walkers", above)).await;
    assert_eq!(
        (answer["new"]["count"].as_u64(), answer["present"]["count"].as_u64()),
        (Some(0), Some(11))
    );
    // An hour has six of them; a new rule has no present one.
    let answer = tried(&gateway, 1.0, &zone("other", json!([]))).await;
    assert_eq!((answer["new"]["count"].as_u64(), &answer["present"]), (Some(6), &Value::Null));
    // A line, from left to right and the other way.
    let line = |direction: &str| {
        json!({"id": "over", "kind": "line", "cameras": ["yard"], "cooldown_s": 0, "clear_s": 1,
            "line": [[0.5, 1.0], [0.5, 0.0]], "direction": direction})
    };
    for (direction, count) in [("left-to-right", 11), ("right-to-left", 0), ("both", 11)] {
        let answer = tried(&gateway, 6.0, &line(direction)).await;
        assert_eq!(answer["new"]["count"].as_u64(), Some(count), "{direction}");
    }
    // Who stays shorter than it takes is none.
    let mut slow = zone("walkers", json!([]));
    for (dwell_s, count) in [(19.0, 11), (21.0, 0)] {
        slow["dwell_s"] = json!(dwell_s);
        assert_eq!(
            tried(&gateway, 6.0, &slow).await["new"]["count"].as_u64(),
            Some(count),
            "{dwell_s}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_kept_it_says_so_and_never_none() {
    let kept = gateway(site(), 1).await;
    let rule = zone("other", json!([]));
    for (camera, hours, why) in
        [("gate", 6.0, json!("none")), ("yard", 0.05, json!("none")), ("yard", 1.0, Value::Null)]
    {
        let asked = json!({"camera": camera, "hours": hours, "rule": rule});
        let (status, answer) = kept.post("/api/v1/rules/try", &asked).await;
        assert_eq!((status, &answer["why_not"]), (200, &why), "{camera} {hours}");
        assert_eq!(answer["new"].is_null(), !why.is_null(), "{answer}");
    }
    let off = gateway(site().section("[tracks]").set("keep_days", 0), 1).await;
    assert_eq!(tried(&off, 1.0, &rule).await["why_not"], "off");
    for (wrong, said) in [
        (json!({"camera": "yard", "hours": 1}), "rule"),
        (json!({"camera": "yard", "hours": 0, "rule": rule}), "hours"),
        (json!({"camera": "yard", "hours": 169, "rule": rule}), "hours"),
        (
            json!({"camera": "yard", "hours": 1, "rule": {"id": "x", "kind": "nonsense"}}),
            "nonsense",
        ),
        (
            json!({"camera": "yard", "hours": 1, "rule": zone("x", json!([[0.1, 0.1], [0.2, 0.2]]))}),
            "zone",
        ),
        (
            json!({"camera": "yard", "hours": 1, "rule": zone("x", json!([[0.1, 0.1], [1.2, 0.2], [0.3, 0.9]]))}),
            "0..1",
        ),
        (
            json!({"camera": "yard", "hours": 1, "rule": {"id": "x", "kind": "line", "line": [[0, 0]]}}),
            "two",
        ),
        (
            json!({"camera": "yard", "hours": 1, "rule": {"id": "x", "kind": "line", "lin": []}}),
            "lin",
        ),
        (json!([1]), "object"),
    ] {
        let (status, answer) = kept.post("/api/v1/rules/try", &wrong).await;
        assert!(
            status == 422 && answer["error"].as_str().unwrap().contains(said),
            "{status} {answer}"
        );
    }
    let asked = json!({"camera": "none", "hours": 1, "rule": rule});
    assert_eq!(kept.post("/api/v1/rules/try", &asked).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_is_in_effect_on_record_and_taken_back_and_the_file_stays_as_it_was_written()
 {
    let mut gateway = gateway(site(), 2).await;
    let file = || fs::read_to_string(gateway.file("gridpost.toml")).unwrap();
    let written = file();
    let rules = || async {
        let (_, told) = gateway.get("/api/v1/cameras").await;
        (told["version"].clone(), told["cameras"][0]["rules"].clone(), told["applied"].clone())
    };
    let rule = zone("walkers", json!([[0.0, 0.0], [0.5, 0.0], [0.5, 1.0]]));
    let ask = |on: u32, by: &str, rule: &Value| json!({"on": on, "by": by, "rule": rule});
    let (status, answer) = gateway.post("/api/v1/rules/apply", &ask(0, "王警官", &rule)).await;
    assert_eq!(
        (status, &answer["in_effect"], &answer["version"]),
        (200, &json!(true), &json!(1)),
        "{answer}"
    );
    assert_eq!(answer["changes"], json!(["rule walkers: zone"]), "only what differs is written");
    let (version, known, applied) = rules().await;
    assert_eq!((&version, applied["by"].as_str()), (&json!(1), Some("王警官")));
    assert_eq!(known[0]["zone"], json!([[0.0, 0.0], [0.5, 0.0], [0.5, 1.0]]));
    // The same again, an older page, nobody's name, a wrong zone: nothing is written.
    for (asked, status) in [
        (ask(1, "王警官", &rule), 409),
        (ask(0, "王警官", &zone("walkers", json!([]))), 409),
        (ask(1, " ", &zone("walkers", json!([]))), 422),
        (
            ask(
                1,
                "王警官",
                &zone("walkers", json!([[0.1, 0.1], [0.9, 0.9], [0.1, 0.9], [0.9, 0.1]])),
            ),
            422,
        ),
        (
            ask(
                1,
                "王警官",
                &json!({"id": "walkers", "kind": "intrusion", "cameras": ["nowhere"]}),
            ),
            422,
        ),
    ] {
        let (is, answer) = gateway.post("/api/v1/rules/apply", &asked).await;
        assert_eq!(is, status, "{asked}: {answer}");
    }
    assert_eq!(rules().await.0, 1);
    // A name reads no variable.
    let reads = zone("second-${HOME}", json!([]));
    let (status, answer) = gateway.post("/api/v1/rules/apply", &ask(1, "孙辅警", &reads)).await;
    assert_eq!((status, rules().await.0), (422, json!(1)), "{answer}");
    // A new one beside it.
    let new = zone("second", json!([]));
    let (status, answer) = gateway.post("/api/v1/rules/apply", &ask(1, "孙辅警", &new)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(rules().await.1[1]["id"], "second");
    // Back, and back again.
    for (on, left) in [(2, 1), (3, 2)] {
        let (status, answer) =
            gateway.post("/api/v1/rules/undo", &json!({"on": on, "by": "王警官"})).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(rules().await.1.as_array().unwrap().len(), left, "after {on}");
    }
    assert_eq!(gateway.post("/api/v1/rules/undo", &json!({"on": 2, "by": "x"})).await.0, 409);
    assert_eq!(file(), written);
    gateway.must_stop_sound().await;
    let audit = gateway.journal();
    for word in ["王警官", "孙辅警", "back to version"] {
        assert!(audit.contains(word), "{word} is not in the journal");
    }
}
