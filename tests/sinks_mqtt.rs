//! Brokers that are restarted, take and never acknowledge, go away in the middle, or ask for our certificate.

use serde_json::Value;

use crate::world::{
    Broker, Fault, Gateway, Listener, Mode, Receiver, certificates, press, wait_for,
};

fn section(id: &str, broker: &str, more: &str) -> String {
    format!(
        "\n[[sink]]\nid = \"{id}\"\nkind = \"mqtt\"\nbroker = \"{broker}\"\ntimeout_s = 1\n{more}"
    )
}

fn ids(listener: &Listener) -> Vec<String> {
    let events = listener.heard("gridpost/demo/incident/emergency-button");
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p7_a_broker_that_never_acknowledges_or_goes_away_is_told_and_has_it_once_mended() {
    let well = Receiver::start().await;
    let broker = Broker::start().await;
    let listener = Listener::start(broker.port, "gridpost/demo/#", &[]).await;
    let faults: Vec<_> = [
        ("takes-all", Mode::TakeAll, "no PUBACK within 1s"),
        ("hangs", Mode::Hang, "no connection within 1s"),
        ("closes", Mode::CloseLater, "closed"),
        ("refuses", Mode::Refuse, "refused"),
    ]
    .map(|(id, mode, why)| (id, Fault::start(mode, broker.port), why))
    .into();
    let mut config = format!(
        "[site]\nid = \"demo\"\n\n[[sink]]\nid = \"well\"\nkind = \"http\"\nurl = \"{}\"\n",
        well.url
    );
    for (id, fault, _) in &faults {
        config += &section(id, &format!("mqtt://127.0.0.1:{}", fault.port), "");
    }
    let gateway = Gateway::start(&config).await;
    assert!(press(gateway.intake.unwrap(), "b-1", "1"));
    let event = well.wait("the press", |data| data["kind"] == "emergency-button").await;
    let id = event["id"].as_str().unwrap();
    for (name, _, why) in &faults {
        let down = |data: &Value| data["kind"] == "sink-down" && data["sources"][0]["id"] == *name;
        let told = well.wait(&format!("the word on `{name}`"), down).await;
        let said = told["data"]["why"].as_str().unwrap().to_owned();
        println!("{name}: {said}");
        assert!(said.contains(why), "{name}: {said}");
    }
    assert!(ids(&listener).is_empty(), "nothing can have come through");
    for (_, fault, _) in &faults {
        fault.set(Mode::Pass);
    }
    wait_for("everything delivered", || async {
        let up = gateway.metric("gridpost_sink_up").await == faults.len() as f64 + 1.0;
        (up && gateway.metric("gridpost_pending_records").await == 0.0).then_some(())
    })
    .await;
    wait_for("the press from each sink", || async {
        (ids(&listener).iter().filter(|is| *is == id).count() >= faults.len()).then_some(())
    })
    .await;
    // At least once, always by the same id: one effect.
    assert!(ids(&listener).iter().all(|is| is.starts_with(id.split('.').next().unwrap())));
}

/// A restart between two events costs nothing: no failure is counted, the next event is there.
#[tokio::test(flavor = "multi_thread")]
async fn p2_a_broker_that_was_restarted_and_lost_its_session_has_the_next_event_at_once() {
    let mut broker = Broker::start().await;
    let config = format!(
        "[site]\nid = \"demo\"\n{}",
        section("district", &format!("mqtt://127.0.0.1:{}", broker.port), "")
    );
    let gateway = Gateway::start(&config).await;
    for round in 1..=3 {
        let listener = Listener::start(broker.port, "gridpost/demo/#", &[]).await;
        assert!(press(gateway.intake.unwrap(), &format!("b-{round}"), "1"));
        wait_for("the press", || async { (!ids(&listener).is_empty()).then_some(()) }).await;
        wait_for("its PUBACK", || async {
            (gateway.metric("gridpost_pending_records").await == 0.0).then_some(())
        })
        .await;
        broker.restart().await;
    }
    assert_eq!(gateway.metric("gridpost_delivery_failures_total").await, 0.0);
}

/// Mutual TLS at a sink and a source; the right certificate comes later, without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn p6_a_broker_that_asks_for_our_certificate_gets_it_once_the_files_are_there() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let at = folder.path().to_owned();
    let broker = Broker::start_with(&format!(
        "certfile {0}/cert.pem\nkeyfile {0}/key.pem\ncafile {0}/ca.pem\nrequire_certificate true\n",
        at.display()
    ))
    .await;
    let pem = |name: &str| at.join(name).display().to_string();
    let (ca, cert, key) = (pem("ca.pem"), pem("client.pem"), pem("client-key.pem"));
    let options = ["--cafile", &ca, "--cert", &cert, "--key", &key];
    let listener = Listener::start(broker.port, "gridpost/demo/#", &options).await;
    let url = format!("mqtts://localhost:{}", broker.port);
    let files =
        "ca_file = \"ca.pem\"\nclient_cert_file = \"our.pem\"\nclient_key_file = \"our-key.pem\"\n";
    let config = format!(
        "[site]\nid = \"demo\"\n{}\n[[mqtt]]\nid = \"devices\"\nurl = \"{url}\"\n{files}",
        section("district", &url, files)
    );
    let gateway = Gateway::start_in(folder, &config, &[]).await;
    assert!(press(gateway.intake.unwrap(), "b-1", "1"));
    wait_for("the sink to be down", || async {
        (gateway.metric("gridpost_sink_up").await == 0.0).then_some(())
    })
    .await;
    let (_, ready) = gateway.get("/readyz").await;
    assert!(ready.to_string().contains("our.pem: cannot be read"), "{ready}");
    assert!(ids(&listener).is_empty());
    std::fs::copy(at.join("client-key.pem"), at.join("our-key.pem")).unwrap();
    std::fs::copy(at.join("client.pem"), at.join("our.pem")).unwrap();
    wait_for("the press", || async { (!ids(&listener).is_empty()).then_some(()) }).await;
    // The source has connected too when a press of the broker is taken: ids differ, each is one.
    let mut tries = 0;
    wait_for("a press over the broker", || {
        tries += 1;
        let payload = format!(r#"{{"device":"b-2","event":"press","id":"{tries}"}}"#);
        listener.publish("gridpost/demo/button/b-2", &payload);
        let came = ids(&listener).len() > 1;
        async move { came.then_some(()) }
    })
    .await;
}
