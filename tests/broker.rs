//! A real mosquitto between devices, gateway and grid: nothing is lost while one of them is away.

use crate::world::{Broker, Gateway, Listener, Receiver, Site, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn p1_presses_of_a_broker_come_through_also_those_made_while_we_were_down() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let site = Site::demo().mqtt_source("district", &broker).http(&receiver);
    // Retained and old: recorded, alarms nobody.
    broker.retain(
        "gridpost/demo/button/old",
        r#"{"event":"press","id":"1","at":"2020-01-01T00:00:00Z"}"#,
    );
    let gateway = Gateway::start(&site).await;
    gateway.metric_is("gridpost_signals_accepted_total", |taken| taken >= 1.0).await;
    broker.publish("gridpost/demo/button/b1", r#"{"event":"press","id":"1"}"#);
    receiver.wait("b1", |data| data["sources"][0]["id"] == "b1").await;
    let folder = gateway.kill().await;
    broker.publish("gridpost/demo/button/b2", r#"{"event":"press","id":"1"}"#);
    let _gateway = Gateway::start_in(folder, &site, &[]).await;
    receiver.wait("b2", |data| data["sources"][0]["id"] == "b2").await;
    assert_eq!(receiver.state().len(), 2, "the stale one alarmed: {:#?}", receiver.state());
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_the_mqtt_sink_waits_for_its_puback_over_a_broker_that_is_away() {
    let mut broker = Broker::start().await;
    broker.stop();
    let gateway = Gateway::start(&Site::demo().mqtt_sink("district", &broker)).await;
    gateway.press("b3", "1");
    gateway.metric_is("gridpost_delivery_failures_total", |failures| failures >= 1.0).await;
    assert_eq!(gateway.metric("gridpost_delivered_total").await, 0.0);
    broker.restart().await;
    let topic = "gridpost/demo/incident/emergency-button";
    let grid = Listener::start(broker.port, topic, &[]).await;
    // If the first record went out before the grid listened, the next press tells as well.
    for id in 2..10 {
        gateway.press("b3", &id.to_string());
    }
    let event = wait_for("the press at the grid", || {
        let first = grid.heard(topic).into_iter().next();
        async move { first }
    })
    .await;
    assert_eq!(event["data"]["sources"][0]["id"], "b3");
    gateway.nothing_is_pending().await;
}
