//! The example `config/emergency-buttons.toml` with 686 buttons: one is pressed while twelve are silent.

use std::{collections::BTreeSet, fmt::Write, fs};

use serde_json::{Value, json};

use crate::world::{Broker, Devices, Gateway, Listener, Receiver, is_of, root, wait_for};

/// As in the reference district.
const BUTTONS: usize = 686;
const SILENT: usize = 12;
/// Buttons beat every 4 s here; silent for this long in earnest, 25 h in the example.
const SILENT_AFTER_S: usize = 40;

/// As `tests/devices/fleet.py` counts them.
fn is_silent(number: usize) -> bool {
    let every = BUTTONS / SILENT;
    number.is_multiple_of(every) && number / every <= SILENT
}

/// The district's list: three grids, each button somewhere in one of them.
fn list() -> String {
    let mut text = String::from("id,name,model,lon,lat,address,contact,note\n");
    for n in 1..=BUTTONS {
        let (lon, lat) = [(113.9125, 30.9215), (113.9190, 30.9215), (113.9133, 30.9262)][n % 3];
        writeln!(
            text,
            "btn-{n:04},独居老人 {n:04},native,{lon},{lat},桥北路 {n} 号,女儿 138-0000-{n:04},\"备用钥匙在楼下，{n} 号\""
        )
        .unwrap();
    }
    text
}

/// The example as it is shipped, but for addresses, the list, and how long 25 h are.
fn example(folder: &std::path::Path, broker: &Broker, receiver: &Receiver) -> String {
    fs::create_dir_all(folder.join("grids")).unwrap();
    fs::copy(root().join("config/grids/community.geojson"), folder.join("grids/community.geojson"))
        .unwrap();
    fs::write(folder.join("buttons.csv"), list()).unwrap();
    let text = fs::read_to_string(root().join("config/emergency-buttons.toml")).unwrap();
    let mut kept = String::new();
    let mut skip = false;
    for line in text.lines() {
        if line.starts_with('[') {
            // The world makes these two itself.
            skip = line == "[data]" || line == "[intake]";
        }
        if !skip {
            kept += line;
            kept.push('\n');
        }
    }
    for (what, with) in [
        ("mqtt://127.0.0.1:1884", format!("mqtt://127.0.0.1:{}", broker.port)),
        ("http://127.0.0.1:9000/events", receiver.url.clone()),
        ("../data/emergency-buttons/events.jsonl", "events.jsonl".into()),
        ("silent_after_s = 90000", format!("silent_after_s = {SILENT_AFTER_S}")),
        // Not a day on which buttons are tried.
        ("from = \"2026-07-01", "from = \"2020-07-01".into()),
        ("until = \"2026-07-01", "until = \"2020-07-01".into()),
    ] {
        assert!(kept.contains(what), "the example has no `{what}` any more");
        kept = kept.replace(what, &with);
    }
    kept
}

/// The press, the answer on its way back, and the case that it opened.
async fn one_is_pressed(gateway: &Gateway, receiver: &Receiver, listener: &Listener) {
    gateway.press("btn-0100", "1");
    let event = receiver.wait("the press", |data| data["kind"] == "emergency-button").await;
    let data = &event["data"];
    assert_eq!(data["sources"][0]["id"], "btn-0100");
    assert_eq!(data["title"]["zh"], "独居老人 0100：紧急按钮求助");
    assert_eq!(data["grid"]["code"], "420100-QB-02");
    assert_eq!(data["grid"]["head"], "王秀兰");
    assert_eq!(data["place"]["text"], "桥北路 100 号");
    for (key, value) in [
        ("contact", "女儿 138-0000-0100"),
        ("note", "备用钥匙在楼下，100 号"),
        ("person", "独居老人 0100"),
        ("address", "桥北路 100 号"),
    ] {
        assert_eq!(data["detail"][key], value, "{key}");
    }
    let answered = |say: &'static str| {
        wait_for(say, move || async move {
            let heard = listener.heard("gridpost/qiaobei/button/btn-0100/answer");
            heard.iter().any(|payload| payload["say"] == say).then_some(())
        })
    };
    answered("received").await;
    let reply = json!({"incident": event["subject"], "to": "accepted", "by": "王秀兰"});
    assert_eq!(gateway.post("/api/v1/replies", &reply).await.0, 200);
    answered("coming").await;
}

/// Each of them is a case of its own grid, with whom to call.
async fn twelve_are_silent(receiver: &Receiver) {
    let silent = |data: &Value| data["kind"] == "device-silent";
    let told = || {
        let states = receiver.state();
        let silent = states.values().filter(|data| silent(data) && data["active"] == true);
        silent
            .map(|data| data["sources"][0]["id"].as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    wait_for("twelve silent buttons", || async { (told().len() >= SILENT).then_some(()) }).await;
    let expected: BTreeSet<String> =
        (1..=BUTTONS).filter(|n| is_silent(*n)).map(|n| format!("btn-{n:04}")).collect();
    assert_eq!(expected.len(), SILENT);
    // The one at the room's door is listed in the example itself and beats no more than they do.
    let mut with_door = expected.clone();
    with_door.insert("btn-0800".into());
    wait_for("the one at the door", || async { told().contains("btn-0800").then_some(()) }).await;
    assert_eq!(told(), with_door);
    let of_one = |data: &Value| is_of(data, "device-silent", "btn-0057");
    let one = receiver.wait("btn-0057", of_one).await;
    assert_eq!(one["data"]["detail"]["contact"], "女儿 138-0000-0057");
    assert!(one["data"]["grid"]["head"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_686_buttons_one_is_pressed_while_twelve_are_silent() {
    let (broker, receiver) = (Broker::start().await, Receiver::start().await);
    let listener = Listener::start(broker.port, "gridpost/#", &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let config = example(folder.path(), &broker, &receiver);
    let mut gateway = Gateway::start_in(folder, &config, &[]).await;
    let (all, quiet) = (BUTTONS.to_string(), SILENT.to_string());
    let beat = ["beat", &all, &quiet, "4"];
    let beating = Devices::start("fleet.py", gateway.intake.unwrap(), &beat);
    one_is_pressed(&gateway, &receiver, &listener).await;
    twelve_are_silent(&receiver).await;

    // One table, one metric, one command.
    // The table is shown anew each second, the incidents go out at once.
    wait_for("the table of those that are silent", || async {
        let (_, table) = gateway.get("/api/v1/devices?state=silent").await;
        (table["devices"].as_array().unwrap().len() == SILENT + 1).then_some(())
    })
    .await;
    for (state, count) in [("silent", 13.0), ("fine", 674.0)] {
        let figure = gateway.figure(&format!("gridpost_devices{{state=\"{state}\"}}")).await;
        assert_eq!(figure, Some(count), "{state}");
    }
    drop(beating);
    assert!(gateway.stop().await.success());
    let shown = gateway.command("devices", &["--ill"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let lines = shown.stdout.lines().filter(|line| line.contains(" silent,unheard ")).count();
    assert_eq!(lines, SILENT + 1, "{}", shown.stdout);
    assert!(shown.stdout.contains("687 devices, 674 fine"), "{}", shown.stdout);
    let kinds: BTreeSet<String> =
        receiver.state().values().map(|data| data["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        kinds,
        BTreeSet::from(["device-silent".to_owned(), "emergency-button".to_owned()]),
        "nothing else was told"
    );
}
