//! Signed links on the real binary: one person answers one case from a phone, and nothing else happens by a link.

use std::{
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{
    Gateway, Launch, Phone, Receiver, Robot, Screen, Site, WrongClock, gridpost, grids,
};

/// A button with a name and a telephone that are not for everybody, two persons, and a robot that is told.
fn site(receiver: &Receiver, robot: &Robot) -> Site {
    Site::demo()
        .set("timezone", "Asia/Shanghai")
        .set("grids", grids())
        .button("btn-1")
        .set("name", "张秀英 13812345678")
        .set("contact", "13987654321")
        .set("note", "钥匙在 62345678 的邻居处")
        .set("address", "桥北路12号3单元501室")
        .set("place", [113.9128, 30.9221])
        .section("[[life.contact]]")
        .set("level", "community")
        .set("name", "王芳")
        .section("[routing]")
        .set("otherwise", json!({"department": "综治中心", "person": "赵强"}))
        .section("[links]")
        .set("listen", "127.0.0.1:0")
        .set("url", "https://reach.example/")
        .http(receiver)
        .http_sink("sms", &robot.url)
        .set("kind", "webhook")
        .set("body", r#"{"content":"{title} {link}"}"#)
        .set("link_for", "王芳")
}

async fn start() -> (Receiver, Robot, Gateway) {
    let (receiver, robot) = (Receiver::start().await, Robot::start().await);
    let gateway = Gateway::start(&site(&receiver, &robot)).await;
    (receiver, robot, gateway)
}

async fn opened(gateway: &Gateway, receiver: &Receiver) -> String {
    gateway.press("btn-1", "p1");
    let event = receiver.wait("the press", |data| data["what"] == "opened").await;
    event["data"]["incident"].as_str().unwrap().to_owned()
}

async fn shown(gateway: &Gateway, id: &str) -> Value {
    gateway.get(&format!("/api/v1/incidents/{id}")).await.1
}

fn steps(data: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let steps = data["steps"].as_array().into_iter().flatten();
    steps.map(|step| (text(&step["step"]), text(&step["by"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(step, by)| ((*step).to_owned(), (*by).to_owned())).collect()
}

/// What every page is sent with, and never has.
fn is_kept_nowhere(screen: &Screen) {
    let header = |name: &str| screen.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("cache-control"), Some("no-store"), "{}", screen.text);
    assert_eq!(header("referrer-policy"), Some("no-referrer"));
    assert!(header("x-robots-tag").unwrap().contains("noindex"));
    let policy = header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(header("set-cookie").is_none() && header("content-type").unwrap().contains("utf-8"));
    screen.hides(&["<script", "javascript:", "onload=", "13812345678", "13987654321", "62345678"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_a_message_answers_its_case_and_who_is_second_hears_who_was_first() {
    let (receiver, robot, mut gateway) = start().await;
    let id = opened(&gateway, &receiver).await;
    let (_, text) = robot.text().await;
    let text = text["content"].as_str().unwrap().to_owned();
    let wang = Phone::with(&gateway, text.rsplit(' ').next().unwrap());
    let page = wang.page().await;
    page.must_show(200, &["张秀英", "桥北第一网格", "501室", "待受理", "紧急", "只供 王芳 使用"]);
    page.must_show(200, &[">受理<", ">已处置<", ">退回<", "value=\"not-ours\"", "type=\"file\""]);
    is_kept_nowhere(&page);
    let zhao = Phone::of(&gateway, &id, "赵强").await;
    let seen = zhao.page().await.revision();

    // A double tap is one step, and leads back to the page.
    let tap = || wang.tap("accepted", page.revision(), &[]);
    for screen in <[Screen; 3]>::from(tokio::join!(tap(), tap(), tap())) {
        screen.must_show(200, &["已受理", "王芳 受理"]);
        screen.hides(&[">受理</button>"]);
    }
    let event = receiver.wait("accepted", |data| data["what"] == "accepted").await;
    let step = &event["data"]["steps"][0];
    assert_eq!((&step["by"], &step["via"]), (&json!("王芳"), &json!("link")));
    assert_eq!(event["data"]["detail"]["by"], "王芳");
    // The other one has the page of before, and hears it from the gateway.
    let clock = &event["data"]["accepted_at"].as_str().unwrap()[11..16];
    let late = zhao.tap("accepted", seen, &[]).await;
    late.must_show(409, &[&format!("已由王芳 {clock} 受理"), "没有生效", "已受理", ">已处置<"]);
    is_kept_nowhere(&late);
    // Nor does a step that would be possible, on a page that has not shown what is now.
    zhao.tap("handled", seen, &[]).await.must_show(409, &["已由王芳", "没有生效"]);
    // On what is now, the other may act all the same: it is a link of his own.
    let now = zhao.page().await.revision();
    zhao.tap("handled", now, &[("note", "<b>已送医</b> 13812345678")])
        .await
        .must_show(200, &["赵强 处置"]);
    // The back button, minutes later.
    wang.tap("accepted", page.revision(), &[]).await.must_show(200, &["已处置"]);
    let data = shown(&gateway, &id).await;
    assert_eq!(steps(&data), pairs(&[("accepted", "王芳"), ("handled", "赵强")]));
    assert_eq!(data["steps"][1]["note"], "<b>已送医</b> 13812345678");
    let done = wang.page().await;
    done.hides(&["<button", "<b>", "已送医"]);
    is_kept_nowhere(&done);

    // Closed, it says that and no more; what reopens it opens its links.
    let close = json!({"incident": id, "to": "closed", "by": "李建国"});
    assert_eq!(gateway.post("/api/v1/replies", &close).await.0, 200);
    for screen in [wang.page().await, wang.tap("handled", now, &[]).await] {
        screen.must_show(410, &["该案件已办结"]);
        screen.hides(&["张秀英", "王芳", "桥北", "<button", &id]);
        is_kept_nowhere(&screen);
    }
    let (status, said) = gateway.get(&format!("/api/v1/incidents/{id}/link?for=王芳")).await;
    assert_eq!(status, 409, "{said}");
    let reopen = json!({"incident": id, "to": "reopened", "by": "李建国"});
    assert_eq!(gateway.post("/api/v1/replies", &reopen).await.0, 200);
    wang.page().await.must_show(200, &["待受理"]);
    gateway.figure_is("gridpost_links_refused_total{why=\"closed\"}", |n| n == 2.0).await;

    // Who asked for a link is written down; an event, which is for everybody, carries none.
    let written = gateway.journal();
    assert!(written.contains(r#"{"entry":"link-made","incident""#));
    assert!(written.contains(r#""person":"赵强","by":"api","at""#), "by whom");
    let events = serde_json::to_string(&receiver.events()).unwrap();
    assert!(!events.contains("/c/") && !events.contains("reach.example"));
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_needs_a_reason_and_waits_for_another_person() {
    let (receiver, _robot, mut gateway) = start().await;
    let id = opened(&gateway, &receiver).await;
    let wang = Phone::of(&gateway, &id, "王芳").await;
    let revision = wang.page().await.revision();
    for (more, told) in [
        (&[][..], "请选择退回原因"),
        (&[("reason", "test")][..], "请选择退回原因"),
        (&[("reason", "<b>")][..], "请选择退回原因"),
        (&[("reason", "other"), ("note", " ")][..], "请填写说明"),
    ] {
        let screen = wang.tap("give-back", revision, more).await;
        screen.must_show(422, &[told, "没有生效", ">退回</button>"]);
        is_kept_nowhere(&screen);
    }
    let long = "长".repeat(501);
    let screen = wang.tap("handled", revision, &[("note", &long)]).await;
    screen.must_show(422, &["最多 500 字"]);
    let reason = [("reason", "false-alarm"), ("note", "楼道感应器误碰")];
    let asked = wang.tap("give-back", revision, &reason).await;
    asked.must_show(200, &["王芳 已申请撤回，待他人批准", "（误报）", ">受理</button>"]);
    asked.hides(&[">退回</button>"]);
    let data = shown(&gateway, &id).await;
    assert_eq!((&data["stage"], &data["asked"]["what"]), (&json!("opened"), &json!("withdraw")));
    assert_eq!(
        (&data["steps"][0]["reason"], data["steps"].as_array().unwrap().len()),
        (&json!("false-alarm"), 1)
    );
    // Sent to a department, it is given back to who sent it.
    for (to, by) in [("refused", "李建国"), ("dispatched", "李建国")] {
        let reply = json!({"incident": id, "to": to, "by": by, "department": "城管"});
        assert_eq!(gateway.post("/api/v1/replies", &reply).await.0, 200, "{to}");
    }
    let revision = wang.page().await.revision();
    wang.tap("give-back", revision, &[("reason", "not-ours")])
        .await
        .must_show(200, &["已申请回退"]);
    assert_eq!(shown(&gateway, &id).await["asked"]["what"], "give-back");
    let reply = json!({"incident": id, "to": "granted", "by": "王芳"});
    assert_eq!(gateway.post("/api/v1/replies", &reply).await.0, 409, "who asked");
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_no_good_says_so_in_plain_words_is_counted_and_slowed() {
    let (receiver, _robot, mut gateway) = start().await;
    let id = opened(&gateway, &receiver).await;
    let good = Phone::of(&gateway, &id, "王芳").await;
    let (other_receiver, _other_robot, other) = start().await;
    let foreign = opened(&other, &other_receiver).await;
    let foreign = Phone::of(&other, &foreign, "王芳").await;
    let code = |phone: &Phone| phone.url.rsplit('/').next().unwrap().to_owned();
    let base = good.url.trim_end_matches(&code(&good)).to_owned();
    let mut changed = code(&good);
    let last = if changed.ends_with('0') { "4" } else { "0" };
    changed.replace_range(60..61, last);
    // One of this gateway, for a case that it has not.
    let bad = [
        code(&foreign),
        changed,
        code(&good)[..40].to_owned(),
        format!("{}x", code(&good)),
        "%ff%fe".into(),
        "%3Cscript%3E".into(),
        "x".repeat(4_000),
    ];
    let began = Instant::now();
    for code in &bad {
        let phone = Phone { url: format!("{base}{code}") };
        for screen in [phone.page().await, phone.tap("accepted", 1, &[]).await] {
            screen.must_show(404, &["链接无效"]);
            screen.hides(&["张秀英", "王芳", "<button", "script"]);
            is_kept_nowhere(&screen);
        }
    }
    // Ten are free, each further one waits for a second.
    assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
    gateway.figure_is("gridpost_links_refused_total{why=\"wrong\"}", |n| n == 14.0).await;
    gateway.logs("a link that is no good").await;
    // A good one beside them is not held up, and capitals are as good.
    let began = Instant::now();
    good.page().await.must_show(200, &["张秀英"]);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let capitals = Phone { url: format!("{base}{}", code(&good).to_uppercase()) };
    capitals.page().await.must_show(200, &["张秀英"]);
    // Nothing else is there, and nothing else is done.
    for path in ["/", "/c/", "/metrics", "/healthz", "/api/v1/incidents", "/c", "/robots.txt"] {
        let root = base.trim_end_matches("/c/");
        let phone = Phone { url: format!("{root}{path}") };
        phone
            .ask(Method::GET, &[("authorization", &format!("Bearer {}", gateway.token))])
            .await
            .must_show(404, &["没有内容"]);
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        good.ask(method, &[]).await.must_show(405, &[]);
    }
    good.at("/picture").page().await.must_show(404, &["没有内容"]);
    assert_eq!(shown(&gateway, &id).await["stage"], "opened");
    for (query, status) in [("?for=路人", 422), ("?for=", 400), ("", 400), ("?for=王芳&x=1", 400)]
    {
        let path = format!("/api/v1/incidents/{id}/link{query}");
        assert_eq!(gateway.get(&path).await.0, status, "{query}");
    }
    assert_eq!(gateway.get("/api/v1/incidents/nonsense/link?for=王芳").await.0, 404);
    let url = format!("{}/api/v1/incidents/{id}/link?for=王芳", gateway.web);
    assert_eq!(crate::world::http().get(url).send().await.unwrap().status(), 401);
    gateway.must_stop_sound().await;
}

/// Switched off, nothing listens there any more, and nobody is given one.
async fn is_gone_once_switched_off(gateway: &Gateway, full: &Site, id: &str, phone: &Phone) {
    let text = full.text();
    let (before, behind) = text.split_once("\n[links]\n").unwrap();
    let (_, behind) = behind.split_once("\n[").unwrap();
    gateway.rewrite(&format!("{before}\n[{behind}"));
    assert_eq!(gateway.reload().await.0, 409, "a second word is asked for");
    let (status, answer) = gateway.reload_confirmed().await;
    assert_eq!(status, 200, "{answer}");
    crate::world::wait_for("the listener to be gone", || async {
        crate::world::http().get(&phone.url).send().await.is_err().then_some(())
    })
    .await;
    assert_eq!(gateway.get(&format!("/api/v1/incidents/{id}/link?for=赵强")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_by_its_time_its_person_and_by_being_revoked() {
    let clock_folder = tempfile::tempdir().unwrap();
    let clock = WrongClock::build(clock_folder.path());
    clock.is_off_by(0);
    let (receiver, robot) = (Receiver::start().await, Robot::start().await);
    let full = site(&receiver, &robot);
    let launch = || Launch::of(&full).envs(clock.environment());
    let gateway = launch().start().await;
    let id = opened(&gateway, &receiver).await;
    let link = gateway.get(&format!("/api/v1/incidents/{id}/link?for=王芳")).await.1;
    let link = link["link"].as_str().unwrap().to_owned();
    let wang = Phone::with(&gateway, &link);
    let revision = wang.page().await.revision();
    clock.is_off_by(72 * 3_600 - 30);
    wang.page().await.must_show(200, &["张秀英"]);
    clock.is_off_by(72 * 3_600 + 90);
    for screen in [wang.page().await, wang.tap("accepted", revision, &[]).await] {
        screen.must_show(410, &["链接已过期"]);
        screen.hides(&["张秀英", "王芳", "<button"]);
        is_kept_nowhere(&screen);
    }
    gateway.figure_is("gridpost_links_refused_total{why=\"expired\"}", |n| n == 2.0).await;
    // A clock that stands at 1970 makes no link, and ends none.
    clock.is_off_by(60 - crate::world::now_s() as i64);
    wang.page().await.must_show(200, &["张秀英"]);
    let (status, said) = gateway.get(&format!("/api/v1/incidents/{id}/link?for=王芳")).await;
    assert_eq!(status, 503, "{said}");
    clock.is_off_by(0);

    // A restart keeps it; another key, or a person that is not named any more, does not.
    let folder = gateway.kill().await;
    let mut gateway = launch().in_folder(folder).start().await;
    let wang = Phone::with(&gateway, &link);
    let zhao = Phone::of(&gateway, &id, "赵强").await;
    wang.page().await.must_show(200, &["张秀英"]);
    for wrong in [&[][..], &["--all", "--person", "王芳"]] {
        let mut args = vec!["links", "revoke", "-c"];
        let file = gateway.file("gridpost.toml");
        args.push(&file);
        args.extend(wrong);
        assert_eq!(gridpost(&args).code, 2, "{wrong:?}");
    }
    let file = gateway.file("gridpost.toml");
    gridpost(&["links", "revoke", "-c", &file, "--person", "王芳"])
        .must_say(0, ["links of 王芳 that were made until now are revoked"]);
    wang.page().await.must_show(404, &["链接无效"]);
    zhao.page().await.must_show(200, &["张秀英"]);
    let again = Phone::of(&gateway, &id, "王芳").await;
    again.page().await.must_show(200, &["张秀英"]);
    gridpost(&["links", "revoke", "-c", &file, "--person", "路人"])
        .must_say(0, ["nobody of this configuration is called 路人"]);
    gridpost(&["links", "revoke", "-c", &file, "--all"]).must_say(0, ["of everybody"]);
    for phone in [&again, &zhao] {
        phone.page().await.must_show(404, &["链接无效"]);
    }
    let zhao = Phone::of(&gateway, &id, "赵强").await;
    let named = full
        .clone()
        .section("[routing]")
        .set("otherwise", json!({"department": "综治中心", "person": "钱进"}));
    gateway.reload_to(&named).await;
    zhao.page().await.must_show(404, &["链接无效"]);
    is_gone_once_switched_off(&gateway, &full, &id, &zhao).await;
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_takes_the_key_of_links_along_for_its_owner_alone() {
    let (receiver, robot, gateway) = start().await;
    let id = opened(&gateway, &receiver).await;
    let wang = Phone::of(&gateway, &id, "王芳").await;
    let file = gateway.file("gridpost.toml");
    gridpost(&["links", "revoke", "-c", &file, "--person", "赵强"]).must_say(0, ["revoked"]);
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("copy").display().to_string();
    assert!(gateway.store(&["backup", "--to", &copy]).contains("sound"));
    drop(gateway.kill().await);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    gridpost(&["store", "restore", "--from", &copy, "--data", &data]).must_say(0, ["sound"]);
    for folder in [&copy, &data] {
        for name in ["links.key", "links.revoked"] {
            let path = std::path::Path::new(folder).join("keys").join(name);
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }
    let mut gateway = Gateway::start_in(folder, &site(&receiver, &robot), &[]).await;
    let link = wang.url.clone();
    Phone::with(&gateway, &link).page().await.must_show(200, &["张秀英"]);
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_says_that_links_revoked_since_are_good_again_and_keeps_the_keys_that_are_there()
{
    let (receiver, robot, gateway) = start().await;
    let id = opened(&gateway, &receiver).await;
    let wang = Phone::of(&gateway, &id, "王芳").await;
    let file = gateway.file("gridpost.toml");
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("copy").display().to_string();
    assert!(gateway.store(&["backup", "--to", &copy]).contains("sound"));
    gridpost(&["links", "revoke", "-c", &file, "--person", "王芳"]).must_say(0, ["revoked"]);
    wang.page().await.must_show(404, &["链接无效"]);
    let old_keys = gateway.data().join("keys");
    let _old = gateway.kill().await;
    for (keeps, status) in [(false, 200), (true, 404)] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        if keeps {
            std::fs::create_dir_all(data.join("keys")).unwrap();
            for name in ["links.key", "links.revoked"] {
                std::fs::copy(old_keys.join(name), data.join("keys").join(name)).unwrap();
            }
        }
        let said =
            gridpost(&["store", "restore", "--from", &copy, "--data", &data.display().to_string()]);
        said.must_say(
            0,
            ["sound", if keeps { "the keys that were there stay" } else { "ARE GOOD AGAIN" }],
        );
        let mut gateway = Gateway::start_in(folder, &site(&receiver, &robot), &[]).await;
        Phone::with(&gateway, &wang.url).page().await.must_show(status, &["网格哨所"]);
        gateway.must_stop_sound().await;
    }
}

/// A key that no disk gives back is nobody's fault who has a link.
#[tokio::test(flavor = "multi_thread")]
async fn l7_where_the_keys_cannot_be_read_the_page_says_so_and_not_that_the_link_is_wrong() {
    let (receiver, _robot, mut gateway) = start().await;
    let id = opened(&gateway, &receiver).await;
    let wang = Phone::of(&gateway, &id, "王芳").await;
    wang.page().await.must_show(200, &["张秀英"]);
    let revoked = gateway.data().join("keys/links.revoked");
    std::fs::write(&revoked, "{\"王芳\":").unwrap();
    wang.page().await.must_show(503, &["不是您的链接有问题"]);
    let (wrong, _) = wang.url.split_at(wang.url.len() - 1);
    Phone::with(&gateway, wrong).page().await.must_show(404, &["链接无效"]);
    gateway.readiness(200, "links: none are made, and none are good").await;
    let (status, answer) = gateway.get(&format!("/api/v1/incidents/{id}/link?for=王芳")).await;
    assert_eq!(status, 503, "{answer}");
    std::fs::remove_file(&revoked).unwrap();
    wang.page().await.must_show(200, &["张秀英"]);
    gateway.must_stop_sound().await;
}
