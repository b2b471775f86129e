//! Who may say what: a press in another's name calls and takes nothing of theirs; strangers come beside buttons, not before.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use crate::world::{Broker, Button, Gateway, Receiver, Site, is_of, wait_for};

/// Two buttons, each bound to its user, one by the file and one by its line; and a desk that may do more.
fn two_buttons(receiver: &Receiver) -> Site {
    Site::demo()
        .section("[intake]")
        .set("allow_anonymous", false)
        .set("users_file", "users")
        .button("btn-a")
        .set("contact", "138-a")
        .button("btn-b")
        .set("contact", "138-b")
        .set("user", "btn-b")
        .http(receiver)
}

const USERS: &str =
    "btn-a:pa\nbtn-b:pb\nduty:pd\n@btn-a speaks-for btn-a\n@duty may cancel, reply, posture\n";

async fn start(site: &Site, users: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users"), users).unwrap();
    Gateway::start_in(folder, site, &[]).await
}

/// What a device on no list calls itself stands in what people read: nothing of it is hidden there, turns it
/// round, or makes a second line of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_stranger_is_seen_for_what_it_is() {
    const NAME: &str = "b1\u{202e}gnp\u{200b}\u{2028}x";
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(&Site::demo().http(&receiver)).await;
    gateway.press(NAME, "1");
    let event = receiver.wait("the press", |data| data["what"] == "opened").await;
    let data = &event["data"];
    assert_eq!(data["sources"][0]["id"], NAME, "who it is, for machines");
    let texts =
        [&data["title"]["zh"], &data["title"]["en"], &data["why"], &data["sources"][0]["name"]];
    for text in texts.map(|text| text.as_str().unwrap()) {
        let shown = "b1⟨U+202E⟩gnp⟨U+200B⟩⟨U+2028⟩x";
        assert!(text.contains(shown), "{text:?}");
    }
    let log = gateway.log();
    assert!(!log.contains(['\u{202e}', '\u{200b}', '\u{2028}']), "{log:?}");
}

fn of(receiver: &Receiver, source: &str) -> Vec<Value> {
    let state = receiver.state().into_values();
    state.filter(|data| is_of(data, "emergency-button", source)).collect()
}

async fn count_is(receiver: &Receiver, source: &str, count: u64) -> Value {
    let wanted = |data: &Value| {
        is_of(data, "emergency-button", source) && data["detail"]["presses"] == count
    };
    receiver.wait(&format!("press {count} of {source}"), wanted).await["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_a_user_who_presses_for_another_calls_and_touches_nothing_of_his() {
    let receiver = Receiver::start().await;
    let gateway = start(&two_buttons(&receiver), USERS).await;
    let port = gateway.intake.unwrap();
    let mut a = Button::with_password("x", port, "btn-a", "pa");
    let mut b = Button::with_password("y", port, "btn-b", "pb");
    let mut duty = Button::with_password("z", port, "duty", "pd");
    b.press("btn-b", 1).await;
    let call = count_is(&receiver, "btn-b", 1).await;
    // What it says of another is acknowledged, kept, and has no effect: a call taken back, a try, a
    // low battery; and so are a reply and an order.
    for event in ["cancel", "test", "battery-low", "tamper"] {
        a.say("btn-b", &format!(r#"{{"device":"btn-b","event":"{event}"}}"#)).await;
    }
    let dismissed = json!({"incident": call["incident"], "to": "dismissed", "by": "李", "reason": "false-alarm"});
    a.say_on("gridpost/demo/reply", &dismissed.to_string()).await;
    let order = json!({"posture": "flood", "to": "on", "by": "李"}).to_string();
    a.say_on("gridpost/demo/posture", &order).await;
    // Nor may it take back its own: whoever holds it may be whom she fears.
    a.say("btn-a", r#"{"event":"cancel"}"#).await;
    gateway.readiness(200, "intake, said without the right to: 7 messages").await;
    let kept = gateway.store(&["list", "--quarantine"]);
    for part in ["may not speak for btn-b", "answer cases (reply)", "order postures", "(cancel)"] {
        assert!(kept.contains(part), "{part} not in {kept}");
    }
    // It presses as the other, and uses up what would be the other's next ids.
    for id in 2..6 {
        a.press("btn-b", id).await;
    }
    let claimed = count_is(&receiver, "intake/btn-a/btn-b", 4).await;
    assert_eq!((&claimed["severity"], &claimed["detail"]["claims"]), (&json!(1), &json!("btn-b")));
    assert_eq!(claimed["detail"]["contact"], "138-a", "whom to call is the sender");
    assert_eq!(claimed["detail"]["speaks_for"], json!(["btn-a"]));
    // The real one with one of those ids is a press of its own, and its case stands.
    b.press("btn-b", 3).await;
    let second = count_is(&receiver, "btn-b", 2).await;
    assert_eq!((&second["stage"], &second["active"]), (&json!("opened"), &json!(true)));
    assert!(of(&receiver, "btn-a").is_empty());
    assert!(receiver.state().values().all(|one| one["kind"] == "emergency-button"));
    // Whoever is marked may.
    duty.say("btn-b", r#"{"event":"cancel"}"#).await;
    let over = |data: &Value| is_of(data, "emergency-button", "btn-b") && data["active"] == false;
    receiver.wait("that it was taken back", over).await;
    duty.say_on("gridpost/demo/reply", &dismissed.to_string()).await;
    let closed = |data: &Value| over(data) && data["stage"] == "dismissed";
    receiver.wait("that it is dismissed", closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_broker_a_buttons_own_topic_speaks_for_it_and_a_hubs_for_all() {
    let broker = Broker::start().await;
    let receiver = Receiver::start().await;
    let site = Site::demo().button("btn-a").button("btn-b").mqtt_source("radio", &broker);
    let gateway = Gateway::start(&site.http(&receiver)).await;
    gateway.metric_is("gridpost_signals_accepted_total", |taken| taken >= 1.0).await;
    let press =
        |device: &str, id: u8| format!(r#"{{"device":"{device}","event":"press","id":"{id}"}}"#);
    broker.publish("gridpost/demo/button/hub", press("btn-b", 1));
    count_is(&receiver, "btn-b", 1).await;
    broker.publish("gridpost/demo/button/btn-a", press("btn-b", 2));
    let claimed = count_is(&receiver, "broker/radio/btn-a/btn-b", 1).await;
    assert_eq!(claimed["detail"]["claims"], "btn-b");
    broker.publish("gridpost/demo/button/btn-a", r#"{"device":"btn-b","event":"cancel"}"#);
    // A name that nobody has listed is none of somebody else: it is the topic's button.
    broker.publish("gridpost/demo/button/btn-a", press("its-own-number", 3));
    count_is(&receiver, "btn-a", 1).await;
    broker.publish("gridpost/demo/button/btn-b", press("btn-b", 2));
    let second = count_is(&receiver, "btn-b", 2).await;
    assert_eq!(second["active"], true);
    gateway.readiness(200, "broker radio, said in another's name: 2 messages").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_bound_button_gives_a_stranger_no_place() {
    let mut site = Site::demo()
        .section("[intake]")
        .set("allow_anonymous", true)
        .set("users_file", "users")
        .set("connections_max", 20);
    let mut users = String::new();
    for n in 0..40 {
        site = site.button(&format!("btn-{n}")).set("user", format!("user-{n}"));
        users += &format!("user-{n}:p\n");
    }
    let gateway = start(&site, &users).await;
    gateway.readiness(200, "intake, open: allow_anonymous").await;
    let port = gateway.intake.unwrap();
    let mut strangers = Vec::new();
    for n in 0..30 {
        let mut stranger = Button::new(&format!("btn-{n}"), port);
        assert!(stranger.is_let_in().await);
        // Nor does a press in its name; it may be sent away before its answer.
        let _ = stranger.attempt(&format!("btn-{n}"), r#"{"event":"press"}"#).await;
        strangers.push(stranger);
    }
    let mut real = Vec::new();
    for n in 0..15 {
        let mut one = Button::with_password(&format!("x-{n}"), port, &format!("user-{n}"), "p");
        assert!(one.is_let_in().await, "user-{n}");
        real.push(one);
    }
    real[0].press("btn-0", 1).await;
    assert_eq!(real[0].connects, 0, "nobody has taken its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn invented_buttons_are_acknowledged_counted_and_one_incident_beyond_two_hundred() {
    let receiver = Receiver::start().await;
    let site = Site::demo().button("btn-a").http(&receiver);
    let mut gateway = Gateway::start(&site).await;
    let mut mad = Button::new("mad", gateway.intake.unwrap());
    for n in 0..330 {
        mad.press(&format!("made-up-{n}"), n).await;
    }
    mad.press("btn-a", 1).await;
    count_is(&receiver, "btn-a", 1).await;
    let joint =
        receiver.wait("the joint one", |data| is_of(data, "emergency-button", "unlisted-devices"));
    assert_eq!(joint.await["data"]["severity"], 1);
    let all = || async { (receiver.state().len() == 202).then_some(()) };
    wait_for("200, the joint one and the button", all).await;
    // All are on disk, each with its name.
    assert_eq!(of(&receiver, "made-up-199").len(), 1);
    assert!(of(&receiver, "made-up-200").is_empty());
    let accepted = gateway.metric("gridpost_signals_accepted_total").await;
    assert!(accepted >= 331.0, "{accepted}");
    gateway.must_stop_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_listed_button_does_not_wait_for_two_hundred_invented_ones_at_a_slow_receiver() {
    let receiver = Receiver::start().await;
    let all_pressed = Arc::new(AtomicBool::new(false));
    let goes_on = all_pressed.clone();
    // It answers nobody before all have pressed: they wait in the lane together.
    receiver.answer(move |_| if goes_on.load(Ordering::SeqCst) { 202 } else { 0 });
    let site = Site::demo().button("btn-a").http(&receiver).set("timeout_s", 4);
    let mut gateway = Gateway::start(&site).await;
    let mut mad = Button::new("mad", gateway.intake.unwrap());
    for n in 0..190 {
        mad.press(&format!("made-up-{n}"), n).await;
        if n == 90 {
            mad.press("btn-a", 1).await;
        }
    }
    all_pressed.store(true, Ordering::SeqCst);
    let all = || async { (receiver.state().len() == 191).then_some(()) };
    wait_for("all of them", all).await;
    let events = receiver.events();
    let calls = events.iter().filter(|event| event["data"]["kind"] == "emergency-button");
    let place = calls.map(|event| &event["data"]["sources"][0]["id"]).position(|id| id == "btn-a");
    assert!(place.unwrap() <= 2, "it had to wait for {place:?} others");
    gateway.must_stop_sound().await;
}
