//! A dead gateway is heard: heartbeats at HTTP and MQTT sinks, and a last will at the broker.

use serde_json::Value;

use crate::world::{Broker, Gateway, Listener, Receiver, Site, wait_for};

fn with_heartbeats(broker: &Broker, receiver: &Receiver, heartbeat_s: u64) -> Site {
    let site = Site::demo().set("heartbeat_s", heartbeat_s);
    site.http(receiver).mqtt_sink("district", broker)
}

/// The last word of the broker on us.
async fn status(listener: &Listener, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || {
        let last = listener.heard("gridpost/demo/status").pop().filter(|last| wanted(last));
        async move { last }
    })
    .await
}

/// `n` heartbeats, as they come.
async fn beats(heard: impl Fn() -> Vec<Value>, n: usize) -> Vec<Value> {
    wait_for("heartbeats", || {
        let beats = heard();
        async move { (beats.len() >= n).then_some(beats) }
    })
    .await
}

fn check(beats: &[Value]) {
    for (index, beat) in beats.iter().enumerate() {
        let data = &beat["data"];
        assert_eq!(beat["type"], "io.gridpost.heartbeat.v1");
        assert_eq!(beat["source"], "urn:gridpost:demo");
        let id = format!("{}.{}", data["run"].as_str().unwrap(), data["seq"]);
        assert_eq!(beat["id"], id.as_str());
        let (first, run) = (&beats[0]["data"]["seq"], &beats[0]["data"]["run"]);
        assert_eq!(data["seq"].as_u64().unwrap(), first.as_u64().unwrap() + index as u64);
        assert_eq!(data["run"], *run);
        for sums in data["ledger"].as_object().unwrap().values() {
            let sum = |name: &str| sums[name].as_u64().unwrap();
            let parts = ["delivered", "pending", "dead", "shed", "superseded", "lost"].map(sum);
            assert_eq!(sum("accepted"), parts.iter().sum::<u64>(), "{sums}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_is_offline_at_the_broker_and_its_heartbeats_end() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let listener = Listener::start(broker.port, "gridpost/demo/#", &[]).await;
    let gateway = Gateway::start(&with_heartbeats(&broker, &receiver, 1)).await;
    let online = status(&listener, "online", |said| said["online"] == true).await;
    gateway.press("b-1", "1");
    let posted = beats(|| receiver.heartbeats(), 3).await;
    let published = beats(|| listener.heard("gridpost/demo/heartbeat"), 3).await;
    check(&posted);
    check(&published);
    assert_eq!(posted[0]["data"]["seq"], 1);
    assert_eq!(posted[0]["data"]["run"], online["run"]);
    assert_eq!(posted[2]["data"]["ledger"]["grid"]["delivered"], 1, "{}", posted[2]);
    assert_eq!(posted[2]["data"]["faults"], serde_json::json!([]));
    assert_eq!(receiver.events().len(), 1, "a heartbeat is no incident");
    assert_eq!(gateway.metric("gridpost_pending_records").await, 0.0, "nor is it in the ledger");

    let folder = gateway.kill().await;
    let offline = status(&listener, "the last will", |said| said["online"] == false).await;
    assert_eq!(offline["reason"], "the connection broke without a goodbye");
    assert_eq!(offline["run"], online["run"]);

    // Who comes later sees it too: it is retained. And another run is another.
    let late = Listener::start(broker.port, "gridpost/demo/#", &[]).await;
    status(&late, "the retained last will", |said| said["online"] == false).await;
    let mut gateway = Gateway::start_in(folder, &with_heartbeats(&broker, &receiver, 1), &[]).await;
    let again = status(&late, "online again", |said| said["online"] == true).await;
    assert_ne!(again["run"], online["run"]);
    gateway.stop().await;
    let stopped = status(&late, "the goodbye", |said| said["online"] == false).await;
    assert_eq!(stopped["reason"], "stopped");
    assert_eq!(stopped["run"], again["run"]);
}

/// What is wrong is in the heartbeat, one that cannot be sent is dropped and counted, and the
/// presence comes back with the broker.
#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_tell_faults_and_are_dropped_while_the_broker_is_away() {
    let mut broker = Broker::start().await;
    let receiver = Receiver::start().await;
    broker.stop();
    let gateway = Gateway::start(&with_heartbeats(&broker, &receiver, 1)).await;
    gateway.press("b-1", "1");
    let faulty = wait_for("a heartbeat with a fault", || {
        let with_fault = |beat: &Value| beat["data"]["faults"][0].is_string();
        let found = receiver.heartbeats().into_iter().find(with_fault);
        async move { found }
    })
    .await;
    let fault = faulty["data"]["faults"][0].as_str().unwrap();
    assert!(fault.starts_with("sink district: "), "{fault}");
    assert!(faulty["data"]["ledger"]["district"]["pending"].as_u64() > Some(0), "{faulty}");
    gateway.metric_is("gridpost_heartbeat_failures_total", |dropped| dropped >= 2.0).await;
    broker.restart().await;
    let listener = Listener::start(broker.port, "gridpost/demo/#", &[]).await;
    status(&listener, "online", |said| said["online"] == true).await;
    let published = beats(|| listener.heard("gridpost/demo/heartbeat"), 2).await;
    check(&published);
    assert!(published[0]["data"]["seq"].as_u64() > Some(1), "the dropped ones are a gap");
    check(&receiver.heartbeats());
}

/// 0 sends none; the presence at the broker stays.
#[tokio::test(flavor = "multi_thread")]
async fn without_heartbeats_the_last_will_is_there_still() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let listener = Listener::start(broker.port, "gridpost/demo/#", &[]).await;
    let gateway = Gateway::start(&with_heartbeats(&broker, &receiver, 0)).await;
    status(&listener, "online", |said| said["online"] == true).await;
    drop(gateway);
    status(&listener, "the last will", |said| said["online"] == false).await;
    assert!(listener.heard("gridpost/demo/heartbeat").is_empty());
}

/// One run with one count: another interval and another zone take hold, a sink that leaves is
/// told offline, one that comes back is online, and no heartbeat is sent twice.
#[tokio::test(flavor = "multi_thread")]
async fn reload_takes_presence_along_with_its_sink() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let listener = Listener::start(broker.port, "gridpost/demo/#", &[]).await;
    let mut gateway = Gateway::start(&with_heartbeats(&broker, &receiver, 3600)).await;
    let online = status(&listener, "online", |said| said["online"] == true).await;
    let published = || listener.heard("gridpost/demo/heartbeat");
    let both = with_heartbeats(&broker, &receiver, 1);
    gateway.reload_to(&both).await;
    let first = beats(|| receiver.heartbeats(), 2).await;
    assert_eq!(first[0]["data"]["seq"], 1, "an hour's interval has none yet");
    beats(published, 2).await;

    gateway.reload_to(both.clone().without("[[sink]]", "district")).await;
    let offline = status(&listener, "the goodbye", |said| said["online"] == false).await;
    let why = offline["reason"].as_str().unwrap();
    assert!(why.starts_with("removed from the configuration"), "{why}");
    assert_eq!(offline["run"], online["run"]);
    let (there, gone) = (receiver.heartbeats().len(), published().len());
    beats(|| receiver.heartbeats(), there + 2).await;
    assert_eq!(published().len(), gone, "a removed sink still gets heartbeats");
    let up = |sink: &str| format!("gridpost_sink_up{{sink=\"{sink}\"}}");
    assert_eq!(gateway.figure(&up("grid")).await, Some(1.0));
    assert_eq!(gateway.figure(&up("district")).await, None);

    gateway.reload_to(&both).await;
    let again = status(&listener, "online again", |said| said["online"] == true).await;
    assert_eq!(again["run"], online["run"], "a reload is no new run");
    beats(published, gone + 1).await;

    gateway.reload_to(both.section("[site]").set("timezone", "UTC")).await;
    let at_utc = |beat: &Value| beat["data"]["at"].as_str().unwrap().ends_with("+00:00");
    let beat = wait_for("a heartbeat in the new zone", || {
        let found = published().into_iter().find(at_utc);
        async move { found }
    })
    .await;
    assert_eq!(beat["data"]["run"], online["run"]);
    for heard in [published(), receiver.heartbeats()] {
        let seqs: Vec<u64> = heard.iter().map(|b| b["data"]["seq"].as_u64().unwrap()).collect();
        assert!(seqs.windows(2).all(|two| two[0] < two[1]), "said twice: {seqs:?}");
    }
    // A presence that is made anew while there are no heartbeats has missed none.
    let failures = || gateway.metric("gridpost_heartbeat_failures_total");
    let online =
        || listener.heard("gridpost/demo/status").iter().filter(|s| s["online"] == true).count();
    let (missed, said) = (failures().await, online());
    gateway.reload_to(&with_heartbeats(&broker, &receiver, 0)).await;
    wait_for("online once more", || async { (online() > said).then_some(()) }).await;
    assert_eq!(failures().await, missed);
    assert!(gateway.stop().await.success());
    let stopped = status(&listener, "the goodbye", |said| said["reason"] == "stopped").await;
    assert_eq!(stopped["online"], false);
}
