//! Random packets through the ring: its bounds, its numbers, and what a cut promises.

use std::sync::Arc;

use ffmpeg_next as ffmpeg;
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{ffi::Shared, format::Format, ring::Ring, session::Packet};
use crate::domain::PreRollLimit;

fn format() -> Arc<Format> {
    let parameters = Shared::new(ffmpeg::codec::Parameters::new());
    Arc::new(Format { parameters, time_base: ffmpeg::Rational(1, 1000), turn: Default::default() })
}

fn seen(format: &Arc<Format>, at: Timestamp, key: bool, bytes: usize) -> Packet {
    let packet = ffmpeg::Packet::empty();
    let (device, refresh, stream_ms) = (None, None, 0);
    Packet { packet, format: format.clone(), at, device, key, refresh, bytes, stream_ms }
}

#[test]
fn p8_p11_the_ring_keeps_its_bounds_and_a_cut_its_promise() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    for _ in 0..60 {
        let (seconds, bytes_max) =
            (random.random_range(3..40), random.random_range(20_000..400_000));
        let mut ring = Ring::new(seconds, bytes_max);
        let mut run = format();
        let mut at = Timestamp::from_second(1_700_000_000).unwrap();
        let gop = random.random_range(5..120);
        // Key frames, recovery points, both, or none.
        let (keys, refreshes) = (random.random_range(0..4) > 0, random.random_range(0..3) == 0);
        let (mut largest, mut longest_gop) = (0, 0i64);
        let mut since_key = 0i64;
        for n in 0..1_500 {
            // A clock that steps, forward or back, and a camera that connects anew.
            at += SignedDuration::from_millis(match random.random_range(0..400) {
                0 => random.random_range(-4_000..20_000),
                _ => 40,
            });
            if random.random_range(0..500) == 0 {
                run = format();
            }
            let key = keys && (n % gop == 0 || random.random_range(0..300) == 0);
            let bytes = random.random_range(100..if key { 20_000 } else { 3_000 });
            largest = largest.max(bytes);
            since_key = if key { 0 } else { since_key + 40 };
            longest_gop = longest_gop.max(since_key);
            let mut packet = seen(&run, at, key, bytes);
            packet.refresh = (refreshes && !key && n % gop == gop / 2).then_some(gop / 2 + 1);
            ring.push(packet);
            let numbers = ring.numbers();
            let in_ring: Vec<&Packet> =
                numbers.clone().filter_map(|number| ring.get(number)).collect();
            assert_eq!(in_ring.len() as u64, numbers.end - numbers.start, "numbers have no gap");
            assert!(ring.get(numbers.end).is_none());
            assert_eq!(in_ring.iter().map(|packet| packet.bytes).sum::<usize>(), ring.bytes());
            assert!(ring.bytes() <= bytes_max.max(largest), "{} of {bytes_max}", ring.bytes());
            if let Some(key) = ring.last_key() {
                assert!(ring.get(key).unwrap().key);
            }
            if n % 37 == 0 {
                check_cut(&ring, &mut random, &in_ring, at);
            }
        }
    }
}

fn check_cut(ring: &Ring, random: &mut StdRng, in_ring: &[&Packet], newest: Timestamp) {
    let back = |ms: i64| newest - SignedDuration::from_millis(ms);
    let began = back(random.random_range(0..10_000));
    let from = began - SignedDuration::from_secs(random.random_range(0..8));
    let until = began + SignedDuration::from_secs(random.random_range(0..10));
    let Some(cut) = ring.cut(from, began, until) else { return };
    let first = cut.packets.first().unwrap();
    let begins = |packet: &Packet| packet.key || packet.refresh.is_some();
    assert!(
        begins(first) || cut.limit == Some(PreRollLimit::NoKeyFrame),
        "where decoding can begin"
    );
    assert!(cut.packets.iter().all(|packet| Arc::ptr_eq(&packet.format, &cut.format)), "one run");
    assert!(cut.packets.iter().all(|packet| packet.at <= until));
    match cut.limit {
        None => {
            let whole = cut.packets.get(first.refresh.unwrap_or(0) as usize);
            assert!(whole.is_none_or(|whole| whole.at <= from), "whole by the pre-roll");
            assert!(first.at <= from, "the pre-roll that was asked for");
        }
        Some(PreRollLimit::NoKeyFrame) => {
            let of_run = |packet: &&&Packet| Arc::ptr_eq(&packet.format, &cut.format);
            assert!(!in_ring.iter().filter(of_run).any(|packet| begins(packet)), "there is none");
        }
        Some(limit) => {
            // It says why, and there really is no earlier key frame of this run.
            let earlier = |packet: &&&Packet| {
                packet.key && packet.at <= from && Arc::ptr_eq(&packet.format, &cut.format)
            };
            assert!(
                in_ring.iter().find(earlier).is_none_or(|packet| packet.at >= first.at),
                "{limit:?}"
            );
            assert!(matches!(limit, PreRollLimit::RingBytes | PreRollLimit::StreamBegan));
        }
    }
}

#[test]
fn a_group_larger_than_the_ring_is_a_clip_that_builds_up_and_can_be_decoded_on() {
    let mut ring = Ring::new(60, 10_000);
    let run = format();
    let at = |n: i64| Timestamp::from_millisecond(1_700_000_000_000 + n * 40).unwrap();
    for n in 0..500 {
        ring.push(seen(&run, at(n), n == 0, 100));
    }
    assert!(ring.bytes() <= 10_000);
    assert_eq!(ring.numbers().end, 500, "each packet had its number");
    assert!(ring.get(499).is_some() && ring.last_key().is_none());
    let cut = ring.cut(at(480), at(490), at(499)).unwrap();
    assert_eq!((cut.packets.len(), cut.limit), (100, Some(PreRollLimit::NoKeyFrame)));
    ring.push(seen(&run, at(500), true, 100));
    let cut = ring.cut(at(400), at(500), at(500)).unwrap();
    assert_eq!((cut.packets.len(), cut.limit), (1, Some(PreRollLimit::RingBytes)));
}

#[test]
fn p8_a_stream_that_has_long_been_silent_gives_no_clip_of_now() {
    let mut ring = Ring::new(60, 1_000_000);
    let run = format();
    let at = |s: f64| Timestamp::from_millisecond(1_700_000_000_000 + (s * 1000.0) as i64).unwrap();
    for n in 0..100 {
        ring.push(seen(&run, at(f64::from(n) / 10.0), n % 10 == 0, 100));
    }
    // It went silent at 9.9 s, in the pre-roll of the one, long before that of the other.
    let cut = ring.cut(at(8.0), at(13.0), at(18.0)).unwrap();
    assert_eq!((cut.packets.first().unwrap().at, cut.limit), (at(8.0), None));
    assert!(ring.cut(at(40.0), at(45.0), at(50.0)).is_none());
}
