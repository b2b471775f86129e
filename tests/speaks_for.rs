//! In whose names a program replies: the token of the site, an API token, a district's platform.

use serde_json::{Value, json};

use crate::world::{Gateway, Platform, Site, Tongue, check, gridpost, http, wait_for};

/// Who grants is named; the token of the site speaks for 王芳 alone.
fn site() -> Site {
    let contact = |site: Site, level: &str, name: &str| {
        site.section("[[life.contact]]").set("level", level).set("name", name)
    };
    let site = Site::demo().section("[web]").set("speaks_for", ["王芳"]).button("b1").button("b2");
    let site = contact(contact(site, "community", "李建国"), "township", "王芳");
    site.section("[links]").set("listen", "127.0.0.1:0").set("url", "https://reach.example/")
}

/// An API token that replies in these names: the token itself.
fn token(gateway: &Gateway, name: &str, more: &[&str]) -> String {
    let file = gateway.file("gridpost.toml");
    let add = ["user", "token", "add", "-c", &file, name, "--scope", "reply"];
    let made = gridpost(&[&add[..], more].concat());
    assert_eq!(made.code, 0, "{}", made.said());
    made.stdout.trim().to_owned()
}

async fn case_of(gateway: &Gateway, button: &str) -> String {
    gateway.press(button, "1");
    wait_for("the case", || async {
        let (_, told) = gateway.get("/api/v1/incidents").await;
        let all = told["incidents"].as_array()?.clone();
        let mine = all.iter().find(|one| one["sources"][0]["id"] == button)?;
        Some(mine["incident"].as_str()?.to_owned())
    })
    .await
}

/// A reply with this token; the status and what was answered.
async fn says(gateway: &Gateway, token: &str, case: &str, (to, by): (&str, &str)) -> (u16, Value) {
    let url = format!("{}/api/v1/replies", gateway.web);
    let body = json!({"incident": case, "to": to, "by": by});
    let answer = http().post(url).bearer_auth(token).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

fn said(answer: &(u16, Value)) -> &str {
    answer.1["error"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn l9_a_token_takes_steps_in_any_name_and_grants_and_verifies_in_its_own_alone() {
    let gateway = Gateway::start(site()).await;
    let (first, second) = (case_of(&gateway, "b1").await, case_of(&gateway, "b2").await);
    let desk = token(&gateway, "desk", &["--speaks-for", "李建国,城管*"]);
    let old = token(&gateway, "old", &[]);
    let web = gateway.token.clone();
    let by_web = async |case: &str, to, by| says(&gateway, &web, case, (to, by)).await;
    let by_desk = async |case: &str, to, by| says(&gateway, &desk, case, (to, by)).await;

    let (status, data) = by_web(&first, "accepted", "路人").await;
    let step = &data["steps"][0];
    assert_eq!(
        (status, &step["claimed_through"]),
        (200, &json!("the token of the site")),
        "{data}"
    );
    let (_, data) = by_web(&first, "dispatched", " 王　芳").await;
    assert_eq!(data["steps"][1]["claimed_through"], Value::Null, "{data}");
    let (_, data) = by_desk(&first, "handled", "赵强").await;
    assert_eq!(data["steps"][2]["claimed_through"], "token desk");
    // In a name that is not its own it does not verify; in its own not what it said in another's.
    let refused = by_web(&first, "verified", "李建国").await;
    assert!(
        refused.0 == 409 && said(&refused).contains("does not speak for `李建国`"),
        "{refused:?}"
    );
    let refused = by_desk(&first, "verified", "李建国").await;
    assert!(refused.0 == 409 && said(&refused).contains("its own word twice"), "{refused:?}");
    assert_eq!(by_web(&first, "verified", "王芳").await.0, 200);

    // What is asked waits for another, and for another's voice.
    assert_eq!(by_web(&second, "ask-withdraw", "王芳").await.0, 200);
    for (refused, part) in [
        (by_web(&second, "granted", "王芳").await, "王芳 has asked"),
        (by_web(&second, "granted", "李建国").await, "speaks_for"),
        (by_desk(&second, "granted", "王芳").await, "speaks_for"),
        (by_desk(&second, "granted", "城管张三").await, "is unknown here"),
    ] {
        assert!(refused.0 == 409 && said(&refused).contains(part), "{part}: {refused:?}");
    }
    // By a link it would be that person himself.
    let link = async |token: &str, person: &str| {
        let url = format!("{}/api/v1/incidents/{second}/link?for={person}", gateway.web);
        let answer = http().get(url).bearer_auth(token).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!((link(&web, "李建国").await, link(&desk, "王芳").await), (403, 403));
    assert_eq!((link(&web, "王芳").await, link(&old, "王芳").await), (200, 200));
    let (status, data) = by_desk(&second, "granted", "李 建国").await;
    assert_eq!((status, &data["stage"]), (200, &json!("dismissed")), "{data}");

    // It is listed, and `check` says which of them may use any name.
    let listed = gridpost(&["user", "list", "-c", &gateway.file("gridpost.toml")]);
    listed.must_say(0, ["desk speaks for 李建国, 城管*"]);
    let checked = gateway.command("check", &[]);
    checked
        .must_say(0, ["warning: API tokens old: whoever has one may reply in the name of anybody"]);
    assert!(!checked.said().contains("web.speaks_for"), "{}", checked.said());
    // A new list holds at once.
    gateway.reload_to(site().section("[web]").set("speaks_for", ["王芳", "李建国"])).await;
    assert_eq!(by_web(&first, "reopened", "王芳").await.0, 409, "it is not over");
    assert_eq!(by_web(&second, "reopened", "王芳").await.0, 200);
    assert_eq!(by_web(&second, "ask-withdraw", "王芳").await.0, 200);
    assert_eq!(by_web(&second, "refused", "李建国").await.0, 200);
    let journal = gateway.journal();
    for part in ["speaks for 李建国, 城管*", "\"claimed_through\":\"token desk\""] {
        assert!(journal.contains(part), "{part} is not in the journal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_verifies_in_the_names_that_the_site_has_given_it() {
    let platform = Platform::start(Tongue::Docking).await;
    let site = platform.site().edit("[[sink]]", "district").set("speaks_for", ["综治*"]);
    let site = site.section("[[life.contact]]").set("level", "community").set("name", "李建国");
    let gateway = Gateway::start(site.clone()).await;
    gateway.press("btn-1", "p1");
    let (incident, case) = platform.has(1).await[0].clone();
    let path = gateway.data().join("platforms/district.token");
    let own = std::fs::read_to_string(path).unwrap().trim().to_owned();
    let push = async |id: &str, word: &str, by: &str| {
        let url = format!("{}/api/v1/platform/district", gateway.web);
        let body = json!({"commandCode": case, "feedbackCode": id, "feedbackType": word, "feedbackPerson": by});
        let answer = http().post(url).bearer_auth(&own).json(&body).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    push("r-1", "处置", "李建国").await;
    let data = gateway.stage_is(&incident, "handled").await;
    assert_eq!(data["steps"][0]["claimed_through"], "platform district");
    let answer = push("r-2", "核查", "王芳").await;
    assert!(answer["msg"].as_str().unwrap().contains("does not speak for `王芳`"), "{answer}");
    let answer = push("r-3", "核查", "综治中心周敏").await;
    assert!(answer["msg"].as_str().unwrap().contains("its own word twice"), "{answer}");
    gateway.replies_are("refused", 2.0).await;
    let kept = gateway.store(&["list", "--quarantine"]);
    assert!(kept.contains("its own word twice"), "{kept}");
    let sent_back = json!({"incident": incident, "to": "sent-back", "by": "赵强"});
    assert_eq!(gateway.post("/api/v1/replies", &sent_back).await.0, 200);
    push("r-4", "处置", "综治中心李").await;
    gateway.stage_is(&incident, "handled").await;
    push("r-5", "核查", "综治中心周敏").await;
    let data = gateway.stage_is(&incident, "verified").await;
    assert_eq!(data["steps"][3]["claimed_through"], Value::Null, "{data}");
}

#[test]
fn check_says_who_may_use_any_name_where_names_count() {
    let named = "[site]\nid = \"x\"\n[[life.contact]]\nlevel = \"community\"\nname = \"李建国\"\n";
    check(named).must_say(0, ["warning: web.speaks_for: whoever has the token", "1 warning(s)"]);
    for fine in [
        format!("{named}[web]\nspeaks_for = [\"*\"]\n"),
        format!("{named}[web]\nspeaks_for = [\"王芳\", \"城管*\"]\n"),
        format!("{named}[life]\nnamed_grants = false\n"),
        "[site]\nid = \"x\"\n".into(),
    ] {
        let checked = check(&fine);
        assert!(checked.code == 0 && !checked.said().contains("warning"), "{}", checked.said());
    }
    let wrong = format!("{named}[web]\nspeaks_for = [\"城*管\"]\n");
    check(&wrong).must_say(2, ["web.speaks_for: `城*管`: expected a name"]);
}
