//! Devices at a place become numbers: told beside incidents and over the API, and no address is left in folder, log or memory.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
};

use serde_json::{Value, json};

use crate::world::{
    Broker, Gateway, Launch, Message, Receiver, Site, WrongClock, check, http, is_of, now_s, seed,
    wait_for,
};

/// Addresses of one run, which nobody else's are: nothing else in memory or on disk looks like them.
struct Planted {
    all: Vec<[u8; 6]>,
}

impl Planted {
    fn new(count: usize, random: bool) -> Self {
        let mut state = seed() ^ if random { 0x9e37_79b9 } else { 0x85eb_ca6b };
        let mut byte = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let mut address = || {
            let mut one: [u8; 6] = std::array::from_fn(|_| byte());
            one[0] = one[0] & 0xfc | if random { 2 } else { 0 };
            one
        };
        Self { all: (0..count).map(|_| address()).collect() }
    }

    fn written(one: &[u8; 6], between: &str) -> String {
        one.map(|byte| format!("{byte:02x}")).join(between)
    }

    /// A list as sniffers send it, each address written in another way than its neighbours.
    fn list(&self) -> String {
        let row = |(at, one): (usize, &[u8; 6])| {
            let text = Self::written(one, [":", "-", ""][at % 3]);
            let text = if at % 2 == 0 { text.to_uppercase() } else { text };
            json!({ "mac": text, "rssi": -60 })
        };
        json!({ "sensor": "esp-1", "probes": self.all.iter().enumerate().map(row).collect::<Vec<_>>() })
            .to_string()
    }

    /// Every form in which one may be found; the six bytes themselves last.
    fn forms(&self) -> Vec<Vec<u8>> {
        let mut forms = Vec::new();
        for one in &self.all {
            for between in [":", "-", ""] {
                let text = Self::written(one, between);
                forms.push(text.to_uppercase().into_bytes());
                forms.push(text.into_bytes());
            }
        }
        forms.extend(self.all.iter().map(|one| one.to_vec()));
        forms
    }
}

/// Which of these stand in the bytes. Looked for by their first four bytes, so that half a gigabyte takes a second.
fn found_in(bytes: &[u8], forms: &[Vec<u8>]) -> Vec<String> {
    let heads: std::collections::HashMap<[u8; 4], Vec<&Vec<u8>>> =
        forms.iter().fold(Default::default(), |mut heads, form| {
            let head: [u8; 4] = *form.first_chunk().unwrap();
            heads.entry(head).or_insert_with(Vec::new).push(form);
            heads
        });
    let mut firsts = [false; 256];
    heads.keys().for_each(|head| firsts[usize::from(head[0])] = true);
    let mut found = Vec::new();
    for at in 0..bytes.len().saturating_sub(3) {
        if !firsts[usize::from(bytes[at])] {
            continue;
        }
        let head = *bytes[at..].first_chunk::<4>().unwrap();
        for form in heads.get(&head).into_iter().flatten() {
            if bytes[at..].starts_with(form) {
                let from = at.saturating_sub(48);
                let around = &bytes[from..(at + 48).min(bytes.len())];
                found.push(format!("{at:#x}: {}", String::from_utf8_lossy(around)));
            }
        }
    }
    found
}

/// What of them the process holds in memory that it may write to. None: who is not root may not look, as it should be.
fn found_in_memory(pid: u32, forms: &[Vec<u8>]) -> Option<(u64, Vec<String>)> {
    let may_look = |error: &std::io::Error| error.kind() != std::io::ErrorKind::PermissionDenied;
    let memory = match File::open(format!("/proc/{pid}/mem")) {
        Err(error) if !may_look(&error) => return None,
        opened => opened.unwrap(),
    };
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let (mut read, mut found) = (0, Vec::new());
    for line in maps.lines().filter(|line| line.split(' ').nth(1).unwrap().starts_with("rw")) {
        let range = line.split(' ').next().unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        if memory.read_exact_at(&mut bytes, from).is_err() {
            continue;
        }
        read += bytes.len() as u64;
        let here = found_in(&bytes, forms);
        found.extend(here.into_iter().map(|one| format!("{line} + {one}")));
    }
    Some((read, found))
}

/// What of them stands in files of this folder, or in names of files.
fn found_in_folder(folder: &Path, forms: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        found.extend(found_in(name.as_bytes(), forms));
        if path.is_dir() {
            found.extend(found_in_folder(&path, forms));
        } else {
            let bytes = fs::read(&path).unwrap_or_default();
            found.extend(found_in(&bytes, forms).iter().map(|one| format!("{name} {one}")));
        }
    }
    found
}

/// The square, whose sensors speak at a broker, and the gate, whose sensor speaks at the intake.
fn site(broker: &Broker, receiver: &Receiver) -> Site {
    let site = Site::demo().http(receiver).mqtt_source("yard", broker);
    let site = site.section("[[presence]]").set("id", "square").set("name", "和平广场");
    let site = site.set("place", [113.9131, 30.9223]).set("topics", ["wifi/square/#"]);
    let site = site.set("broker", "yard");
    let site = site.section("[[presence]]").set("id", "gate").set("topics", ["wifi/gate/+"]);
    let site = site.set("place", [113.9200, 30.9223]);
    let site = site.button("b-square").set("place", [113.9132, 30.9223]);
    (0..AT_THE_GATE)
        .fold(site, |site, n| site.button(&format!("b-gate-{n}")).set("place", [113.9201, 30.9223]))
}

/// Buttons there: the number is on its way to the desk for some milliseconds.
const AT_THE_GATE: usize = 40;

/// What a call at the gate says of devices there, as soon as one does.
async fn call_at_the_gate(gateway: &Gateway, receiver: &Receiver) -> Value {
    for n in 0..AT_THE_GATE {
        let button = format!("b-gate-{n}");
        gateway.press(&button, "2");
        let call = receiver.wait("the call", |data| is_of(data, "emergency-button", &button)).await;
        let told = &call["data"]["detail"]["presence"];
        if !told.is_null() {
            return told.clone();
        }
    }
    panic!("no call says how many are there");
}

/// Seconds that bring the clock to a quarter of a period after it began: so nothing here is cut in two by its end.
fn into_a_period() -> i64 {
    let now = now_s() as i64;
    150 - now.rem_euclid(600)
}

fn messages(place: &str) -> String {
    format!("gridpost_presence_messages_total{{place=\"{place}\"}}")
}

#[allow(clippy::too_many_lines, reason = "one story")]
#[tokio::test(flavor = "multi_thread")]
async fn p10_devices_become_numbers_and_no_address_is_left_in_folder_log_or_memory() {
    let folder = tempfile::tempdir().unwrap();
    let clock = WrongClock::build(folder.path());
    let begun = into_a_period();
    clock.is_off_by(begun);
    let (broker, receiver) = (Broker::start().await, Receiver::start().await);
    let site = site(&broker, &receiver);
    let launch = Launch::of(&site).envs(clock.environment()).env("GRIDPOST_LOG", "trace");
    let mut gateway = launch.start().await;
    gateway.readiness(200, "").await;

    let (people, few) = (Planted::new(34, true), Planted::new(9, false));
    let forms = [people.forms(), few.forms()].concat();
    // What is no sensor's is found by the same search: it can find.
    let stranger = Planted::new(1, false);
    let unlisted = Message::new(gateway.intake.unwrap(), "wifi/unlisted", stranger.list());
    assert!(unlisted.send());

    // At the broker: a list, one by one with the address in the topic too, and again and again.
    let square = messages("square");
    for _ in 0..3 {
        broker.publish("wifi/square/1", people.list());
    }
    for one in &people.all[..3] {
        let text = Planted::written(one, ":");
        broker
            .publish(&format!("wifi/square/{text}"), format!(r#"{{"id":"{text}","mac_type":1}}"#));
    }
    // What cannot be read, is kept by the broker, or is too large, is not told either.
    let secret = Planted::written(&people.all[5], ":");
    broker.publish("wifi/square/1", format!("{{\"mac\":\"{secret}"));
    broker.publish("wifi/square/1", format!("seen at {secret}!"));
    broker.publish("wifi/square/1", format!("{}{secret}", " ".repeat(300_000)));
    gateway.figure_is(&square, |heard| heard >= 9.0).await;
    // At the intake, by each quality of service.
    let intake = gateway.intake.unwrap();
    for qos in ["0", "1", "2"] {
        let message = Message::new(intake, "wifi/gate/1", few.list()).options(&["-q", qos]);
        assert!(message.send(), "QoS {qos} was not acknowledged");
    }
    let large = format!("{}{}", " ".repeat(300_000), few.list());
    assert!(Message::new(intake, "wifi/gate/1", large).send());
    gateway.figure_is(&messages("gate"), |heard| heard >= 4.0).await;

    // Nothing is told of a period that is on.
    gateway.press("b-square", "1");
    let early = receiver.wait("the call", |data| is_of(data, "emergency-button", "b-square")).await;
    assert_eq!(early["data"]["detail"]["person"], "b-square");
    assert_eq!(early["data"]["detail"]["presence"], Value::Null);
    let (_, told) = gateway.get("/api/v1/presence").await;
    assert_eq!(told["places"][0]["periods"], json!([]), "{told}");

    clock.is_off_by(begun + 600);
    let figure = |place: &str| format!("gridpost_presence_devices{{place=\"{place}\"}}");
    let devices = gateway.figure_is(&figure("square"), |devices| devices > 0.0).await;
    assert!([30.0, 40.0].contains(&devices), "{devices}");
    gateway.figure_is(&figure("gate"), |devices| devices == 0.0).await;
    let (status, told) = gateway.get("/api/v1/presence").await;
    assert_eq!(status, 200);
    let of_square = &told["places"][0]["periods"][0];
    assert_eq!(
        (&of_square["devices"], &of_square["fixed"]),
        (&json!(devices as u64), &json!("<10"))
    );
    assert_eq!(told["places"][1]["periods"][0]["devices"], "<10", "{told}");
    let told = call_at_the_gate(&gateway, &receiver).await;
    assert_eq!((&told["place"], &told["devices"]), (&json!("gate"), &json!("<10")), "{told}");
    let (_, table) = gateway.get("/api/v1/devices").await;
    let sensors = table["devices"].as_array().unwrap().iter();
    let sensor = sensors.clone().find(|one| one["id"] == "square").expect("a row for the sensor");
    assert_eq!((&sensor["known"], &sensor["silent_after_s"]), (&json!(true), &json!(3_600)));

    // A period later.
    clock.is_off_by(begun + 1_200);
    wait_for("the next period", || async {
        let (_, told) = gateway.get("/api/v1/presence").await;
        let periods = told["places"][0]["periods"].as_array()?.len();
        (periods >= 2).then_some(())
    })
    .await;
    let known = [b"gridpost/demo/button".to_vec()];
    if let Some((read, own)) = found_in_memory(gateway.pid(), &known) {
        assert!(read > 1 << 20 && !own.is_empty(), "its memory can be read: {read} bytes");
        let (_, left) = found_in_memory(gateway.pid(), &forms).unwrap();
        assert!(left.is_empty(), "{} left in memory:\n{}", left.len(), left.join("\n"));
    }
    gateway.must_stop_sound().await;
    assert!(!found_in_folder(gateway.folder.path(), &stranger.forms()).is_empty());
    let left = found_in_folder(gateway.folder.path(), &forms);
    assert!(left.is_empty(), "{} left on disk:\n{}", left.len(), left.join("\n"));
    assert!(gateway.log().contains("a sensor's message was not counted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_comes_and_goes_by_a_reload_and_its_broker_keeps_nothing() {
    let (broker, receiver) = (Broker::start().await, Receiver::start().await);
    let with = site(&broker, &receiver);
    let without = with.clone().without("[[presence]]", "square");
    let mut gateway = Gateway::start(&without).await;
    gateway.readiness(200, "").await;
    let limits = || fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let core = limits().lines().find(|line| line.starts_with("Max core")).unwrap().to_owned();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "the gate is counted: {core}");
    let planted = Planted::new(12, false);
    broker.publish("wifi/square/1", planted.list());
    gateway.reload_to(&with).await;
    gateway.readiness(200, "").await;
    wait_for("the sensor to be heard", || async {
        broker.publish("wifi/square/1", planted.list());
        gateway.figure(&messages("square")).await.filter(|heard| *heard > 0.0)
    })
    .await;
    gateway.reload_to(&without).await;
    assert_eq!(gateway.figure(&messages("square")).await, None, "its figures went with it");
    broker.publish("wifi/square/1", planted.list());
    // The session at the broker ended with the place: what is said there now comes back to nobody.
    broker.publish("gridpost/demo/button/b-gate", r#"{"event":"press","id":"7"}"#);
    receiver.wait("the call", |data| is_of(data, "emergency-button", "b-gate")).await;
    gateway.must_stop_sound().await;
    let left = found_in_folder(gateway.folder.path(), &planted.forms());
    assert!(left.is_empty(), "{}", left.join("\n"));
}

/// Who may read is the same table for all; a foreign token is refused, and nobody orders anything there.
#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_are_for_who_may_read_cases() {
    let gateway = Gateway::start(&Site::demo()).await;
    let url = format!("{}/api/v1/presence", gateway.web);
    assert_eq!(http().get(&url).send().await.unwrap().status().as_u16(), 401);
    let (status, told) = gateway.get("/api/v1/presence").await;
    assert_eq!((status, &told["places"]), (200, &json!([])));
    assert_ne!(gateway.post("/api/v1/presence", &json!({})).await.0, 200);
}

#[test]
fn faces_are_refused_in_words_and_so_are_groups_too_small() {
    let checked = check("[site]\nid = \"x\"\n[faces]\nlist = \"people.csv\"\n");
    checked.must_say(2, ["gridpost.toml:3: error: faces: gridpost recognises no faces"]);
    let checked = check(
        "[site]\nid = \"x\"\n[intake]\nallow_anonymous = true\n[[presence]]\nid = \"p\"\ntopics = [\"a\"]\nk = 5\n",
    );
    checked.must_say(2, ["gridpost.toml:8: error: presence[1].k: 5 would tell of so few"]);
}
