//! One camera's looking, driven step by step with a real small clip: what is shown again, skipped, drained, forgotten.

use std::{path::Path, process::Command};

use super::*;
use crate::{
    base::Registry,
    media::{Session, SessionRequest},
};

/// Seconds of the clips at which something white stands in a coloured picture that is otherwise still.
pub(in crate::camera) struct Stands(pub f64, pub f64);

/// 320×240, ten pictures a second; `gop` pictures between two key frames.
pub(in crate::camera) fn clip(
    folder: &Path,
    for_s: u32,
    gop: u32,
    stands: &Stands,
    more: &[&str],
) -> String {
    let path = folder.join("clip.mp4").display().to_string();
    let input = format!("smptebars=size=320x240:rate=10:duration={for_s}");
    let boxed = format!(
        "drawbox=x=140:y=40:w=40:h=80:color=white:t=fill:enable='gte(t,{:.2})*lt(t,{:.2})'",
        stands.0 - 0.05,
        stands.1 - 0.05
    );
    let gop = gop.to_string();
    let mut args = vec!["-v", "error", "-y", "-f", "lavfi", "-i", &input, "-vf", &boxed];
    args.extend(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]);
    args.extend(["-g", &gop, "-sc_threshold", "0"]);
    args.extend(if more.is_empty() { &["-bf", "0"][..] } else { more });
    args.push(&path);
    let made = Command::new("ffmpeg").args(&args).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    path
}

pub(in crate::camera) fn start() -> Timestamp {
    "2026-07-01T03:00:00Z".parse().unwrap()
}

pub(in crate::camera) fn packets(clip: &str) -> Vec<Packet> {
    let mut session = Session::open(&SessionRequest::of_clip(std::path::Path::new(clip))).unwrap();
    std::iter::from_fn(|| session.next(start).unwrap()).collect()
}

pub(super) struct Bench {
    ring: Arc<Mutex<Ring>>,
    pool: Arc<Pool>,
    pub(super) meter: Arc<Registry>,
    pub(super) sampler: Sampler,
}

impl Bench {
    /// `more`: keys of the camera.
    pub(super) fn new(more: serde_json::Value, patient: bool) -> Self {
        let mut config = serde_json::json!({
            "id": "cam", "url": "rtsp://192.0.2.1/x", "look_every_s": 2.0, "quiet_after_s": 0.5
        });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        let config: camera::Config = serde_json::from_value(config).unwrap();
        let ring = Arc::new(Mutex::new(Ring::new(3_600, config.ring_max_bytes)));
        let (pool, meter) = (Arc::new(Pool::new(2)), Registry::new());
        let mut sampler = Sampler::new(&config, ring.clone(), pool.clone(), meter.clone(), patient);
        sampler.explain();
        Self { ring, pool, meter, sampler }
    }

    fn push(&self, packet: &Packet) {
        self.ring.lock().unwrap().push(packet.clone());
    }

    /// Until there is nothing to do, with room at the detector, which finds nobody.
    fn drain(&mut self) -> Vec<Look> {
        let mut looks = Vec::new();
        for _ in 0..100_000 {
            match self.sampler.step(true) {
                Step::Idle => return looks,
                Step::Progress => {}
                Step::Look(look) => {
                    self.sampler.feedback(look.at, LookFeedback::default());
                    looks.push(*look);
                }
            }
        }
        panic!("it goes round and round: {:?}", times(&looks[looks.len().saturating_sub(20)..]));
    }

    /// As live: each packet is dealt with before the next comes.
    pub(super) fn play<'s>(&mut self, packets: impl IntoIterator<Item = &'s Packet>) -> Vec<Look> {
        packets
            .into_iter()
            .flat_map(|packet| {
                self.push(packet);
                self.drain()
            })
            .collect()
    }

    pub(super) fn count(&self, metric: Metric) -> f64 {
        self.meter.get(metric, "cam")
    }

    pub(super) fn wakes(&self, cause: WakeCause) -> f64 {
        self.meter.get(Metric::CameraWakes, &label_pair("cam", cause.as_str()))
    }

    pub(super) fn notes_with(&mut self, what: &str) -> Vec<(f64, String)> {
        let words = self.sampler.take_notes().into_iter();
        let of = words.filter(|(_, word)| word.contains(what));
        of.map(|(at, word)| (seconds(at), word)).collect()
    }
}

pub(in crate::camera) fn seconds(at: Timestamp) -> f64 {
    at.duration_since(start()).as_secs_f64()
}

pub(super) fn times(looks: &[Look]) -> Vec<f64> {
    looks.iter().map(|look| seconds(look.at)).collect()
}

/// In the order in which they were reported, each once.
pub(super) fn assert_reported_once(times: &[f64]) {
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "reported again: {times:?}");
}

#[test]
fn v1_a_change_between_two_looks_is_replayed_from_the_key_frame_before() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 12, 10, &Stands(5.3, 9.0), &[]));
    let mut bench = Bench::new(serde_json::json!({ "quiet_after_s": 3.0 }), true);
    let before = bench.play(packets.iter().filter(|packet| seconds(packet.at) < 7.0));
    assert_eq!(bench.sampler.gate.level(), 1, "the look at 5 s showed nothing");
    let slept_at = seconds(before.iter().rfind(|look| look.picture.is_some()).unwrap().at);
    assert_eq!(slept_at, 3.0);
    let reported: Vec<f64> = times(&before).into_iter().filter(|at| *at > slept_at).collect();
    assert_eq!(reported.last(), Some(&5.0), "{reported:?}");
    assert!(before.iter().all(|look| look.regions.is_empty()));

    let replayed = bench.play(packets.iter().filter(|packet| seconds(packet.at) == 7.0));
    assert_eq!(bench.wakes(WakeCause::Change), 1.0);
    let fifths = |from: i64, to: i64| -> Vec<f64> { (from..=to).map(|n| n as f64 / 5.0).collect() };
    assert_eq!(times(&replayed), fifths(26, 35), "everything since, and nothing of before");
    let first = replayed.iter().find(|look| !look.regions.is_empty()).unwrap();
    assert_eq!(seconds(first.at), 5.4, "with its own time");
    assert!(first.regions[0].holds((0.5, 0.33)), "{:?}", first.regions);
    assert!(first.picture.is_some());
    let woke = bench.notes_with("wakes: change");
    assert!(woke[0].1.contains("replays 2.0 s"), "{woke:?}");
}

#[test]
fn v1_what_vision_was_told_of_is_not_told_again_wherever_decoding_goes_back_to() {
    let folder = tempfile::tempdir().unwrap();
    // It falls asleep in the middle of a group: going back to its key frame, it passes what it has shown.
    for (gop, stands) in [(30, Stands(2.0, 5.5)), (10, Stands(2.5, 4.5)), (20, Stands(1.5, 4.5))] {
        let packets = packets(&clip(folder.path(), 14, gop, &stands, &[]));
        let mut bench = Bench::new(serde_json::json!({}), true);
        let looks = bench.play(&packets);
        assert!(bench.wakes(WakeCause::Change) >= 1.0, "gop {gop}");
        assert_reported_once(&times(&looks));
        let there =
            looks.iter().filter(|look| !look.regions.is_empty()).map(|look| seconds(look.at));
        let first = there.clone().next().unwrap();
        assert!((stands.0..stands.0 + 0.2).contains(&first), "gop {gop}: {first}");
        assert_eq!(bench.count(Metric::CameraSkipped), 0.0);
    }
}

#[test]
fn v5_one_that_lags_jumps_to_the_newest_key_frame_and_counts_what_it_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 32, 10, &Stands(50.0, 51.0), &[]));
    let played = |patient: bool| {
        let mut bench = Bench::new(serde_json::json!({ "decode": "full" }), patient);
        let first = bench.play(&packets[..20]);
        assert_eq!(first.len(), 10);
        // The box was busy for half a minute.
        packets[20..].iter().for_each(|packet| bench.push(packet));
        let looks = bench.drain();
        assert_reported_once(&[times(&first), times(&looks)].concat());
        let notes = bench.notes_with("jumps ahead");
        (times(&looks), bench.count(Metric::CameraSkipped), notes)
    };
    let (looks, skipped, notes) = played(false);
    assert_eq!(looks.first(), Some(&31.0), "the newest key frame: {looks:?}");
    assert_eq!(looks.len(), 5);
    assert_eq!(skipped, 145.0, "29 s, five looks a second");
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].0 == 31.0 && notes[0].1.contains("29.0 s before this"), "{notes:?}");

    let (looks, skipped, notes) = played(true);
    assert_eq!((looks.len(), skipped, notes.len()), (150, 0.0, 0), "a recording is seen in full");
}

#[test]
fn v5_asleep_one_that_lags_looks_at_the_newest_key_frame_and_counts_what_it_passed() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 32, 10, &Stands(50.0, 51.0), &[]));
    for patient in [false, true] {
        let mut bench = Bench::new(serde_json::json!({}), patient);
        bench.play(&packets[..80]);
        assert_eq!((bench.sampler.gate.level(), bench.count(Metric::CameraSkipped)), (1, 0.0));
        packets[80..].iter().for_each(|packet| bench.push(packet));
        let looks = times(&bench.drain());
        let late = bench.notes_with("late");
        // It slept at 0.6 s, and looks every 2 s: at 3, 5, 7 as they came, and then too late.
        // All are reported to vision once it is known that nothing has changed: who stands was there.
        let every_2_s: Vec<f64> = (4..16).map(|n| f64::from(n) * 2.0 + 1.0).collect();
        assert_eq!(looks, every_2_s);
        // At 0, 3, 5, 7, and those or the last one.
        assert_eq!(bench.count(Metric::CameraLooks), if patient { 16.0 } else { 5.0 });
        assert_eq!(late.len(), usize::from(!patient), "{late:?}");
        assert_eq!(bench.count(Metric::CameraSkipped), if patient { 0.0 } else { 11.0 });
        assert_eq!(bench.count(Metric::CameraGop), 1.0, "what is passed over is not a gap");
        assert_eq!(bench.sampler.gate.level(), 1);
    }
}

#[test]
fn v5_one_that_is_late_sees_who_is_there_now_and_replays_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 40, 10, &Stands(12.3, 39.0), &[]));
    // Up to when the box was busy, and from when it sees him.
    for (until, first) in [(10.5, None), (15.5, Some(15.0)), (35.5, Some(35.0))] {
        let mut bench = Bench::new(serde_json::json!({}), false);
        bench.play(&packets[..80]);
        packets[80..]
            .iter()
            .filter(|packet| seconds(packet.at) < until)
            .for_each(|s| bench.push(s));
        let mut looks = bench.drain();
        let passed = ((until - 9.0) / 2.0_f64).floor();
        let Some(first) = first else {
            // He comes after what it was late for: it is in time again, and loses nothing of him.
            assert_eq!(bench.count(Metric::CameraSkipped), 0.0);
            looks.extend(bench.play(packets.iter().filter(|packet| seconds(packet.at) > until)));
            let seen = looks.iter().find(|look| !look.regions.is_empty()).unwrap();
            assert_eq!(seconds(seen.at), 12.4);
            continue;
        };
        assert_eq!(bench.wakes(WakeCause::Change), 1.0);
        let seen = looks.iter().find(|look| !look.regions.is_empty()).unwrap();
        assert_eq!(seconds(seen.at), first, "he is there now");
        // Asleep every 2 s; not replayed: five looks a second since 7 s.
        assert_eq!(bench.count(Metric::CameraSkipped), passed + (first - 7.0) * 5.0);
        assert_eq!(bench.notes_with("too late to replay").len(), 1);
    }
}

#[test]
fn v5_without_room_at_the_detector_it_falls_asleep_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 30, 10, &Stands(50.0, 51.0), &[]));
    let mut bench = Bench::new(serde_json::json!({ "quiet_after_s": 3.0 }), false);
    for packet in &packets {
        bench.push(packet);
        while !matches!(bench.sampler.step(false), Step::Idle) {}
    }
    assert_eq!(bench.sampler.gate.level(), 1, "or it would never sleep again");
    assert!(bench.count(Metric::CameraSkipped) > 5.0);
}

#[test]
fn v5_one_that_cannot_sleep_does_not_begin_to_because_it_is_late() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 50, 500, &Stands(60.0, 61.0), &[]));
    let mut bench = Bench::new(serde_json::json!({}), false);
    bench.play(&packets[..150]);
    assert_eq!(bench.sampler.gate.awake(), Some(WakeCause::LongGop));
    // Far behind, and no key frame to go to.
    packets[150..].iter().for_each(|packet| bench.push(packet));
    let looks = times(&bench.drain());
    assert_eq!(bench.sampler.gate.awake(), Some(WakeCause::LongGop), "{looks:?}");
    assert_eq!((looks.len(), bench.count(Metric::CameraSkipped)), (175, 0.0));
}

#[test]
fn v5_key_frames_that_left_the_ring_unseen_are_no_long_gap() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 32, 10, &Stands(50.0, 51.0), &[]));
    let mut bench = Bench::new(serde_json::json!({}), false);
    bench.play(&packets[..80]);
    let group: usize = packets[290..300].iter().map(|packet| packet.bytes).sum();
    bench.ring.lock().unwrap().resize(3_600, group * 3);
    packets[80..].iter().for_each(|packet| bench.push(packet));
    bench.drain();
    assert_eq!((bench.wakes(WakeCause::LongGop), bench.sampler.gate.level()), (0.0, 1));
    assert_eq!(bench.count(Metric::CameraGop), 1.0);
    assert!(bench.count(Metric::CameraSkipped) >= 10.0, "{}", bench.count(Metric::CameraSkipped));
}

#[test]
fn v5_a_clock_that_was_set_back_in_what_is_jumped_over_blinds_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 32, 10, &Stands(50.0, 51.0), &[]));
    let mut bench = Bench::new(serde_json::json!({ "decode": "full" }), false);
    assert_eq!(bench.play(&packets[..20]).len(), 10);
    for (n, packet) in packets.iter().enumerate().skip(20) {
        let mut packet = packet.clone();
        if n >= 100 {
            packet.at -= jiff::SignedDuration::from_secs(600);
        }
        bench.push(&packet);
    }
    let looks = times(&bench.drain());
    assert_eq!((looks.first(), looks.len()), (Some(&-569.0), 5), "{looks:?}");
    assert!(!bench.notes_with("the clock went back").is_empty());
}

#[test]
fn v5_packets_that_leave_the_ring_before_their_turn_are_counted_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 12, 10, &Stands(50.0, 51.0), &[]));
    let mut bench = Bench::new(serde_json::json!({ "decode": "full" }), false);
    bench.play(&packets[..10]);
    let group: usize = packets[90..100].iter().map(|packet| packet.bytes).sum();
    bench.ring.lock().unwrap().resize(3_600, group * 3);
    packets[10..].iter().for_each(|packet| bench.push(packet));
    let looks = times(&bench.drain());
    let notes = bench.notes_with("the ring kept no more");
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(looks[0] > 6.0 && looks[0] == notes[0].0, "{looks:?} {notes:?}");
    let gone = (looks[0] - 0.9) * 5.0;
    assert!((gone - bench.count(Metric::CameraSkipped)).abs() <= 1.0, "{gone}");
}

#[test]
fn v5_without_room_a_live_one_waits_then_skips_and_counts_and_a_recording_waits() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 12, 10, &Stands(50.0, 51.0), &[]));
    for patient in [false, true] {
        let mut bench = Bench::new(serde_json::json!({ "decode": "full" }), patient);
        bench.play(&packets[..10]);
        let shown = |bench: &mut Bench| loop {
            match bench.sampler.step(false) {
                Step::Idle => return false,
                Step::Progress => {}
                Step::Look(look) if look.picture.is_some() => return true,
                Step::Look(_) => {}
            }
        };
        // Up to 6 s behind it waits, and skips nothing.
        packets[10..65].iter().for_each(|packet| bench.push(packet));
        assert!(!shown(&mut bench), "there was no room");
        assert_eq!(bench.count(Metric::CameraSkipped), 0.0);
        packets[65..110].iter().for_each(|packet| bench.push(packet));
        assert!(!shown(&mut bench));
        let skipped = bench.count(Metric::CameraSkipped);
        let looks = times(&bench.drain());
        match patient {
            true => assert_eq!((skipped, looks.len()), (0.0, 50), "{looks:?}"),
            false => {
                // From 1.0 up to 6 s before the newest, which is 10.9.
                assert_eq!(looks.first(), Some(&5.0), "{looks:?}");
                assert_eq!(skipped, 20.0);
            }
        }
    }
}

#[test]
fn the_end_of_a_recording_brings_out_what_is_inside_the_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let b_frames = ["-bf", "3", "-x264-params", "b-adapt=0"];
    let packets = packets(&clip(folder.path(), 4, 20, &Stands(50.0, 51.0), &b_frames));
    let mut bench = Bench::new(serde_json::json!({ "decode": "full" }), true);
    let looks = times(&bench.play(&packets));
    assert!(looks.last().unwrap() < &3.8, "{looks:?}");
    bench.sampler.end();
    let rest = times(&bench.drain());
    assert_eq!(rest.last(), Some(&3.8), "{rest:?}");
    assert_eq!(looks.len() + rest.len(), 20);
    assert!(bench.drain().is_empty(), "reported once");
}

#[test]
fn v7_a_clock_that_is_set_back_or_forward_blinds_nobody() {
    let folder = tempfile::tempdir().unwrap();
    for (hours, full) in [(-1, true), (-1, false), (1, true), (1, false)] {
        let mut packets = packets(&clip(folder.path(), 24, 10, &Stands(13.0, 16.0), &[]));
        // In the middle of what moves: awake, and before any quiet look could tell of the step.
        let step = SignedDuration::from_hours(hours);
        packets
            .iter_mut()
            .filter(|packet| seconds(packet.at) >= 14.0)
            .for_each(|packet| packet.at += step);
        let config = serde_json::json!({ "decode": if full { "full" } else { "adaptive" } });
        let mut bench = Bench::new(config, false);
        let looks = bench.play(&packets);
        let of_then: Vec<f64> =
            times(&looks).into_iter().map(|at| at - step.as_secs_f64()).collect();
        let seen = of_then.iter().filter(|at| (14.0..16.0).contains(*at)).count();
        assert!(seen >= 9, "{hours} h, full {full}: {seen} of 10 looks in 14 to 16 s");
        assert_eq!(bench.count(Metric::CameraSkipped), 0.0, "{hours} h, full {full}");
        if !full {
            assert_eq!(bench.sampler.gate.level(), 1, "{hours} h: asleep again at the end");
        }
    }
}

/// Pictures that wait in the decoder for their turn come out after the step, and are of the time before it.
#[test]
fn v7_a_clock_that_is_set_back_while_pictures_lie_in_the_decoder_blinds_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let coded = ["-bf", "2"];
    for from in [14.0, 14.1, 14.2, 14.3, 14.4] {
        let mut packets = packets(&clip(folder.path(), 24, 10, &Stands(13.0, 16.0), &coded));
        let step = SignedDuration::from_hours(-8);
        packets
            .iter_mut()
            .filter(|packet| seconds(packet.at) >= from)
            .for_each(|packet| packet.at += step);
        let mut bench = Bench::new(serde_json::json!({ "decode": "full" }), false);
        // One by one, as they come.
        let looks: Vec<_> = packets.iter().flat_map(|packet| bench.play([packet])).collect();
        let of_then: Vec<f64> =
            times(&looks).into_iter().map(|at| at - step.as_secs_f64()).collect();
        let seen = of_then.iter().filter(|at| (15.0..20.0).contains(*at)).count();
        assert!(seen >= 24, "from {from}: {seen} of 25 looks in 15 to 20 s");
    }
}

#[test]
fn v2_asleep_it_holds_no_decoder_and_no_frame_and_gives_back_what_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 20, 10, &Stands(5.3, 8.0), &[]));
    let mut bench = Bench::new(serde_json::json!({ "quiet_after_s": 2.0 }), true);
    let (mut slept, mut woke) = (0, 0);
    for packet in &packets {
        bench.play([packet]);
        let held = bench.sampler.decoder.is_some() || !bench.sampler.frames.is_empty();
        match bench.sampler.gate.level() {
            1 => {
                assert!(!held, "at {}", seconds(packet.at));
                assert_eq!(bench.pool.counts(), (1, 0), "one decoder serves all looks");
                slept += 1;
            }
            _ => {
                assert!(held && bench.pool.counts().0 == 0, "it is the same that was lent");
                woke += 1;
            }
        }
        let level = bench.count(Metric::CameraLevel);
        assert_eq!(level, f64::from(bench.sampler.gate.level()));
    }
    assert!(slept > 100 && woke > 15, "{slept} {woke}");
    assert!(!bench.sampler.is_eager());
}

#[test]
fn other_figures_in_the_configuration_make_another_sampler_of_it() {
    let bench = Bench::new(serde_json::json!({}), false);
    let with = |key: &str, value: serde_json::Value| -> camera::Config {
        let mut config = serde_json::json!({
            "id": "cam", "url": "rtsp://192.0.2.1/x", "look_every_s": 2.0, "quiet_after_s": 0.5
        });
        config[key] = value;
        serde_json::from_value(config).unwrap()
    };
    assert!(bench.sampler.is_for(&with("name", "门口".into()), &bench.ring));
    let others = [
        ("decode", "full".into()),
        ("look_every_s", 4.0.into()),
        ("quiet_after_s", 5.0.into()),
        ("detect_fps", 2.0.into()),
    ];
    for (key, value) in others {
        assert!(!bench.sampler.is_for(&with(key, value), &bench.ring), "{key}");
    }
    let another = Arc::new(Mutex::new(Ring::new(60, 1 << 20)));
    assert!(!bench.sampler.is_for(&with("name", "门口".into()), &another));
}

#[test]
fn a_new_connection_is_looked_at_with_its_first_key_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), 10, 10, &Stands(50.0, 51.0), &[]);
    let mut bench = Bench::new(serde_json::json!({ "look_every_s": 60.0 }), false);
    bench.play(&packets(&path));
    assert_eq!((bench.count(Metric::CameraLooks), bench.sampler.gate.level()), (1.0, 1));
    // Twelve seconds later, with a time of its own.
    let mut again = packets(&path);
    again.iter_mut().for_each(|packet| packet.at += SignedDuration::from_secs(12));
    let looks = bench.play(&again[..1]);
    assert_eq!(times(&looks), [12.0]);
    assert_eq!(bench.count(Metric::CameraLooks), 2.0);
}

/// Another size: nothing can be compared with what was there, and what lies before it is shown once.
#[test]
fn a_stream_that_becomes_another_one_is_replayed_from_the_one_before_once() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = Stands(50.0, 51.0);
    let first = packets(&clip(folder.path(), 6, 20, &nobody, &[]));
    let mut second = packets(&clip(folder.path(), 6, 20, &nobody, &["-bf", "0", "-s", "480x360"]));
    second.iter_mut().for_each(|packet| packet.at += SignedDuration::from_secs(6));
    let mut bench = Bench::new(serde_json::json!({ "quiet_after_s": 0.7 }), true);
    let looks = bench.play(first.iter().chain(&second));
    assert_eq!(bench.wakes(WakeCause::Start), 2.0);
    assert_reported_once(&times(&looks));
    assert_eq!(bench.sampler.gate.level(), 1, "asleep again");
}

#[test]
fn a_key_frame_that_cannot_be_decoded_is_said_and_the_next_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), 12, 10, &Stands(50.0, 51.0), &[]);
    // As a damaged recording has it: the bytes of the key frame at 5 s are others.
    let clean = packets(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    let key = &clean[50];
    assert!(key.key && seconds(key.at) == 5.0);
    let head = offset(&path, "5.0");
    // Past the length and the word that it is a key frame.
    bytes[head..head + key.bytes].iter_mut().skip(5).for_each(|byte| *byte = 0);
    std::fs::write(&path, bytes).unwrap();
    let mut bench = Bench::new(serde_json::json!({}), true);
    let looks = times(&bench.play(&packets(&path)));
    let notes = bench.notes_with("cannot be decoded");
    assert_eq!(notes.iter().map(|(at, _)| *at).collect::<Vec<f64>>(), [5.0], "{notes:?}");
    assert_eq!(bench.count(Metric::CameraBadPackets), 1.0);
    assert!(looks.contains(&6.0) && !looks.contains(&5.0), "{looks:?}");
}

/// Where in the file the packet of this second begins.
fn offset(path: &str, at_s: &str) -> usize {
    let asked = ["-v", "error", "-show_entries", "packet=pts_time,pos", "-of", "csv=p=0", path];
    let output = Command::new("ffprobe").args(asked).output().unwrap().stdout;
    let listing = String::from_utf8(output).unwrap();
    let rows = listing.lines().map(|line| line.split(',').collect::<Vec<&str>>());
    rows.filter(|row| row[0].starts_with(at_s)).map(|row| row[1].parse().unwrap()).next().unwrap()
}

/// A press shows the pre-roll; an event that has not proved right only brings the next look forward.
#[test]
fn v8_a_press_is_believed_at_once_and_an_event_only_once_it_was_right() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 12, 10, &Stands(50.0, 51.0), &[]));
    let mut bench = Bench::new(serde_json::json!({}), false);
    bench.play(&packets[..100]);
    bench.sampler.nudged(Nudges::EVENT);
    assert_eq!(bench.sampler.gate.level(), 1, "nothing is known of its events yet");
    assert_eq!(bench.notes_with("not believed").len(), 1);
    bench.sampler.nudged(Nudges::PRESS);
    assert_eq!((bench.sampler.gate.level(), bench.wakes(WakeCause::Press)), (2, 1.0));
    let shown = times(&bench.play(&packets[100..110]));
    assert!((4.9..5.2).contains(&shown[0]), "5 s before the press: {shown:?}");
    assert_reported_once(&shown);
}

#[test]
fn v1_what_differs_where_no_rule_looks_wakes_nobody_and_another_area_looks_at_all_anew() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(&clip(folder.path(), 16, 10, &Stands(5.3, 13.0), &[]));
    let corner =
        |x: f32, y: f32| LookArea::of(|cell| cell.x1 <= x && cell.y1 <= y).map(std::sync::Arc::new);
    let mut bench = Bench::new(serde_json::json!({}), true);
    bench.sampler.look_where(corner(0.05, 0.05));
    let until =
        |second: f64| packets.iter().take_while(move |one| seconds(one.at) < second).count();
    let looks = bench.play(&packets[..until(9.5)]);
    assert_eq!((bench.wakes(WakeCause::Change), bench.sampler.gate.level()), (0.0, 1));
    let differ: Vec<&Look> = looks.iter().filter(|look| !look.regions.is_empty()).collect();
    assert!(!differ.is_empty(), "vision is told where a place has changed");
    assert!(differ.iter().all(|look| look.picture.is_none() && look.area.is_some()));
    assert_eq!(
        bench.notes_with("where no rule looks").len(),
        1,
        "it belongs to the background then"
    );
    assert_eq!(bench.sampler.scene.unrest(), 0.0);
    // The same again is no change; a rule that is added looks at who is there already.
    bench.sampler.look_where(corner(0.05, 0.05));
    bench.play(&packets[until(9.5)..until(10.5)]);
    assert_eq!(bench.sampler.gate.level(), 1);
    bench.sampler.look_where(None);
    let looks = bench.play(&packets[until(10.5)..]);
    assert_eq!(bench.wakes(WakeCause::Start), 2.0);
    assert!(looks.iter().any(|look| look.whole && look.picture.is_some()));
    // Where a rule looks beside it, it wakes as ever.
    let mut bench = Bench::new(serde_json::json!({}), true);
    bench.sampler.look_where(corner(0.6, 0.6));
    bench.play(&packets);
    assert!(bench.wakes(WakeCause::Change) >= 1.0);
}
