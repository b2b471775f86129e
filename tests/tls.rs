//! TLS with certificates of our own: the intake, the web, and a broker that devices report to.

use std::fs;

use crate::world::{
    Broker, Gateway, Message, Receiver, Site, certificates, check_in, http, wait_for,
};

#[tokio::test(flavor = "multi_thread")]
async fn intake_and_web_speak_tls_and_refuse_plain() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let ca = folder.path().join("ca.pem");
    let receiver = Receiver::start().await;
    let mut site = Site::demo().http(&receiver);
    for listener in ["[web]", "[intake]"] {
        site = site.section(listener);
        site = site.set("tls_cert_file", "cert.pem").set("tls_key_file", "key.pem");
    }
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    let port = gateway.intake.unwrap();
    assert!(Message::press(port, "b-1", "1").trusting(&ca.to_string_lossy()).send());
    receiver.wait("the press", |data| data["sources"][0]["id"] == "b-1").await;
    assert!(!Message::press(port, "b-2", "1").send(), "plain MQTT is refused");

    let web = gateway.web.replace("http://127.0.0.1", "https://localhost");
    let trusted = reqwest::Certificate::from_pem(&fs::read(&ca).unwrap()).unwrap();
    let _ = http();
    let client =
        reqwest::Client::builder().no_proxy().add_root_certificate(trusted).build().unwrap();
    let answer = client
        .get(format!("{web}/api/v1/incidents"))
        .bearer_auth(&gateway.token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let plain = http().get(format!("{}/healthz", gateway.web)).send().await;
    assert!(plain.is_err(), "plain HTTP is refused");
    assert!(http().get(format!("{web}/healthz")).send().await.is_err(), "an unknown authority");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_over_tls_and_one_with_the_wrong_authority() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let other = tempfile::tempdir().unwrap();
    certificates(other.path());
    let at = folder.path().display();
    let broker =
        Broker::start_with(&format!("certfile {at}/cert.pem\nkeyfile {at}/key.pem\n")).await;
    let url = format!("mqtts://localhost:{}", broker.port);
    let receiver = Receiver::start().await;
    // Without a file, the web's own authorities count; none of them signed this one.
    let site = Site::demo()
        .http(&receiver)
        .mqtt_source("district", &url)
        .set("ca_file", folder.path().join("ca.pem"))
        .mqtt_source("stranger", &url)
        .set("ca_file", other.path().join("ca.pem"))
        .mqtt_source("public", &url);
    let gateway = Gateway::start(&site).await;
    let ca = folder.path().join("ca.pem");
    // The subscription is there when a press comes through; ids differ, so each try is a press.
    let mut tries = 0;
    wait_for("a press over TLS", || {
        tries += 1;
        let press = Message::press(broker.port, "b-1", &tries.to_string());
        assert!(press.trusting(&ca.to_string_lossy()).send());
        let came = !receiver.events().is_empty();
        async move { came.then_some(()) }
    })
    .await;
    wait_for("the word on the wrong authorities", || {
        let log = gateway.log();
        let told = |id: &str| {
            log.lines().any(|line| line.contains(id) && line.contains("invalid peer certificate"))
        };
        let both = told("stranger") && told("public");
        async move { both.then_some(()) }
    })
    .await;
}

/// A grid platform with a certificate of its own authority: the sink that knows it delivers, the
/// one that does not is down, and says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_platform_over_tls_with_its_own_authority() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let receiver = Receiver::start_tls(folder.path()).await;
    let site = Site::demo()
        .http_sink("knows", &receiver.url)
        .set("ca_file", folder.path().join("ca.pem"))
        .http_sink("stranger", &receiver.url);
    let gateway = Gateway::start(&site).await;
    gateway.press("b-1", "1");
    receiver.wait("the press", |data| data["sources"][0]["id"] == "b-1").await;
    let down = |data: &serde_json::Value| {
        data["kind"] == "sink-down" && data["why"].as_str().unwrap().contains("certificate")
    };
    let down = receiver.wait("the word on the stranger", down).await;
    assert_eq!(down["data"]["sources"][0]["id"], "stranger");
}

#[test]
fn half_a_pair_and_a_file_without_a_certificate_are_named_by_check() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let intake = |cert: &str| {
        let site = Site::demo().section("[intake]").set("allow_anonymous", true);
        site.set("tls_cert_file", cert)
    };
    let check = |site: &Site| check_in(folder.path(), &site.text());
    check(&intake("cert.pem")).must_say(2, ["tls_cert_file needs tls_key_file too"]);
    let none = intake("key.pem").set("tls_key_file", "key.pem");
    check(&none).must_say(2, ["key.pem: no certificate in it"]);
    let both = check(&intake("cert.pem").set("tls_key_file", "key.pem"));
    assert_eq!(both.code, 0, "{}", both.said());
}
