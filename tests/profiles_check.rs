//! What `gridpost check` and a reload say of a profile that is wrong: its file, its line, and what was expected.

use std::fs;

use serde_json::json;

use crate::world::{Gateway, Platform, Site, Tongue, check, check_in, root};

fn shipped() -> String {
    fs::read_to_string(root().join("config/profiles/docking.toml")).unwrap()
}

/// `check` of a site whose profile is this text.
fn told(text: &str, kinds: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.toml"), text).unwrap();
    let codes = root().join("config/profiles/codes.csv").display().to_string();
    let site = Site::demo()
        .section("[[sink]]")
        .set("id", "district")
        .set("kind", "profile")
        .set("url", "http://127.0.0.1:9/api")
        .set("profile_file", "p.toml")
        .set("categories_file", codes)
        .set("kinds", kinds);
    let output = check_in(folder.path(), &site.text());
    (output.code, output.said())
}

fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).unwrap() + 1
}

#[test]
fn each_template_is_tried_on_each_kind_and_what_fails_is_refused_with_its_line() {
    let fine = shipped();
    let (code, said) = told(&fine, &[]);
    assert_eq!(code, 0, "{said}");
    let line = line_of(&fine, "{{ title | cut(100) }}");
    for (from, to, words) in [
        // Misspelt, quoted by hand, an end that is missing, a loop, a filter, JSON with a hole.
        ("{{ title | cut(100) }}", "{{ titel }}", "undefined value `titel`"),
        ("{{ title | cut(100) }}", "\"{{ title }}\"", "makes no JSON"),
        ("{{ title | cut(100) }}", "{{ title", "syntax error"),
        (
            "{{ title | cut(100) }}",
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}1",
            "fuel",
        ),
        ("{{ title | cut(100) }}", "{{ title | short }}", "unknown filter"),
        ("{{ title | cut(100) }}", "{{ began_at | date(\"%Q\") }}", "format"),
        ("{{ title | cut(100) }}", "{{ event.place.lon }}", "undefined value"),
        ("{{ title | cut(100) }}", "{% include \"/etc/passwd\" %}", "syntax error"),
        ("{{ title | cut(100) }}", "", "makes no JSON"),
    ] {
        let text = fine.replacen(from, to, 1);
        let (code, said) = told(&text, &["fire-lane", "rain"]);
        println!("{said}");
        assert_eq!(code, 2, "{to}: {said}");
        assert!(said.contains(words), "{words} not in {said}");
        let at = [line, line + 1].map(|line| format!("p.toml:{line}: error: "));
        assert!(at.iter().any(|at| said.contains(at)), "{to}: line {line} not in {said}");
    }
}

#[test]
fn a_profile_that_is_none_or_contradicts_itself_is_told_in_one_go() {
    let fine = shipped();
    for (from, to, words) in [
        ("opens = true\n", "", "expected exactly one"),
        ("what = [\"evidence\"]", "what = [\"accepted\"]", "stands in two [[send]]"),
        ("what = [\"evidence\"]", "what = [\"acepted\"]", "expected the word of a record"),
        ("\"派遣\" = \"dispatched\"", "\"派遣\" = \"sent\"", "expected a step of a reply"),
        ("verified = \"核查\"\n", "", "undefined value `status`: [outward] has no word"),
        ("status = \"/feedbackType\"", "status = \"feedbackType\"", "expected a JSON pointer"),
        ("[push]\nitems = \"\"", "[push]\nitms = \"\"", "unknown field `itms`"),
        ("ok = [0, 200]\n", "", "`verdict` needs `ok`"),
        ("[inward]", "[inwards]", "unknown field `inwards`"),
        ("name = \"综治平台通用对接\"", "name = ", "not a profile"),
        ("{{ category.code }}", "{{ category.codes }}", "undefined value `category.codes`"),
    ] {
        let (code, said) = told(&fine.replacen(from, to, 1), &[]);
        println!("{said}");
        assert_eq!(code, 2, "{from}: {said}");
        assert!(said.contains("p.toml") && said.contains(words), "{words} not in {said}");
    }
    let missing = Site::demo().section("[[sink]]").set("id", "d").set("kind", "profile");
    let missing = missing.set("url", "http://h/").set("profile_file", "none.toml");
    check(&missing.text()).must_say(2, ["none.toml: error: the profile cannot be read"]);
}

/// What no request is for reaches nobody there: `check` says so, unless the profile says that it is meant.
#[test]
fn records_that_no_request_is_for_are_told_and_the_shipped_profiles_have_none() {
    for name in ["docking", "pinyin", "chengguan"] {
        let text = fs::read_to_string(root().join(format!("config/profiles/{name}.toml"))).unwrap();
        let (code, said) = told(&text, &[]);
        assert!(code == 0 && !said.contains("no [[send]] is for"), "{name}: {said}");
    }
    let fine = shipped();
    for (from, to, words) in [
        (", \"reopened\", \"lapsed\"", "", "no [[send]] is for reopened, lapsed: the platform"),
        ("\"limit\", \"escalated\"]", "\"limit\"]", "no [[send]] is for escalated: the platform"),
    ] {
        let (code, said) = told(&fine.replacen(from, to, 1), &[]);
        assert!(code == 0 && said.contains("p.toml:1: warning: "), "{said}");
        assert!(said.contains(words), "{words} not in {said}");
    }
    let (code, said) = told(&fine.replacen("\"limit\"", "\"limits\"", 1), &[]);
    assert!(code == 2 && said.contains("`limits`: no record is called so"), "{said}");
}

/// A reload with a profile that is wrong changes nothing; one that is right counts from then on.
#[tokio::test(flavor = "multi_thread")]
async fn i6_a_profile_is_read_anew_by_a_reload_and_a_wrong_one_changes_nothing() {
    let platform = Platform::start(Tongue::Docking).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    fs::write(&file, shipped()).unwrap();
    let gateway = Gateway::start(platform.site_with(&file.display().to_string())).await;
    fs::write(&file, shipped().replace("{{ title | cut(100) }}", "{{ titel }}")).unwrap();
    let (status, answer) = gateway.reload().await;
    assert_eq!((status, &answer["applied"]), (422, &json!(false)), "{answer}");
    assert!(answer.to_string().contains("p.toml"), "{answer}");
    gateway.press("btn-1", "p1");
    platform.has(1).await;
    fs::write(&file, shipped().replace("视频与物联感知", "gridpost-2")).unwrap();
    let (status, answer) = gateway.reload().await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["difference"].to_string().contains("profile_file (its content)"), "{answer}");
    gateway.press("btn-2", "p1");
    let cases = platform.has(2).await;
    assert_ne!(cases[0].0, cases[1].0);
    platform.hears("reportedIncident", |body| body["incidentSource"] == "gridpost-2").await;
}

/// What was right for the version before may be wrong for this one: that costs this platform alone, and until it is
/// mended it is said, and all is owed.
#[tokio::test(flavor = "multi_thread")]
async fn s1_a_profile_that_is_wrong_at_the_start_costs_its_own_sink_alone() {
    let platform = Platform::start(Tongue::Docking).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    let older = shipped().replacen("{{ title | cut(100) }}", "{% set t = title %}{{ t }}", 1);
    assert_ne!(older, shipped());
    fs::write(&file, &older).unwrap();
    let site = platform.site_with(&file.display().to_string());
    let gateway = Gateway::start(site).await;
    gateway.readiness(503, "p.toml is wrong (gridpost check says where)").await;
    gateway.command("check", &[]).must_say(2, ["p.toml:", "{% set %}: expected if and for alone"]);
    gateway.press("btn-1", "p1");
    gateway.metric_is("gridpost_pending_records", |pending| pending >= 1.0).await;
    assert_eq!(gateway.get("/api/v1/incidents?kind=emergency-button").await.0, 200);
    assert!(platform.asked("").is_empty());
    fs::write(&file, shipped()).unwrap();
    let (status, answer) = gateway.reload().await;
    assert_eq!(status, 200, "{answer}");
    platform.has(1).await;
    gateway.nothing_is_pending().await;
    gateway.readiness(200, "").await;
}
