//! What drones send: KLV sets and DJI telemetry, whatever was done to them on the way.

use gridpost::{
    domain::{Body, Now, Pose},
    sources::codecs::{Codecs, Message, klv},
};

/// A pose that came out is one: on earth, in degrees, finite.
fn sane(pose: &Pose) {
    if let Some([lon, lat]) = pose.position {
        assert!((-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat), "{pose:?}");
        assert!(lon.abs() >= 0.001 || lat.abs() >= 0.001, "Null Island: {pose:?}");
    }
    let heights = [pose.msl_m, pose.ellipsoid_m, pose.above_start_m, pose.ground_msl_m];
    assert!(heights.iter().flatten().all(|m| (-1_000.0..=20_000.0).contains(m)), "{pose:?}");
    if let Some(look) = pose.look {
        let angles = [look.azimuth_deg, look.elevation_deg, look.roll_deg];
        assert!(angles.iter().all(|deg| (-360.0..=360.0).contains(deg)), "{pose:?}");
    }
    assert!(pose.fov_deg.iter().flatten().all(|deg| (0.01..=180.0).contains(deg)), "{pose:?}");
    assert!(pose.battery.is_none_or(|percent| percent <= 100));
}

fn sets(bytes: &[u8]) {
    let found = klv::sets(bytes);
    assert!(bytes.is_empty() || found.len() <= bytes.len());
    for said in found {
        match said {
            Ok(said) => sane(&said.pose),
            Err(why) => assert!(!why.is_empty() && why.len() < 200, "{why}"),
        }
    }
}

/// As it is, and once more with a right checksum: else nothing behind it would ever be reached.
pub(super) fn klv(bytes: &[u8]) {
    sets(bytes);
    let Some(body) = bytes.len().checked_sub(2) else { return };
    let add = |sum: u16, (n, byte): (usize, &u8)| {
        sum.wrapping_add(u16::from(*byte) << (8 * ((n + 1) % 2)))
    };
    let sum = bytes[..body].iter().enumerate().fold(0, add);
    let mut mended = bytes[..body].to_vec();
    mended.extend(sum.to_be_bytes());
    sets(&mended);
}

/// The published examples of ST 0601 and ST 0902.
pub(super) fn klv_seeds() -> Vec<Vec<u8>> {
    [
        "060e2b34020b01010e0103010100000061020800046050584e0180050271c20602fd3d070208b80d045595b66d0e045b5360c40f02c2211002cd9c1102d9171204724a0a20130487f84b86140400000000150403830926160212811704f101a229180414bc082b190234f34101060102c850",
        "060E2B34020B01010E0103010100000081D2020800046050584E0180030A4D697373696F6E203132050271C20602FD3D070208B80A085072656461746F720B07454F204E6F73650C0E47656F64657469632057475338340D045595B66D0E045B5360C40F02C2211002CD9C1102D9171204724A0A20130487F84B86140400000000150403830926160212811704F101A229180414BC082B190234F3301C01010102010703052F2F5553410C01070D060055005300411602000A4101065E220170F592F02373364AF8AA9162C00F2EB2DA16B74341000841A0BE365B5AB96A36450102AA43",
    ]
    .map(|hex| {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        (0..hex.len()).step_by(2).map(byte).collect()
    })
    .into()
}

pub(super) fn osd(bytes: &[u8]) {
    let topic = "thing/product/1581F5/osd";
    let message = Message { topic, payload: bytes, retained: false, via: "fuzz" };
    let now = Now { wall: "2026-07-01T03:00:00Z".parse().expect("a time"), mono_ms: 1 };
    let codecs = Codecs::new(&"fuzz".into(), &[], &[]);
    match codecs.decode(&message, now).pop().expect("an answer").body {
        Body::Pose(pose) => sane(&pose),
        Body::Unreadable(unreadable) => assert!(!unreadable.reason.is_empty()),
        other => panic!("telemetry became {other:?}"),
    }
}

pub(super) fn osd_seeds() -> Vec<Vec<u8>> {
    [
        r#"{"timestamp":1782874800100,"data":{"53-0-0":{"gimbal_pitch":-45.5,"gimbal_roll":0,"gimbal_yaw":-107.7,"zoom_factor":2},"latitude":22.9,"longitude":113.7,"height":34.1,"elevation":20.1,"mode_code":5,"battery":{"capacity_percent":81}}}"#,
        r#"{"timestamp":0,"data":{"latitude":0,"longitude":0,"position_state":{"is_fixed":0}}}"#,
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .into()
}
