//! Behind a reverse proxy: who is named may say who asks, and nobody else; throttle, audit, cookie, origin and open figures.

use reqwest::{Response, header};
use serde_json::json;

use crate::world::{Gateway, Site, gridpost_with_input, http, wait_for};

const PASSWORD: &str = "a long password";
const ONE: &str = "203.0.113.1";
const OTHER: &str = "203.0.113.2";

async fn gateway(named: bool) -> Gateway {
    let site = Site::demo().section("[web]");
    let site = if named { site.set("trusted_proxies", ["127.0.0.1", "10.0.0.0/8"]) } else { site };
    let gateway = Gateway::start(site).await;
    let file = gateway.file("gridpost.toml");
    let add = ["user", "add", "-c", &file, "li", "--role", "officer"];
    gridpost_with_input(&add, PASSWORD).must_say(0, ["li"]);
    gateway
}

/// A log-in as a proxy passes it on.
async fn log_in(
    gateway: &Gateway,
    password: &str,
    origin: &str,
    headers: &[(&str, &str)],
) -> Response {
    let request = http().post(format!("{}/api/v1/session", gateway.web));
    let request = request.header(header::ORIGIN, origin);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.json(&json!({ "name": "li", "password": password })).send().await.unwrap()
}

async fn tries(gateway: &Gateway, password: &str, from: &str) -> u16 {
    log_in(gateway, password, &gateway.web, &[("x-forwarded-for", from)]).await.status().as_u16()
}

/// So often that the next one of the same address waits for a good while.
async fn guess(gateway: &Gateway, from: &str) {
    for _ in 0..3 {
        wait_for("a wrong one that is looked at", || async {
            (tries(gateway, "wrong password", from).await == 401).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_address_behind_a_named_proxy_waits_for_itself_and_no_chain_hides_it() {
    let gateway = gateway(true).await;
    guess(&gateway, ONE).await;
    assert_eq!(tries(&gateway, PASSWORD, ONE).await, 429);
    // What he has written before is his own word: the proxy's is the last.
    for forged in
        ["203.0.113.2, 203.0.113.1", "127.0.0.1,203.0.113.1", "10.0.0.9 , 203.0.113.1, 10.0.0.1"]
    {
        assert_eq!(tries(&gateway, PASSWORD, forged).await, 429, "{forged}");
    }
    let by_forwarded = [("x-forwarded-for", ONE), ("forwarded", "for=203.0.113.2")];
    let answer = log_in(&gateway, PASSWORD, &gateway.web, &by_forwarded).await;
    assert_eq!(answer.status(), 429, "the other kind of header");
    assert_eq!(tries(&gateway, PASSWORD, OTHER).await, 200, "he guessed nothing");
    let written = gateway.journal();
    for from in [ONE, OTHER] {
        assert!(written.contains(&format!("\"from\":\"{from}\"")), "{from} is not in the journal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_says_who_he_is_nor_that_he_speaks_tls() {
    let gateway = gateway(false).await;
    guess(&gateway, ONE).await;
    assert_eq!(tries(&gateway, PASSWORD, OTHER).await, 429, "he is who he was");
    assert!(!gateway.journal().contains("203.0.113."));
    let answer = wait_for("his time is over", || async {
        let headers = [("x-forwarded-proto", "https"), ("x-forwarded-host", "room.example")];
        let answer = log_in(&gateway, PASSWORD, &gateway.web, &headers).await;
        (answer.status() == 200).then_some(answer)
    })
    .await;
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("gridpost=") && !cookie.contains("Secure"), "{cookie}");
    let host = [("x-forwarded-host", "room.example")];
    let foreign = log_in(&gateway, PASSWORD, "https://room.example", &host).await;
    assert_eq!(foreign.status(), 403, "a name that a stranger gave");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_bound_to_tls_where_a_named_proxy_speaks_it() {
    let gateway = gateway(true).await;
    let by_tls = [
        ("x-forwarded-for", ONE),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "room.example"),
    ];
    let plain = log_in(&gateway, PASSWORD, "http://room.example", &by_tls).await;
    assert_eq!(plain.status(), 403, "a page without TLS is somebody's on the way");
    let foreign = log_in(&gateway, PASSWORD, "https://evil.example", &by_tls).await;
    assert_eq!(foreign.status(), 403);
    let answer = log_in(&gateway, PASSWORD, "https://room.example", &by_tls).await;
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-gridpost=") && cookie.contains("; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let asks = async |headers: &[(&str, &str)]| {
        let request = http().get(format!("{}/api/v1/console", gateway.web));
        let request = request.header(header::COOKIE, cookie);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(asks(&by_tls).await, 200);
    assert_eq!(asks(&[("x-forwarded-proto", "http")]).await, 401, "it was made for TLS");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_on_loopback_is_not_open_to_who_comes_by_a_proxy() {
    for named in [true, false] {
        let gateway = gateway(named).await;
        let asks = async |path: &str, headers: &[(&str, &str)]| {
            let request = http().get(format!("{}{path}", gateway.web));
            let request = headers
                .iter()
                .fold(request, |request, (name, value)| request.header(*name, *value));
            request.send().await.unwrap()
        };
        for header in ["x-forwarded-for", "forwarded", "x-forwarded-proto"] {
            let answer = asks("/metrics", &[(header, "127.0.0.1")]).await;
            assert_eq!(answer.status(), 401, "{header} named: {named}");
            let ready = asks("/readyz", &[(header, "127.0.0.1")]).await.text().await.unwrap();
            assert!(!ready.contains("reasons"), "{header}: {ready}");
        }
        if !named {
            assert_eq!(asks("/metrics", &[]).await.status(), 200, "from this machine itself");
        }
    }
}
