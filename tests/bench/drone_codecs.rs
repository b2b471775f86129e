//! Telemetry of drones on one core: KLV sets and DJI messages a second, and places on the ground.

use std::time::{Duration, Instant};

use gridpost::{
    domain::{Errors, Gaze, Now, View},
    sources::codecs::{Codecs, Message, klv},
};

use crate::results::{Row, grouped};

/// Long enough for a steady figure.
const FOR: Duration = Duration::from_secs(1);

/// How often a second.
fn rate(mut work: impl FnMut()) -> f64 {
    let (started, mut count) = (Instant::now(), 0u32);
    while started.elapsed() < FOR {
        for _ in 0..100 {
            work();
        }
        count += 100;
    }
    f64::from(count) / started.elapsed().as_secs_f64()
}

/// KLV sets a second: the example of ST 0902, 228 bytes with checksum and 27 items.
fn klv_per_s() -> f64 {
    let hex = "060E2B34020B01010E0103010100000081D2020800046050584E0180030A4D697373696F6E203132050271C20602FD3D070208B80A085072656461746F720B07454F204E6F73650C0E47656F64657469632057475338340D045595B66D0E045B5360C40F02C2211002CD9C1102D9171204724A0A20130487F84B86140400000000150403830926160212811704F101A229180414BC082B190234F3301C01010102010703052F2F5553410C01070D060055005300411602000A4101065E220170F592F02373364AF8AA9162C00F2EB2DA16B74341000841A0BE365B5AB96A36450102AA43";
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    rate(|| assert!(std::hint::black_box(klv::sets(&bytes))[0].is_ok()))
}

/// DJI `osd` messages a second, 400 bytes.
fn osd_per_s() -> f64 {
    let payload = br#"{"tid":"43d2e632-1558-4c4e-83d2-eeb51b7a377a","bid":"7578f2ac-1f12-4d47-9ab6-5de146ed7b8a","timestamp":1667220916697,"gateway":"dock_sn","data":{"53-0-0":{"gimbal_pitch":0,"gimbal_roll":0,"gimbal_yaw":107.7,"payload_index":"53-0-0"},"attitude_head":121,"attitude_pitch":-4.3,"attitude_roll":0.9,"latitude":22.907809968,"longitude":113.703482143,"height":34.17,"elevation":0,"battery":{"capacity_percent":81}}}"#;
    let topic = "thing/product/1581F5/osd";
    let message = Message { topic, payload, retained: false, via: "bench" };
    let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 };
    let codecs = Codecs::new(&"bench".into(), &[], &[]);
    rate(|| drop(std::hint::black_box(codecs.decode(&message, now))))
}

/// Points of a picture put on the ground with their error, a second.
fn places_per_s() -> f64 {
    let look = Gaze { azimuth_deg: 30.0, elevation_deg: -50.0, roll_deg: 1.0 };
    let view = View { position: [113.9, 30.9], height_m: 80.0, look, fov_deg: [66.0, 40.0] };
    let errors = Errors::default();
    rate(|| assert!(std::hint::black_box(view.spot((0.4, 0.6), &errors)).is_some()))
}

pub(crate) fn run() -> Vec<Row> {
    let row = |what: &str, rate: f64| Row::new(what, format!("{}/s", grouped(rate)));
    vec![
        row("KLV sets (228 bytes, ST 0902)", klv_per_s()),
        row("DJI osd messages (400 bytes)", osd_per_s()),
        row("detections put on the ground", places_per_s()),
    ]
}
