//! Numbers at the ends of their ranges and past them, by reload: each is refused, or the gateway lives with it.

use serde_json::Value;

use crate::world::{Gateway, Receiver, Site, is_of};

/// Section, id if it is a list, key, and values as TOML.
type Slip = (&'static str, Option<&'static str>, &'static str);

const SLIPS: &[Slip] = &[
    ("[site]", None, "heartbeat_s"),
    ("[site]", None, "auto_close_after_s"),
    ("[site]", None, "pictures_within_m"),
    ("[intake]", None, "connections_max"),
    ("[sl651]", None, "connections_max"),
    ("[sl651]", None, "idle_s"),
    ("[sl651]", None, "set_clock_beyond_s"),
    ("[devices]", None, "silent_after_s"),
    ("[devices]", None, "battery_low_percent"),
    ("[rain]", None, "dry_s"),
    ("[rain]", None, "hysteresis"),
    ("[rain]", None, "stuck_mm"),
    ("[posture]", None, "flood_hold_s"),
    ("[[sink]]", Some("grid"), "timeout_s"),
    ("[[gauge]]", Some("bridge"), "silent_after_s"),
    ("[[gauge]]", Some("bridge"), "tip_mm"),
    ("[[gauge]]", Some("bridge"), "max_mm_per_min"),
    ("[[gauge]]", Some("bridge"), "guarantee_m"),
    ("[[button]]", Some("btn-0"), "silent_after_s"),
];

/// The least and the greatest of each measure, nothing, and what is no number.
const VALUES: &[&str] =
    &["0", "1", "86400", "315360000", "9223372036854775807", "-9223372036854775808", "nan", "inf"];

fn site(receiver: &Receiver) -> Site {
    Site::demo()
        .section("[intake]")
        .set("listen", "127.0.0.1:0")
        .set("allow_anonymous", true)
        .section("[sl651]")
        .set("listen", "127.0.0.1:0")
        .section("[devices]")
        .section("[rain]")
        .section("[posture]")
        .button("btn-0")
        .gauge("bridge")
        .http(receiver)
}

/// The text of a site with this key set; a key that is there already is taken out.
fn slipped(text: &str, (head, id, key): Slip, value: &str) -> String {
    let mut out = Vec::new();
    let (mut inside, mut set) = (false, false);
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line == head && id.is_none();
            out.push(line.to_owned());
            if inside && !set {
                set = true;
                out.push(format!("{key} = {value}"));
            }
            continue;
        }
        if inside && line.starts_with(&format!("{key} =")) {
            continue;
        }
        out.push(line.to_owned());
        if let Some(id) = id
            && line == format!("id = \"{id}\"")
        {
            set = true;
            out.push(format!("{key} = {value}"));
        }
    }
    assert!(set, "no {head} {id:?} in\n{text}");
    out.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_is_refused_or_lived_with() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(&site(&receiver)).await;
    let text = std::fs::read_to_string(gateway.file("gridpost.toml")).unwrap();
    let (mut taken, mut refused) = (0, 0);
    for (n, slip) in SLIPS.iter().enumerate() {
        for value in VALUES {
            let slipped = slipped(&text, *slip, value);
            std::fs::write(gateway.file("gridpost.toml"), &slipped).unwrap();
            let (status, answer) = gateway.reload().await;
            assert!(matches!(status, 200 | 422), "{slip:?} = {value}: {status} {answer}");
            if status == 200 {
                taken += 1;
            } else {
                refused += 1;
            }
            assert!(!matches!((*value, status), ("nan" | "inf", 200)), "{slip:?} = {value}: taken");
        }
        let device = format!("after-{n}");
        gateway.press(&device, "1");
    }
    std::fs::write(gateway.file("gridpost.toml"), &text).unwrap();
    let (status, answer) = gateway.reload().await;
    assert_eq!(status, 200, "{answer}");
    println!("{taken} values were lived with, {refused} refused");
    assert!(taken > 20 && refused > 60, "{taken} {refused}");
    for n in 0..SLIPS.len() {
        let device = format!("after-{n}");
        let there = |data: &Value| is_of(data, "emergency-button", &device);
        receiver.wait(&device, there).await;
    }
    let (_, ready) = gateway.get("/readyz").await;
    assert!(!ready.to_string().contains("fault inside"), "{ready}");
    gateway.must_stop_sound().await;
}
