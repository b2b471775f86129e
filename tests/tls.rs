//! TLS with certificates of our own: the intake, the web, and a broker that devices report to.

use std::{fs, path::Path, process::Command};

use crate::world::{Broker, Gateway, Receiver, certificates, gridpost, http, wait_for};

fn config(receiver: &Receiver, more: &str) -> String {
    format!(
        "[site]\nid = \"demo\"\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n{more}",
        receiver.url
    )
}

/// A press by mosquitto_pub with these options; whether it was acknowledged.
fn publish(port: u16, id: &str, options: &[&str]) -> bool {
    let payload = format!("{{\"device\":\"b-{id}\",\"event\":\"press\",\"id\":\"{id}\"}}");
    let port = port.to_string();
    Command::new("mosquitto_pub")
        .args(["-h", "localhost", "-p", &port, "-q", "1", "-t", "gridpost/demo/button/b"])
        .args(["-m", &payload])
        .args(options)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap()
        .success()
}

#[tokio::test(flavor = "multi_thread")]
async fn intake_and_web_speak_tls_and_refuse_plain() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let ca = folder.path().join("ca.pem");
    let receiver = Receiver::start().await;
    let tls = "tls_cert_file = \"cert.pem\"\ntls_key_file = \"key.pem\"\n";
    let gateway = Gateway::start_with(folder, &config(&receiver, ""), &[], tls).await;
    let port = gateway.intake.unwrap();
    assert!(publish(port, "1", &["--cafile", &ca.to_string_lossy()]));
    receiver.wait("the press", |data| data["sources"][0]["id"] == "b-1").await;
    assert!(!publish(port, "2", &[]), "plain MQTT is refused");

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
    let section = |id: &str, ca: Option<&Path>| {
        let url = format!("url = \"mqtts://localhost:{}\"", broker.port);
        let ca = ca.map(|ca| format!("ca_file = \"{}\"\n", ca.join("ca.pem").display()));
        format!("\n[[mqtt]]\nid = \"{id}\"\n{url}\n{}", ca.unwrap_or_default())
    };
    let receiver = Receiver::start().await;
    // Without a file, the web's own authorities count; none of them signed this one.
    let all = section("district", Some(folder.path()))
        + &section("stranger", Some(other.path()))
        + &section("public", None);
    let gateway = Gateway::start(&config(&receiver, &all)).await;
    let ca = folder.path().join("ca.pem");
    // The subscription is there when a press comes through; ids differ, so each try is a press.
    let mut tries = 0;
    wait_for("a press over TLS", || {
        tries += 1;
        assert!(publish(broker.port, &tries.to_string(), &["--cafile", &ca.to_string_lossy()]));
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
    let ca = folder.path().join("ca.pem");
    let sink = |id: &str, more: &str| {
        let url = &receiver.url;
        format!("\n[[sink]]\nid = \"{id}\"\nkind = \"http\"\nurl = \"{url}\"\n{more}")
    };
    let known = sink("knows", &format!("ca_file = \"{}\"\n", ca.display()));
    let text = format!("[site]\nid = \"demo\"\n{known}{}", sink("stranger", ""));
    let gateway = Gateway::start(&text).await;
    assert!(publish(gateway.intake.unwrap(), "1", &[]));
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
    let file = folder.path().join("gridpost.toml");
    let check = |tls: &str| {
        fs::write(&file, format!("[site]\nid = \"a\"\n\n[intake]\nallow_anonymous = true\n{tls}"))
            .unwrap();
        let output = gridpost(&["check", "-c", &file.to_string_lossy()]);
        (output.code, output.stdout + &output.stderr)
    };
    let (code, said) = check("tls_cert_file = \"cert.pem\"\n");
    assert!(code == 2 && said.contains("tls_cert_file needs tls_key_file too"), "{said}");
    let (code, said) = check("tls_cert_file = \"key.pem\"\ntls_key_file = \"key.pem\"\n");
    assert!(code == 2 && said.contains("key.pem: no certificate in it"), "{said}");
    let (code, said) = check("tls_cert_file = \"cert.pem\"\ntls_key_file = \"key.pem\"\n");
    assert_eq!(code, 0, "{said}");
}
