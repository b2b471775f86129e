//! Codecs: messages a second on one core, a line a dialect. Another one is a line in `DIALECTS`.

use std::time::{Duration, Instant};

use gridpost::{
    domain::Now,
    sources::codecs::{Codecs, Listed, Message, ModelConfig},
};

use crate::results::{Row, grouped};

/// Each dialect is read for so long.
const FOR: Duration = Duration::from_millis(400);

/// Name, topic, payload.
const DIALECTS: &[(&str, &str, &str)] = &[
    (
        "native",
        "gridpost/bench/button/btn-0686",
        r#"{"device":"btn-0686","event":"press","id":"7f3a","at":"2026-07-01T10:59:58+08:00","battery":87}"#,
    ),
    (
        "Zigbee2MQTT",
        "zigbee2mqtt/btn-0686",
        r#"{"action":"emergency","battery":100,"linkquality":131,"voltage":3000}"#,
    ),
    (
        "ChirpStack, raw (WS101)",
        "application/17c82e96-be03-4f38-aef3-f83d48582d97/device/24e124535b123456/event/up",
        r#"{"deduplicationId":"3ac7e3c4-4401-4b8d-9386-a5c902f9202d","time":"2026-07-01T02:59:58.775023242+00:00","deviceInfo":{"tenantId":"52f14cd4-c6f1-4fbd-8f87-4025e1d49242","applicationId":"17c82e96-be03-4f38-aef3-f83d48582d97","deviceProfileName":"p","deviceName":"n","devEui":"24e124535b123456","tags":{"key":"value"}},"devAddr":"00189440","dr":1,"fPort":85,"data":"AXUQ/y4B","rxInfo":[{"gatewayId":"0016c001f153a14c","uplinkId":4217106255,"rssi":-36,"snr":10.5,"context":"E3OWOQ==","metadata":{"region_name":"eu868","region_common_name":"EU868"}}],"txInfo":{"frequency":867100000,"modulation":{"lora":{"bandwidth":125000,"spreadingFactor":11,"codeRate":"CR_4_5"}}}}"#,
    ),
    (
        "ChirpStack, decoded",
        "application/17c82e96/device/24e124535b123456/event/up",
        r#"{"deduplicationId":"3ac7e3c4","time":"2026-07-01T02:59:58+00:00","deviceInfo":{"devEui":"24e124535b123456"},"object":{"battery":16,"button_event":{"status":"short press","msgid":123456}},"rxInfo":[{"rssi":-36,"snr":10.5}]}"#,
    ),
    ("Tasmota", "stat/sos-kitchen/RESULT", r#"{"Button1":{"Action":"SINGLE"}}"#),
    ("ESPHome", "door-node/binary_sensor/sos_button/state", "ON"),
    (
        "a mapping",
        "factory/x1/up",
        r#"{"data":{"type":"ALARM","bat":55},"msgId":7,"ts":1782874800}"#,
    ),
    (
        "gauge, native",
        "gridpost/bench/gauge/roof",
        r#"{"at":"2026-07-01T10:59:58+08:00","id":"417","tips":1042,"battery":87}"#,
    ),
    (
        "gauge, ChirpStack (WTS506)",
        "application/17c82e96/device/24e124aabbccddee/event/up",
        r#"{"deduplicationId":"3ac7e3c4","time":"2026-07-01T02:59:58+00:00","deviceInfo":{"devEui":"24e124aabbccddee"},"fPort":85,"object":{"battery":100,"rainfall_total":1.23,"rainfall_counter":1},"rxInfo":[{"rssi":-36,"snr":10.5}]}"#,
    ),
    ("unreadable", "gridpost/bench/button/btn-0686", r#"{"device":"btn-0686","event":"#),
];

/// With a list of 686 devices, as many as a district gave out.
fn codecs() -> Codecs {
    let mut listed: Vec<Listed> = (1..=686)
        .map(|n| Listed { id: format!("btn-{n:04}").into(), device: None, user: None, model: None })
        .collect();
    listed.push(Listed {
        id: "wang".into(),
        device: Some("24E124535B123456".into()),
        user: None,
        model: Some("ws101".into()),
    });
    let mapping = ModelConfig {
        id: "acme".into(),
        topic: Some("factory/+/up".into()),
        action: Some("/data/type".into()),
        press: vec!["ALARM".into()],
        event_id: Some("/msgId".into()),
        at: Some("/ts".into()),
        battery: Some("/data/bat".into()),
        ..ModelConfig::default()
    };
    let gauge = |id: &str, device: Option<&str>| Listed {
        id: id.into(),
        device: device.map(Into::into),
        user: None,
        model: None,
    };
    let gauges = [gauge("roof", None), gauge("upper", Some("24E124AABBCCDDEE"))];
    Codecs::new(&"bench".into(), &listed, &[mapping]).with_gauges(&gauges)
}

pub(crate) fn run() -> Vec<Row> {
    let codecs = codecs();
    let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 1 };
    let row = |(name, topic, payload): &(&str, &str, &str)| {
        let message = Message { topic, payload: payload.as_bytes(), retained: false, via: "bench" };
        Row::new(*name, format!("{} messages/s", grouped(rate(&codecs, &message, now))))
    };
    DIALECTS.iter().map(row).collect()
}

/// Messages a second on one core.
fn rate(codecs: &Codecs, message: &Message<'_>, now: Now) -> f64 {
    assert!(!codecs.decode(message, now).is_empty());
    let (began, mut count) = (Instant::now(), 0u64);
    while began.elapsed() < FOR {
        for _ in 0..100 {
            std::hint::black_box(codecs.decode(std::hint::black_box(message), now));
        }
        count += 100;
    }
    count as f64 / began.elapsed().as_secs_f64()
}
