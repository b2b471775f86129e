//! P4 and the commands of the store on a running gateway: a loss is told, dead letters go again, a backup lives on elsewhere.

use serde_json::Value;

use crate::world::{Gateway, Receiver, Site, gridpost, publish, wait_for};

/// A press with a battery that is nearly empty: an emergency, and a notice of its own.
fn weak_press(gateway: &Gateway, device: &str) {
    let payload = format!(r#"{{"device":"{device}","event":"press","id":"w","battery":3}}"#);
    publish(gateway.intake.unwrap(), "x", payload);
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_what_was_refused_is_told_listed_and_can_be_sent_again() {
    let receiver = Receiver::start().await;
    receiver.answer(|event| if event["data"]["kind"] == "device-battery" { 422 } else { 200 });
    let gateway = Gateway::start(&Site::demo().http(&receiver)).await;
    weak_press(&gateway, "btn-1");
    let loss = receiver.wait("the loss", |data| data["kind"] == "loss").await;
    assert_eq!(loss["data"]["severity"], 2);
    assert_eq!(loss["data"]["detail"]["dead_lettered"], 1);
    assert_eq!(loss["data"]["sources"][0]["id"], "grid");
    assert!(loss["data"]["why"].as_str().unwrap().contains("store list"), "{loss}");
    let listed = gateway.store(&["list"]);
    assert!(listed.contains("grid notice device-battery") && listed.contains("422"), "{listed}");
    assert!(gateway.store(&["ledger"]).contains("dead-lettered 1"));
    // By the configuration too, as every other command; one of the two is needed.
    let by_config = gridpost(&["store", "list", "-c", &gateway.file("gridpost.toml")]);
    assert_eq!((by_config.code, by_config.stdout), (0, listed));
    assert_eq!(gridpost(&["store", "list"]).code, 2);
    let text = gateway.metrics().await;
    let dead = r#"gridpost_ledger_records{sink="grid",kind="device-battery",state="dead"} 1"#;
    assert!(text.contains(dead), "{text}");

    receiver.answer(|_| 200);
    assert!(gateway.store(&["retry", "--sink", "other"]).contains("0 will be sent"));
    assert!(gateway.store(&["retry", "--sink", "grid"]).contains("1 will be sent again"));
    receiver.wait("the notice", |data| data["kind"] == "device-battery").await;
    wait_for("the ledger to say so", || {
        let ledger = gateway.store(&["ledger"]);
        let done = !ledger.contains("dead-lettered 1") && ledger.contains("the sums hold");
        async move { done.then_some(()) }
    })
    .await;
    assert!(gateway.store(&["list"]).contains("none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_loss_just_before_a_kill_is_told_after_it() {
    let receiver = Receiver::start().await;
    receiver.answer(|event| match event["data"]["kind"].as_str() {
        Some("device-battery") => 422,
        // The word of it does not get through before the end.
        Some("loss") => 503,
        _ => 200,
    });
    let gateway = Gateway::start(&Site::demo().http(&receiver)).await;
    weak_press(&gateway, "btn-1");
    wait_for("the dead letter", || {
        let there = gateway.store(&["ledger"]).contains("dead-lettered 1");
        async move { there.then_some(()) }
    })
    .await;
    let folder = gateway.kill().await;
    receiver.answer(|_| 200);
    let _gateway = Gateway::start_in(folder, &Site::demo().http(&receiver), &[]).await;
    let loss = receiver.wait("the loss", |data| data["kind"] == "loss").await;
    assert_eq!(loss["data"]["detail"]["dead_lettered"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_restored_backup_goes_on_and_sends_nothing_twice_in_effect() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&Site::demo().http(&receiver)).await;
    gateway.press("btn-1", "1");
    receiver.wait("the press", |data| data["kind"] == "emergency-button").await;
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("copy").display().to_string();
    assert!(gateway.store(&["backup", "--to", &copy]).contains("sound"));
    // The first box goes on after its backup, and then it burns.
    gateway.press("btn-1", "2");
    receiver.wait("the second press", |data| data["detail"]["presses"] == 2).await;
    drop(gateway.kill().await);

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let restored = gridpost(&["store", "restore", "--from", &copy, "--data", &data]);
    assert_eq!(restored.code, 0, "{}{}", restored.stdout, restored.stderr);
    let gateway = Gateway::start_in(folder, &Site::demo().http(&receiver), &[]).await;
    // The same press again, as a button that got no answer sends it: nothing new.
    gateway.press("btn-1", "1");
    gateway.press("btn-1", "3");
    let far = |data: &Value| data["revision"].as_u64() > Some(1000);
    let event = receiver.wait("the press at the second box", far).await;
    assert_eq!(event["data"]["detail"]["presses"], 2, "one from the backup, one new");
    let presses = receiver.state().into_values().filter(|data| data["kind"] == "emergency-button");
    assert_eq!(presses.count(), 1, "one incident goes on");
    let events = receiver.events();
    let mut ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id was used for two records");
    drop(gateway);
}
