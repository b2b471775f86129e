//! Brokers that are restarted, take and never acknowledge, go away in the middle, or ask for our certificate.

use serde_json::Value;

use crate::world::{
    Broker, Fault, Gateway, Listener, Mode, Receiver, Site, certificates, is_of, wait_for,
};

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
    let mut site = Site::demo().http_sink("well", &well.url);
    for (id, fault, _) in &faults {
        site = site.mqtt_sink(id, fault.port).set("timeout_s", 1);
    }
    let gateway = Gateway::start(&site).await;
    gateway.press("b-1", "1");
    let event = well.wait("the press", |data| data["kind"] == "emergency-button").await;
    let id = event["id"].as_str().unwrap();
    for (name, _, why) in &faults {
        let down = |data: &Value| is_of(data, "sink-down", name);
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
    let site = Site::demo().mqtt_sink("district", &broker).set("timeout_s", 1);
    let gateway = Gateway::start(&site).await;
    for round in 1..=3 {
        let listener = Listener::start(broker.port, "gridpost/demo/#", &[]).await;
        gateway.press(&format!("b-{round}"), "1");
        wait_for("the press", || async { (!ids(&listener).is_empty()).then_some(()) }).await;
        // Its PUBACK.
        gateway.nothing_is_pending().await;
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
    let with_files = |site: Site| {
        site.set("ca_file", "ca.pem")
            .set("client_cert_file", "our.pem")
            .set("client_key_file", "our-key.pem")
    };
    let site = with_files(Site::demo().mqtt_sink("district", &url).set("timeout_s", 1));
    let site = with_files(site.mqtt_source("devices", &url));
    let gateway = Gateway::start_in(folder, &site, &[]).await;
    gateway.press("b-1", "1");
    gateway.metric_is("gridpost_sink_up", |up| up == 0.0).await;
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
