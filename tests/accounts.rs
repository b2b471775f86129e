//! Accounts and roles over the web: every address with every role, foreign grids, log-ins, sessions, and what is written down.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::world::{
    Changes, Gateway, Launch, Output, Phone, Site, gridpost, gridpost_with_input, http, seed,
    wait_for,
};

const PASSWORD: &str = "a long password";
const ROLES: [&str; 5] = ["officer", "worker", "commander", "installer", "auditor"];

/// `gridpost user WORD -c FILE …` with a line on stdin.
fn user(gateway: &Gateway, word: &[&str], more: &[&str], line: &str) -> Output {
    let file = gateway.file("gridpost.toml");
    let args = [&["user"], word, &["-c", &file], more].concat();
    gridpost_with_input(&args, line)
}

fn add(gateway: &Gateway, name: &str, role: &str) {
    let grid = if role == "worker" { &["--grid", "420102-01"][..] } else { &[] };
    let more = [&[name, "--role", role], grid].concat();
    user(gateway, &["add"], &more, PASSWORD).must_say(0, [name]);
}

/// A request as a page of our own sends it.
fn own(gateway: &Gateway, method: Method, path: &str, cookie: &str) -> RequestBuilder {
    let request = http().request(method, format!("{}{path}", gateway.web));
    request.header(header::ORIGIN, &gateway.web).header(header::COOKIE, cookie)
}

async fn json_of(answer: Response) -> Value {
    serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null)
}

fn cookie_of(answer: &Response) -> String {
    let set = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(set.contains("; HttpOnly; SameSite=Strict"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

async fn try_log_in(gateway: &Gateway, name: &str, password: &str) -> Response {
    let body = json!({ "name": name, "password": password });
    own(gateway, Method::POST, "/api/v1/session", "").json(&body).send().await.unwrap()
}

async fn log_in(gateway: &Gateway, name: &str) -> String {
    let answer = try_log_in(gateway, name, PASSWORD).await;
    assert_eq!(answer.status(), 200, "{name}");
    cookie_of(&answer)
}

async fn status(gateway: &Gateway, method: Method, path: &str, cookie: &str) -> StatusCode {
    own(gateway, method, path, cookie).send().await.unwrap().status()
}

const GRIDS: &str = r#"{"type":"FeatureCollection","features":[
 {"type":"Feature","properties":{"code":"420102-01","name":"一网格"},"geometry":{"type":"Polygon",
  "coordinates":[[[114.0,30.0],[114.1,30.0],[114.1,30.1],[114.0,30.1],[114.0,30.0]]]}},
 {"type":"Feature","properties":{"code":"420102-02","name":"二网格"},"geometry":{"type":"Polygon",
  "coordinates":[[[114.2,30.0],[114.3,30.0],[114.3,30.1],[114.2,30.1],[114.2,30.0]]]}}]}"#;

/// Two grids with a button each; who presses in the second is foreign to the worker of the first.
async fn two_grids() -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("grids.geojson"), GRIDS).unwrap();
    let site = Site::demo().set("grids", "grids.geojson");
    let site = site.button("own").set("place", [114.05, 30.05]);
    let site = site.button("foreign").set("place", [114.25, 30.05]);
    Launch::of(site).in_folder(folder).start().await
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

/// Method, path, its roles and its scope.
type Address = (Method, String, Option<Vec<String>>, Option<String>);

/// Addresses as the document has them: method, path, its roles and its scope; no roles: anybody.
fn routes() -> Vec<Address> {
    let document: Value = serde_json::from_str(&gridpost(&["schema", "api"]).stdout).unwrap();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, said) in methods.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let roles = said["x-roles"]
                .as_array()
                .map(|roles| roles.iter().map(|role| role.as_str().unwrap().to_owned()).collect());
            let scope = said["x-scope"].as_str().map(str::to_owned);
            all.push((method, path.clone(), roles, scope));
        }
    }
    assert!(all.len() > 30, "{}", all.len());
    all
}

/// An address with something in its braces that is nowhere.
fn filled(path: &str) -> String {
    path.replace("{id}", "01a228ea-231b-76dc-a4fe-b94220393b56").replace("{name}", "nobody")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_opens_to_its_roles_and_scopes_and_to_nobody_else() {
    let gateway = Gateway::start(Site::demo()).await;
    let mut cookies = Vec::new();
    for role in ROLES {
        add(&gateway, role, role);
        cookies.push((role, log_in(&gateway, role).await));
    }
    let mut tokens = Vec::new();
    for scope in ["read", "reply", "posture", "announce", "reload", "metrics"] {
        let made = user(&gateway, &["token", "add"], &[scope, "--scope", scope], "");
        assert_eq!(made.code, 0, "{}", made.said());
        tokens.push((scope, made.stdout.trim().to_owned()));
    }
    let ends = |method: &Method, path: &str| {
        // It would end the session that the others are asked with.
        method == Method::DELETE && path == "/api/v1/session"
    };
    for (method, path, roles, scope) in routes() {
        let is_platform = path.contains("/platform/");
        let heads = [method.clone(), Method::HEAD];
        let asked = if method == Method::GET { &heads[..] } else { &heads[..1] };
        for method in asked {
            let at = filled(&path);
            let what = format!("{method} {path}");
            let open = roles.is_none() || path == "/metrics";
            let nobody = status(&gateway, method.clone(), &at, "").await;
            assert_eq!(nobody == 401, !open || is_platform, "{what} for nobody: {nobody}");
            for (role, cookie) in &cookies {
                if open || ends(method, &path) {
                    continue;
                }
                let request = own(&gateway, method.clone(), &at, cookie);
                let answer = request.json(&json!({})).header(header::RANGE, "bytes=0-0");
                let got = answer.send().await.unwrap().status();
                let may = roles.iter().flatten().any(|one| one == role);
                assert_eq!(got == 403, !may, "{what} for {role}: {got}");
                assert_ne!(got, 401, "{what} for {role}");
            }
            for (own_scope, token) in &tokens {
                if open {
                    continue;
                }
                let url = format!("{}{at}", gateway.web);
                let request = http().request(method.clone(), url).bearer_auth(token);
                let got = request.json(&json!({})).send().await.unwrap().status();
                let may = scope.as_deref() == Some(own_scope);
                assert_eq!(got == 403, !may, "{what} for scope {own_scope}: {got}");
            }
        }
    }
    // What has no line in the table is not there, whoever asks.
    for path in ["/api/v1/nothing", "/api/v1", "/api/v1/accounts/a/b", "/metrics/x"] {
        let (got, _) = gateway.get(path).await;
        assert_eq!(got, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_has_the_cases_of_his_grids_and_no_others_anywhere() {
    let gateway = two_grids().await;
    add(&gateway, "网格员小张", "worker");
    let cookie = log_in(&gateway, "网格员小张").await;
    let (own_case, foreign) = (case_of(&gateway, "own").await, case_of(&gateway, "foreign").await);
    let read = async |path: &str| {
        json_of(own(&gateway, Method::GET, path, &cookie).send().await.unwrap()).await
    };
    let ids = |list: &Value| -> Vec<String> {
        let id = |one: &Value| one["incident"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(id).collect()
    };
    assert_eq!(ids(&read("/api/v1/incidents").await["incidents"]), std::slice::from_ref(&own_case));
    assert_eq!(ids(&read("/api/v1/console").await["open"]), std::slice::from_ref(&own_case));
    let devices = read("/api/v1/devices").await;
    let names: Vec<_> = devices["devices"].as_array().unwrap().iter().map(|d| &d["id"]).collect();
    assert_eq!(names, ["own"]);
    assert_eq!(read("/api/v1/figures").await["total"]["reported"], 1);
    for (case, there) in [(&own_case, 200), (&foreign, 404)] {
        let path = format!("/api/v1/incidents/{case}");
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(status(&gateway, method, &path, &cookie).await, there, "{path}");
        }
        let body = json!({ "incident": case, "to": "accepted" });
        for path in ["/api/v1/replies".to_owned(), format!("{path}/replies")] {
            let answer = own(&gateway, Method::POST, &path, &cookie).json(&body).send().await;
            let got = answer.unwrap().status();
            // The second time somebody was first: himself.
            assert!(got == there || (there == 200 && got == 409), "{path}: {got}");
        }
    }
    // His own name stands under it, by his account; nobody else's can.
    let (_, case) = gateway.get(&format!("/api/v1/incidents/{own_case}")).await;
    assert_eq!(case["accepted_by"], "网格员小张");
    assert_eq!(case["steps"][0]["via"], "account");
    let (_, untouched) = gateway.get(&format!("/api/v1/incidents/{foreign}")).await;
    assert_eq!(untouched["stage"], "opened");
    let said = json!({ "incident": own_case, "to": "handled", "by": "王警官" });
    let answer = own(&gateway, Method::POST, "/api/v1/replies", &cookie).json(&said).send().await;
    assert_eq!(answer.unwrap().status(), 403);
    let into = json!({ "incident": own_case, "to": "merged", "into": foreign });
    let answer = own(&gateway, Method::POST, "/api/v1/replies", &cookie).json(&into).send().await;
    assert_eq!(answer.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_of_replies_and_links_makes_two_persons_of_one_account() {
    let contact = |site: Site, level: &str, name: &str| {
        site.section("[[life.contact]]").set("level", level).set("name", name)
    };
    let site = contact(Site::demo().button("own").button("foreign"), "community", "李建国");
    let site = contact(site, "township", "王芳").section("[links]").set("listen", "127.0.0.1:0");
    let gateway = Gateway::start(site.set("url", "https://reach.example/")).await;
    add(&gateway, "李建国", "officer");
    add(&gateway, "王芳", "commander");
    let (li, wang) = (log_in(&gateway, "李建国").await, log_in(&gateway, "王芳").await);
    let (first, second) = (case_of(&gateway, "own").await, case_of(&gateway, "foreign").await);
    let link = async |id: &str, person: &str, cookie: &str| {
        let path = format!("/api/v1/incidents/{id}/link?for={person}");
        let answer = own(&gateway, Method::GET, &path, cookie).send().await.unwrap();
        (answer.status().as_u16(), json_of(answer).await)
    };
    let says = async |id: &str, to: &str, cookie: &str| {
        let said = json!({ "incident": id, "to": to });
        let request = own(&gateway, Method::POST, "/api/v1/replies", cookie).json(&said);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(link(&first, "李建国", &wang).await.0, 403, "not of a commander either");
    // By his own link he is himself, whatever comes first.
    let taps = [("handled", &[][..]), ("give-back", &[("reason", "false-alarm")][..])];
    for (id, (to, more)) in [&first, &second].into_iter().zip(taps) {
        let (got, told) = link(id, "李建国", &li).await;
        assert_eq!(got, 200, "{told}");
        let phone = Phone::with(&gateway, told["link"].as_str().unwrap());
        let revision = phone.page().await.revision();
        phone.tap(to, revision, more).await.must_show(200, &["李建国"]);
    }
    for to in ["verified", "granted", "sent-back", "refused", "verified", "refused", "granted"] {
        for id in [&first, &second] {
            assert_eq!(link(id, "王芳", &li).await.0, 403, "{to}");
            if (id == &first) == ["verified", "sent-back"].contains(&to) {
                assert_eq!(says(id, to, &li).await, 409, "{to}");
            }
        }
    }
    assert_eq!(says(&first, "verified", &wang).await, 200);
    assert_eq!(says(&second, "granted", &wang).await, 200);
    // Who has a token claims his names as before; that he asked, and for whom, is written down.
    let token = user(&gateway, &["token", "add"], &["值班程序", "--scope", "reply"], "");
    let path = format!("{}/api/v1/incidents/{first}/link?for=王芳", gateway.web);
    let asked = http().get(path).bearer_auth(token.stdout.trim()).send().await.unwrap();
    assert_eq!(asked.status(), 200, "{}", token.said());
    let written = gateway.journal();
    for (person, by) in [("李建国", "李建国"), ("王芳", "api 值班程序")] {
        let who = format!("\"person\":\"{person}\",\"by\":\"{by}\",\"at\"");
        assert!(written.contains(&who), "{who} is not in the journal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_tells_a_worker_his_own_changes_and_ends_with_his_rights() {
    let gateway = two_grids().await;
    add(&gateway, "xiao", "worker");
    add(&gateway, "li", "officer");
    let (cookie, officer) = (log_in(&gateway, "xiao").await, log_in(&gateway, "li").await);
    let mut feed = Changes::open(&gateway, &cookie).await;
    let mut all = Changes::open(&gateway, &officer).await;
    let (foreign, own_case) = (case_of(&gateway, "foreign").await, case_of(&gateway, "own").await);
    let first = feed.change().await.unwrap();
    assert_eq!(first["case"]["incident"].as_str(), Some(own_case.as_str()));
    let seen = all.change().await.unwrap();
    assert_eq!(seen["case"]["incident"].as_str(), Some(foreign.as_str()));
    // A page knows a gap by `after`: what is not for him makes none.
    let accept = json!({ "incident": own_case, "to": "accepted", "by": "王警官" });
    assert_eq!(gateway.post("/api/v1/replies", &accept).await.0, 200);
    assert_eq!(feed.change().await.unwrap()["after"], first["position"]);
    user(&gateway, &["role"], &["xiao", "--role", "worker", "--grid", "420102-02"], "")
        .must_say(0, ["xiao"]);
    assert_eq!(feed.change().await.unwrap()["type"], "logged-out");
    assert_eq!(status(&gateway, Method::GET, "/api/v1/incidents", &cookie).await, 401);
    assert_eq!(status(&gateway, Method::GET, "/api/v1/incidents", &officer).await, 200);
    let disabled = user(&gateway, &["disable"], &["li"], "");
    assert_eq!(disabled.code, 0);
    while let Some(change) = all.change().await {
        if change["type"] == "logged-out" {
            return;
        }
    }
    panic!("the feed of a disabled account was not closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_account_is_made_with_the_code_of_the_machine_once() {
    let gateway = Gateway::start(Site::demo()).await;
    let session = async || {
        json_of(own(&gateway, Method::GET, "/api/v1/session", "").send().await.unwrap()).await
    };
    assert_eq!(session().await, json!({ "open": false, "by": null }), "as it always was");
    let made = user(&gateway, &["init"], &[], "");
    assert_eq!(made.code, 0, "{}", made.said());
    let code = made.stdout.trim().to_owned();
    assert_eq!(session().await["first"], true);
    let first = async |code: &str, name: &str, password: &str| {
        let body = json!({ "code": code, "name": name, "password": password });
        own(&gateway, Method::POST, "/api/v1/first-account", "").json(&body).send().await.unwrap()
    };
    assert_eq!(first(&code, "李建国", "short").await.status(), 422);
    assert_eq!(first(&code, "gridpost", PASSWORD).await.status(), 422);
    let answer = first(&code.to_lowercase(), "李建国", PASSWORD).await;
    assert_eq!(answer.status(), 200);
    let cookie = cookie_of(&answer);
    let list = own(&gateway, Method::GET, "/api/v1/accounts", &cookie).send().await.unwrap();
    let list = json_of(list).await;
    assert_eq!(list["accounts"][0]["roles"], json!(["commander", "installer"]));
    assert!(!list.to_string().contains("argon2"), "{list}");
    assert_eq!(first(&code, "second", PASSWORD).await.status(), 401);
    user(&gateway, &["init"], &[], "").must_say(2, ["there are accounts already"]);
    assert_eq!(session().await["accounts"], true);
    // A guess is counted, and waits.
    assert_eq!(first("AAAA-AAAA-AAAA", "x", PASSWORD).await.status(), 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_wait_over_a_restart_and_delay_nobody_else() {
    let gateway = Gateway::start(Site::demo()).await;
    add(&gateway, "li", "officer");
    add(&gateway, "wang", "officer");
    for name in ["li", "nobody"] {
        assert_eq!(try_log_in(&gateway, name, "wrong password").await.status(), 401, "{name}");
    }
    let again = wait_for("the next wrong one", || async {
        let answer = try_log_in(&gateway, "li", "wrong password").await;
        (answer.status() == 401).then_some(())
    });
    again.await;
    let refused = try_log_in(&gateway, "li", PASSWORD).await;
    assert_eq!(refused.status(), 429);
    let after = refused.headers()[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap();
    assert!((1..=2).contains(&after), "{after}");
    log_in(&gateway, "wang").await;
    // A third one, and the box is started anew: it is still to be waited for.
    wait_for("the third", || async {
        let answer = try_log_in(&gateway, "li", "wrong password").await;
        (answer.status() == 401).then_some(())
    })
    .await;
    let cookie = log_in(&gateway, "wang").await;
    let folder = gateway.kill().await;
    let gateway = Gateway::start_in(folder, Site::demo(), &[]).await;
    assert_eq!(status(&gateway, Method::GET, "/api/v1/incidents", &cookie).await, 200);
    log_in(&gateway, "wang").await;
    wait_for("he may try again", || async {
        let answer = try_log_in(&gateway, "li", PASSWORD).await;
        (answer.status() == 200).then_some(())
    })
    .await;
    let text = std::fs::read_to_string(gateway.data().join("sessions.json")).unwrap();
    assert!(!text.contains(cookie.split_once('=').unwrap().1), "the cookie is on disk");
    let written = gateway.journal();
    for part in ["\"log-in-failed\"", "\"logged-in\"", "\"account-added\"", "command of user"] {
        assert!(written.contains(part), "{part} is not in the journal");
    }
    assert!(!written.contains(PASSWORD) && !written.contains("argon2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commander_changes_accounts_and_everybody_his_own_password() {
    let gateway = Gateway::start(Site::demo()).await;
    add(&gateway, "commander", "commander");
    let cookie = log_in(&gateway, "commander").await;
    let send = async |method: Method, path: &str, cookie: &str, body: &Value| {
        own(&gateway, method, path, cookie).json(body).send().await.unwrap()
    };
    let new = json!({ "name": "小李", "roles": ["officer"], "password": PASSWORD });
    let accounts = "/api/v1/accounts";
    assert_eq!(send(Method::POST, accounts, &cookie, &new).await.status(), 204);
    assert_eq!(send(Method::POST, accounts, &cookie, &new).await.status(), 422, "twice");
    for wrong in [
        json!({ "name": "x", "roles": ["officer"], "password": "short" }),
        json!({ "name": "x", "roles": [], "password": PASSWORD }),
        json!({ "name": "x", "roles": ["worker"], "password": PASSWORD }),
        json!({ "name": "x", "roles": ["wall"], "password": PASSWORD }),
        json!({ "name": "", "roles": ["officer"], "password": PASSWORD }),
    ] {
        assert_eq!(send(Method::POST, accounts, &cookie, &wrong).await.status(), 422, "{wrong}");
    }
    let wrong = json!({ "name": "x", "roles": ["king"], "password": PASSWORD });
    assert_eq!(send(Method::POST, accounts, &cookie, &wrong).await.status(), 400);
    let officer = log_in(&gateway, "小李").await;
    let own_password = |old: &str| json!({ "old": old, "new": "another password" });
    let path = "/api/v1/password";
    let wrong = send(Method::POST, path, &officer, &own_password("no")).await;
    assert_eq!(wrong.status(), 403, "401 would say that the session is over");
    let changed = wait_for("the right one", || async {
        let answer = send(Method::POST, path, &officer, &own_password(PASSWORD)).await;
        (answer.status() == 200).then_some(answer)
    })
    .await;
    let rotated = cookie_of(&changed);
    assert_eq!(status(&gateway, Method::GET, "/api/v1/console", &officer).await, 401);
    assert_eq!(status(&gateway, Method::GET, "/api/v1/console", &rotated).await, 200);
    assert_eq!(try_log_in(&gateway, "小李", PASSWORD).await.status(), 401);
    let one = format!("{accounts}/%E5%B0%8F%E6%9D%8E");
    let auditor = json!({ "roles": ["auditor"] });
    assert_eq!(send(Method::PATCH, &one, &cookie, &auditor).await.status(), 204);
    assert_eq!(status(&gateway, Method::GET, "/api/v1/console", &rotated).await, 401);
    let mine = format!("{accounts}/commander");
    assert_eq!(send(Method::DELETE, &mine, &cookie, &Value::Null).await.status(), 422, "the last");
    assert_eq!(send(Method::PATCH, &mine, &cookie, &auditor).await.status(), 422);
    assert_eq!(send(Method::DELETE, &one, &cookie, &Value::Null).await.status(), 204);
    assert_eq!(send(Method::DELETE, &one, &cookie, &Value::Null).await.status(), 404);
    // The token of the site has no password, and is nobody's account.
    let (got, _) = gateway.post(path, &own_password("x")).await;
    assert_eq!(got, 409);
    // A page of somebody else changes nothing, whoever is logged in at this browser.
    let foreign = http().post(format!("{}{accounts}", gateway.web)).json(&new);
    let foreign = foreign.header(header::COOKIE, &cookie).header(header::ORIGIN, "http://evil");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_is_paired_by_its_code_and_only_reads() {
    let gateway = Gateway::start(Site::demo()).await;
    add(&gateway, "commander", "commander");
    let commander = log_in(&gateway, "commander").await;
    let send = async |path: &str, cookie: &str, body: &Value| {
        own(&gateway, Method::POST, path, cookie).json(body).send().await.unwrap()
    };
    let begun = json_of(send("/api/v1/walls", "", &json!({})).await).await;
    let secret = json!({ "secret": begun["secret"] });
    assert_eq!(send("/api/v1/walls/claim", "", &secret).await.status(), 202);
    let confirm = |code: &Value| json!({ "code": code, "name": "大厅" });
    let path = "/api/v1/walls/confirm";
    assert_eq!(send(path, "", &confirm(&begun["code"])).await.status(), 401);
    assert_eq!(send(path, &commander, &confirm(&json!("AAAA-AAAA"))).await.status(), 404);
    assert_eq!(send(path, &commander, &confirm(&begun["code"])).await.status(), 204);
    let claimed = send("/api/v1/walls/claim", "", &secret).await;
    assert_eq!(claimed.status(), 200);
    let wall = cookie_of(&claimed);
    assert_eq!(send("/api/v1/walls/claim", "", &secret).await.status(), 410, "once");
    assert_eq!(status(&gateway, Method::GET, "/api/v1/console", &wall).await, 200);
    for path in ["/api/v1/replies", "/api/v1/posture", "/api/v1/reload", "/api/v1/accounts"] {
        assert_eq!(send(path, &wall, &json!({})).await.status(), 403, "{path}");
    }
    let one = "/api/v1/accounts/%E5%A4%A7%E5%8E%85";
    assert_eq!(status(&gateway, Method::DELETE, one, &commander).await, 204);
    assert_eq!(status(&gateway, Method::GET, "/api/v1/console", &wall).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_figures_and_reasons_are_for_who_may_read_them() {
    let site = Site::demo().section("[web]").set("listen", "0.0.0.0:0").set("tls", "self");
    let gateway = Gateway::start(site).await;
    let port = gateway.port("web");
    let certificate = std::fs::read(gateway.data().join("keys/web.crt")).unwrap();
    drop(http());
    let trusted = reqwest::Certificate::from_pem(&certificate).unwrap();
    let client = reqwest::Client::builder()
        .add_root_certificate(trusted)
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    let at = |path: &str| format!("https://localhost:{port}{path}");
    let ready = wait_for("an answer", || async { client.get(at("/readyz")).send().await.ok() });
    let ready = json_of(ready.await).await;
    assert!(ready["ready"].is_boolean() && ready.get("reasons").is_none(), "{ready}");
    assert_eq!(client.get(at("/metrics")).send().await.unwrap().status(), 401);
    assert_eq!(client.get(at("/healthz")).send().await.unwrap().status(), 200);
    let told = client.get(at("/readyz")).bearer_auth(&gateway.token).send().await.unwrap();
    assert!(json_of(told).await["reasons"].is_array());
    let figures = client.get(at("/metrics")).bearer_auth(&gateway.token).send().await.unwrap();
    assert_eq!(figures.status(), 200);
}

/// Junk in every parameter of every address: no answer is the gateway's own fault, and each comes.
#[tokio::test(flavor = "multi_thread")]
async fn junk_at_every_address_is_refused_in_words_and_hangs_nothing() {
    let seed = seed();
    println!("GRIDPOST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let gateway = Gateway::start(Site::demo()).await;
    let junk: Vec<String> = [
        "",
        "a",
        "0",
        "-1",
        "99999999999999999999",
        "null",
        "true",
        "[]",
        "{}",
        "\"",
        "%00",
        "..%2f..%2fetc%2fpasswd",
        "%F0%9F%98%80",
        "2026-13-40",
        "9999-12-31T23:59:59Z",
        "%ff%fe",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("{:x}", random.random::<u64>()), "x".repeat(4_000)])
    .collect();
    let document: Value = serde_json::from_str(&gridpost(&["schema", "api"]).stdout).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, said) in methods.as_object().unwrap() {
            // Wrong tokens are slowed on purpose.
            if path.contains("/platform/") || path.ends_with("/reload") {
                continue;
            }
            let names = said["parameters"].as_array().unwrap();
            let query: Vec<&str> = names
                .iter()
                .filter(|one| one["in"] == "query")
                .filter_map(|one| one["name"].as_str())
                .collect();
            for text in &junk {
                let at = path
                    .split('/')
                    .map(|part| if part.starts_with('{') { text.as_str() } else { part })
                    .collect::<Vec<_>>()
                    .join("/");
                let asked = query.iter().map(|name| format!("{name}={text}")).collect::<Vec<_>>();
                let url = format!("{}{at}?{}", gateway.web, asked.join("&"));
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let mut request = http().request(method.clone(), &url).bearer_auth(&gateway.token);
                if said.get("requestBody").is_some() {
                    request = request
                        .header(header::CONTENT_TYPE, "application/json")
                        .body(text.replace('%', ""));
                }
                let sent = request.timeout(Duration::from_secs(20)).send().await;
                let got = sent.unwrap_or_else(|error| panic!("{method} {url}: {error}")).status();
                assert!(!got.is_server_error(), "seed {seed}: {method} {url}: {got}");
            }
        }
    }
    assert_eq!(gateway.get("/healthz").await.0, 200);
}

#[test]
fn commands_say_what_is_wrong_and_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gridpost.toml");
    std::fs::write(&file, Site::demo().text_to_run()).unwrap();
    let file = file.display().to_string();
    let said = |args: &[&str]| gridpost_with_input(&[&["user"], args].concat(), "");
    said(&["add", "-c", &file, "li", "--role", "king"]).must_say(2, ["expected officer, worker"]);
    said(&["add", "-c", &file, "li", "--role", "wall"]).must_say(2, ["expected officer, worker"]);
    said(&["add", "-c", &file, "li"]).must_say(2, ["--role"]);
    said(&["token", "add", "-c", &file, "x", "--scope", "all"]).must_say(2, ["expected read"]);
    said(&["token", "add", "-c", &file, "x", "--scope", "read", "--days", "0"])
        .must_say(2, ["1..=3650"]);
    said(&["init", "-c", &file]).must_say(1, ["no data folder is there yet"]);
}
