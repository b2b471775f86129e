//! Two streams of one camera: whose pixels are seen, and what happens where one of them is late, away or of another view.

use super::{
    tests::{Stands, clip, packets, seconds},
    *,
};
use crate::base::Registry;

const MAIN_WIDTH: u32 = 640;
const SUB_WIDTH: u32 = 320;

/// Packets of a stream of this size; `gop` pictures of 0.1 s between two key frames.
fn stream(size: &str, for_s: u32, gop: u32, stands: &Stands, more: &[&str]) -> Vec<Packet> {
    let folder = tempfile::tempdir().unwrap();
    let all = [&["-bf", "0", "-s", size][..], more].concat();
    packets(&clip(folder.path(), for_s, gop, stands, &all))
}

fn main_stream(for_s: u32, stands: &Stands) -> Vec<Packet> {
    stream("640x480", for_s, 20, stands, &[])
}

fn sub_stream(for_s: u32, stands: &Stands) -> Vec<Packet> {
    stream("320x240", for_s, 10, stands, &[])
}

/// What the looks so far came to.
struct Bench {
    sub: Arc<Mutex<Ring>>,
    main: Arc<Mutex<Ring>>,
    pool: Arc<Pool>,
    meter: Arc<Registry>,
    sampler: Sampler,
    looks: Vec<Look>,
    /// What vision answers.
    feedback: LookFeedback,
    /// What was said of its streams, in order.
    said: Vec<String>,
}

impl Bench {
    fn new(more: serde_json::Value) -> Self {
        let mut config = serde_json::json!({
            "id": "cam", "url": "rtsp://192.0.2.1/x", "detect_url": "rtsp://192.0.2.1/y",
            "look_every_s": 1.0, "quiet_after_s": 0.5
        });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        let config: camera::Config = serde_json::from_value(config).unwrap();
        let ring = || Arc::new(Mutex::new(Ring::new(60, config.ring_max_bytes)));
        let (sub, main) = (ring(), ring());
        let (pool, meter) = (Arc::new(Pool::new(2)), Registry::new());
        let mut sampler = Sampler::new(&config, sub.clone(), pool.clone(), meter.clone(), false)
            .with_main(main.clone());
        sampler.explain();
        let (looks, said, feedback) = (Vec::new(), Vec::new(), LookFeedback::default());
        Self { sub, main, pool, meter, sampler, looks, feedback, said }
    }

    fn drain(&mut self) {
        for _ in 0..100_000 {
            let step = self.sampler.step(true);
            self.said.extend(self.sampler.take_streams().map(|streams| streams.by));
            match step {
                Step::Idle => return,
                Step::Progress => {}
                Step::Look(look) => {
                    let least_height =
                        self.feedback.least_height.filter(|_| !look.regions.is_empty());
                    self.sampler.feedback(look.at, LookFeedback { least_height, ..self.feedback });
                    self.looks.push(*look);
                }
            }
        }
        panic!("it goes round and round: {:?}", self.times());
    }

    /// Both as they arrive: the main stream's packets so much later than their time.
    fn play(&mut self, sub: &[Packet], main: &[Packet], late_ms: i64) {
        let late = SignedDuration::from_millis(late_ms);
        let of_sub = sub.iter().map(|packet| (packet.at, true, packet));
        let of_main = main.iter().map(|packet| (packet.at + late, false, packet));
        let mut all: Vec<_> = of_sub.chain(of_main).collect();
        all.sort_by_key(|(at, is_sub, _)| (*at, *is_sub));
        for (_, is_sub, packet) in all {
            let ring = if is_sub { &self.sub } else { &self.main };
            ring.lock().unwrap().push(packet.clone());
            self.drain();
        }
    }

    fn times(&self) -> Vec<f64> {
        self.looks.iter().map(|look| seconds(look.at)).collect()
    }

    /// Times at which something differs, and how wide the pictures are in which vision sees it.
    fn seen(&self) -> Vec<(f64, u32)> {
        let differs = self.looks.iter().filter(|look| !look.regions.is_empty());
        differs.map(|look| (seconds(look.at), look.picture.as_ref().unwrap().width)).collect()
    }

    fn assert_in_order(&self) {
        let times = self.times();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    }

    fn count(&self, metric: Metric) -> f64 {
        self.meter.get(metric, "cam")
    }
}

fn upto(packets: &[Packet], until_s: f64) -> Vec<Packet> {
    packets.iter().filter(|packet| seconds(packet.at) < until_s).cloned().collect()
}

fn from(packets: &[Packet], from_s: f64) -> Vec<Packet> {
    packets.iter().filter(|packet| seconds(packet.at) >= from_s).cloned().collect()
}

/// As a connection that begins anew: another run, whose own clock begins at nothing.
fn anew(for_s: u32, shift_s: i64, make: impl Fn(u32) -> Vec<Packet>) -> Vec<Packet> {
    let mut packets = make(for_s);
    packets.iter_mut().for_each(|packet| packet.at += SignedDuration::from_secs(shift_s));
    packets
}

#[test]
fn v9_the_sub_stream_drives_and_what_moves_is_seen_in_the_main_streams_pixels() {
    let stands = Stands(5.3, 9.0);
    let (sub, main) = (sub_stream(14, &stands), main_stream(14, &stands));
    let mut alone = Bench::new(serde_json::json!({}));
    alone.play(&sub, &[], 0);
    assert!(alone.seen().iter().all(|(_, width)| *width == SUB_WIDTH));
    for late_ms in [0, 40, 400, 1_200] {
        let mut both = Bench::new(serde_json::json!({}));
        both.play(&sub, &main, late_ms);
        assert_eq!(both.times(), alone.times(), "{late_ms} ms late");
        let regions = |bench: &Bench| -> Vec<_> {
            bench.looks.iter().map(|look| look.regions.clone()).collect()
        };
        assert_eq!(regions(&both), regions(&alone));
        assert!(both.seen().len() >= 10, "{:?}", both.seen());
        assert!(both.seen().iter().all(|(_, width)| *width == MAIN_WIDTH), "{:?}", both.seen());
        for look in &both.looks {
            assert!(look.picture.as_ref().is_none_or(|picture| picture.at == look.at));
        }
        assert_eq!(both.said, ["sub, main"], "{late_ms} ms late");
        assert_eq!(both.sampler.gate.level(), 1, "asleep again");
        assert!(!both.sampler.is_eager());
        let idle = both.pool.counts();
        assert!(idle.0 <= 2 && idle.1 == 0, "every decoder was given back: {idle:?}");
    }
}

/// The picture is of the moment at which the sub-stream showed it: somebody who is there for 0.4 s is in it.
#[test]
fn v9_the_picture_of_the_main_stream_is_of_the_same_moment() {
    let stands = Stands(5.0, 5.4);
    let (sub, main) = (sub_stream(9, &stands), main_stream(9, &stands));
    let mut bench = Bench::new(serde_json::json!({ "detect_fps": 10.0 }));
    bench.play(&sub, &main, 300);
    let white = |look: &Look| {
        let picture = look.picture.as_ref().unwrap();
        let rgb = picture.rgb();
        let at = ((160 * picture.width + 320) * 3) as usize;
        rgb[at..at + 3].iter().all(|level| *level > 200)
    };
    let shown: Vec<f64> = bench
        .looks
        .iter()
        .filter(|look| look.picture.is_some() && white(look))
        .map(|look| seconds(look.at))
        .collect();
    assert_eq!(shown, [5.0, 5.1, 5.2, 5.3], "{:?}", bench.seen());
}

#[test]
fn v9_asleep_nothing_of_the_main_stream_is_decoded_and_near_the_sub_stream_is_enough() {
    let stands = Stands(5.3, 9.0);
    let (sub, main) = (sub_stream(14, &stands), main_stream(14, &stands));
    let mut bench = Bench::new(serde_json::json!({}));
    bench.feedback =
        LookFeedback { holds: true, found: true, somebody_new: false, least_height: Some(1.0) };
    bench.play(&sub, &main, 0);
    let seen = bench.seen();
    // He comes, and he leaves: both are changes.
    let wide: Vec<f64> =
        seen.iter().filter(|(_, width)| *width == MAIN_WIDTH).map(|(at, _)| *at).collect();
    assert_eq!((seen.len() > 8, wide), (true, vec![5.4, 9.0]), "{seen:?}");
    // Somebody far comes too.
    let mut bench = Bench::new(serde_json::json!({ "quiet_after_s": 6.0 }));
    bench.feedback = LookFeedback { least_height: Some(1.0), ..LookFeedback::default() };
    bench.play(&upto(&sub, 7.0), &upto(&main, 7.0), 0);
    bench.feedback.least_height = Some(0.1);
    bench.play(&from(&sub, 7.0), &from(&main, 7.0), 0);
    let last = bench.seen().into_iter().filter(|(at, _)| *at > 7.3).collect::<Vec<_>>();
    assert!(last.iter().all(|(_, width)| *width == MAIN_WIDTH) && last.len() > 5, "{last:?}");
    bench.assert_in_order();
}

#[test]
fn v9_a_main_stream_that_is_late_absent_or_broken_holds_up_nobody_and_is_said() {
    let stands = Stands(5.3, 9.0);
    let sub = sub_stream(14, &stands);
    let good = main_stream(14, &stands);
    let mut alone = Bench::new(serde_json::json!({}));
    alone.play(&sub, &[], 0);
    let long_gop = stream("640x480", 14, 1_000, &stands, &[]);
    let begins_later = from(&good, 12.0);
    let mut broken = good.clone();
    for packet in &mut broken {
        // Nothing in it can be decoded.
        packet.damage();
    }
    for (what, main, late_ms, said) in [
        (
            "it comes more than 1.5 s late",
            &good,
            2_500,
            "sub (main: it comes more than 1.5 s late)",
        ),
        ("it is silent", &upto(&good, 1.5), 0, "sub (main: it is silent)"),
        ("5 s apart", &long_gop, 0, "sub (main: its key frames are more than 5 s apart)"),
        ("begins", &begins_later, 0, "sub (main: it"),
        ("decoded", &broken, 0, "sub (main: it cannot be decoded)"),
    ] {
        let mut bench = Bench::new(serde_json::json!({}));
        bench.play(&sub, main, late_ms);
        assert_eq!(bench.times(), alone.times(), "{what}");
        let seen: Vec<_> = bench.seen().into_iter().filter(|(at, _)| *at < 9.0).collect();
        assert!(
            seen.len() >= 7 && seen.iter().all(|(_, width)| *width == SUB_WIDTH),
            "{what}: {seen:?}"
        );
        assert!(bench.said.iter().any(|one| one.starts_with(said)), "{what}: {:?}", bench.said);
    }
}

#[test]
fn v9_a_main_stream_that_dies_while_it_is_seen_with_is_given_up_and_taken_again() {
    let stands = Stands(5.3, 25.0);
    let (sub, main) = (sub_stream(34, &stands), main_stream(34, &stands));
    let mut bench = Bench::new(serde_json::json!({ "decode": "full" }));
    let gap = [upto(&main, 8.0), from(&main, 18.0)].concat();
    bench.play(&sub, &gap, 0);
    bench.assert_in_order();
    let width_at = |s: f64| bench.seen().iter().find(|(at, _)| *at >= s).unwrap().1;
    assert_eq!(
        (width_at(6.0), width_at(10.0), width_at(20.1)),
        (MAIN_WIDTH, SUB_WIDTH, MAIN_WIDTH)
    );
    assert_eq!(bench.times().len(), 34 * 5, "no look is lost");
    let silent = "sub (main: it is silent)";
    assert!(bench.said.iter().any(|one| one == silent), "{:?}", bench.said);
    assert_eq!(bench.said.last().map(String::as_str), Some("sub, main"));
}

#[test]
fn v9_a_sub_stream_that_dies_is_replaced_by_the_main_one_without_a_gap_and_comes_back() {
    for (dies_s, stands) in
        [(10.0, Stands(10.5, 13.0)), (7.0, Stands(16.0, 18.0)), (6.0, Stands(5.0, 9.0))]
    {
        let main = main_stream(40, &stands);
        let sub = upto(&sub_stream(40, &stands), dies_s);
        let again = anew(18, 22, |for_s| sub_stream(for_s, &Stands(8.0, 10.0)));
        let mut bench = Bench::new(serde_json::json!({}));
        bench.play(&sub, &upto(&main, 22.0), 0);
        bench.assert_in_order();
        let first = bench.seen()[0].0;
        assert!((stands.0..stands.0 + 0.3).contains(&first), "{dies_s}: seen at {first}");
        assert_eq!(bench.said, ["sub, main", "main (sub: it is silent)"], "{dies_s}");
        assert_eq!(bench.sampler.gate.level(), 1, "it sleeps on the main stream's key frames");
        let mut there = main_stream(40, &Stands(30.0, 32.0));
        there.retain(|packet| seconds(packet.at) >= 22.0);
        bench.play(&again, &there, 0);
        bench.assert_in_order();
        assert_eq!(bench.said.last().map(String::as_str), Some("sub, main"), "{dies_s}");
        let last: Vec<_> = bench.seen().into_iter().filter(|(at, _)| *at > 28.0).collect();
        assert!((30.0..30.3).contains(&last[0].0), "{dies_s}: {last:?}");
        assert_eq!(bench.count(Metric::CameraSkipped), 0.0);
    }
}

#[test]
fn v9_a_sub_stream_that_never_came_is_not_waited_for() {
    let stands = Stands(8.0, 11.0);
    let mut bench = Bench::new(serde_json::json!({}));
    bench.play(&[], &main_stream(16, &stands), 0);
    bench.assert_in_order();
    assert!((8.0..8.3).contains(&bench.seen()[0].0), "{:?}", bench.seen());
    assert!(bench.times()[0] <= 4.0, "as soon as that is clear: {:?}", bench.times());
    assert_eq!(bench.said.last().map(String::as_str), Some("main (sub: it is silent)"));
}

#[test]
fn v9_another_shape_is_the_same_view_and_another_view_is_said_and_not_looked_at() {
    let stands = Stands(12.0, 15.0);
    let main = main_stream(20, &stands);
    for shape in ["176x144", "320x180", "640x480"] {
        let mut bench = Bench::new(serde_json::json!({}));
        bench.play(&stream(shape, 20, 10, &stands, &[]), &main, 0);
        assert_eq!(bench.said, ["sub, main"], "{shape}");
        assert!(bench.seen().iter().all(|(_, width)| *width == MAIN_WIDTH));
    }
    let nobody = Stands(50.0, 51.0);
    for view in ["hflip", "vflip", "crop=iw/2:ih/2:0:0", "transpose=1"] {
        let sub = stream("320x240", 20, 10, &nobody, &["-vf", view]);
        let mut bench = Bench::new(serde_json::json!({}));
        bench.play(&sub, &main, 0);
        let by = "main (sub: it shows another scene, or another part of it)";
        assert_eq!(bench.said, ["sub, main", by], "{view}");
        assert!((12.0..12.3).contains(&bench.seen()[0].0), "{view}: {:?}", bench.seen());
        bench.assert_in_order();
    }
}

#[test]
fn v9_a_sub_stream_that_shows_the_right_view_again_is_looked_at_again() {
    let nobody = Stands(50.0, 51.0);
    let main = stream("640x480", 60, 20, &nobody, &[]);
    let sub = stream("320x240", 60, 10, &nobody, &["-vf", "hflip='enable=lt(t,20)'"]);
    let mut bench = Bench::new(serde_json::json!({}));
    bench.play(&sub, &main, 0);
    let by = "main (sub: it shows another scene, or another part of it)";
    assert_eq!(bench.said, ["sub, main", by, "sub, main"]);
    bench.assert_in_order();
}

#[test]
fn v9_a_clock_that_is_set_and_key_frames_minutes_apart_blind_nobody() {
    let stands = Stands(13.0, 16.0);
    for hours in [-1, 1] {
        let step = SignedDuration::from_hours(hours);
        let set = |mut packets: Vec<Packet>| {
            let later = packets.iter_mut().filter(|packet| seconds(packet.at) >= 14.0);
            later.for_each(|packet| packet.at += step);
            packets
        };
        let (sub, main) = (set(sub_stream(24, &stands)), set(main_stream(24, &stands)));
        // In the order in which they were sent, whatever the clock says.
        let play = |main: &[Packet]| {
            let mut bench = Bench::new(serde_json::json!({}));
            for (n, packet) in sub.iter().enumerate() {
                main.get(n).iter().for_each(|one| bench.main.lock().unwrap().push((*one).clone()));
                bench.sub.lock().unwrap().push(packet.clone());
                bench.drain();
            }
            bench
        };
        let (both, alone) = (play(&main), play(&[]));
        assert_eq!(both.times(), alone.times(), "{hours} h");
        assert_eq!(both.said, ["sub, main"], "{hours} h");
        let then = |at: &f64| at - step.as_secs_f64();
        let seen: Vec<_> = both.seen().into_iter().map(|(at, width)| (then(&at), width)).collect();
        let leaves = seen.iter().find(|(at, _)| (15.9..16.3).contains(at)).unwrap();
        assert_eq!(leaves.1, MAIN_WIDTH, "{hours} h: {seen:?}");
    }
    // A main stream whose key frames are 60 s apart: asleep all the same, by those of the sub-stream.
    let main = stream("640x480", 24, 600, &stands, &[]);
    let mut bench = Bench::new(serde_json::json!({}));
    bench.play(&sub_stream(24, &stands), &main, 0);
    assert_eq!(bench.sampler.gate.level(), 1);
    assert!((13.0..13.3).contains(&bench.seen()[0].0), "{:?}", bench.seen());
}

/// Whatever comes of either, looks go forward and the box is not held up.
#[test]
fn v9_two_streams_that_come_and_go_at_random_never_go_backwards() {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    let stands = Stands(6.0, 14.0);
    let (sub, main) = (sub_stream(30, &stands), main_stream(30, &stands));
    for round in 0..12 {
        let mut bench = Bench::new(serde_json::json!({}));
        let mut part = |packets: &[Packet]| -> Vec<Packet> {
            let (mut out, mut at) = (Vec::new(), 0.0);
            while at < 30.0 {
                let (on, off) = (random.random_range(0.5..15.0), random.random_range(0.0..9.0));
                out.extend(from(&upto(packets, at + on), at));
                at += on + off;
            }
            out
        };
        let (sub, main) = (part(&sub), part(&main));
        let late_ms = random.random_range(-800..2_500);
        bench.play(&sub, &main, late_ms);
        bench.assert_in_order();
        assert!(bench.times().len() < 400, "round {round}");
        assert!(bench.sampler.notes.len() < NOTES_MAX);
    }
}

/// Somebody is there for 1.2 s between two key frames 4 s apart: a single stream misses him.
#[test]
fn v9_between_key_frames_that_are_far_apart_the_sub_stream_is_looked_at_too() {
    // With B-frames a picture comes out of the decoder some pictures later.
    let b_frames: &[&str] = &["-bf", "2"];
    for (gop, came, for_s, more) in [
        (5, 13.0, 0.8, &[][..]),
        (20, 14.6, 1.2, &[]),
        (40, 13.0, 1.2, &[]),
        (40, 14.6, 1.8, b_frames),
        (80, 12.2, 1.2, &[]),
    ] {
        let stands = Stands(came, came + for_s);
        let sub = stream("320x240", 20, gop, &stands, more);
        let main = main_stream(20, &stands);
        let mut bench = Bench::new(serde_json::json!({}));
        bench.play(&sub, &main, 0);
        bench.assert_in_order();
        let seen = bench.seen();
        let first = seen.first().map_or(0.0, |(at, _)| *at);
        assert!((came..came + 0.3).contains(&first), "GOP {gop}, {came}: {seen:?}");
        assert!(seen[0].1 == MAIN_WIDTH, "GOP {gop}: {seen:?}");
        assert_eq!(bench.sampler.gate.level(), 1);
        assert!(bench.pool.counts().1 == 0 && !bench.sampler.is_eager());
    }
    // What is seen between is seen when it is: live, a second after he came at the latest.
    let stands = Stands(13.0, 19.0);
    let (sub, main) = (stream("320x240", 20, 40, &stands, &[]), main_stream(20, &stands));
    let mut bench = Bench::new(serde_json::json!({}));
    bench.play(&upto(&sub, 14.1), &upto(&main, 14.1), 0);
    assert!(!bench.seen().is_empty(), "{:?}", bench.times());
    // A single stream of that kind is looked at on its key frames alone, as ever.
    let mut alone = Bench::new(serde_json::json!({}));
    alone.sampler.pair = None;
    alone.play(&sub, &[], 0);
    assert!(
        alone.times().iter().all(|at| *at < 2.0 || *at % 4.0 < 0.01 || *at > 12.0),
        "{:?}",
        alone.times()
    );
}

/// It falls asleep in the middle of a group of 8 s: who comes before the next key frame is seen.
#[test]
fn v9_a_camera_that_falls_asleep_between_two_key_frames_is_looked_at_before_the_next() {
    let twice = "drawbox=x=140:y=40:w=40:h=80:color=white:t=fill:enable='gte(t,8.95)*lt(t,9.75)+gte(t,12.15)*lt(t,13.35)'";
    let (nobody, twice) = (Stands(50.0, 51.0), ["-vf", twice]);
    let sub = stream("320x240", 20, 80, &nobody, &twice);
    let main = stream("640x480", 20, 20, &nobody, &twice);
    let mut bench = Bench::new(serde_json::json!({}));
    bench.play(&sub, &main, 0);
    bench.assert_in_order();
    let seen = bench.seen();
    for comes in [9.0, 12.2] {
        let in_time = |at: f64| (comes - 0.05..comes + 0.4).contains(&at);
        assert!(seen.iter().any(|(at, _)| in_time(*at)), "{comes}: {seen:?}");
    }
    assert!(bench.sampler.gate.level() == 1 && bench.pool.counts().1 == 0);
}

/// Asleep, with intervals as they are by default, it looks when packets become larger: who is there for half a
/// second is seen at every phase of the group, live within another half, and where nothing happens it looks half as often.
#[test]
fn v9_packets_that_become_larger_have_the_sub_stream_looked_at_at_once() {
    let by_default = || serde_json::json!({ "look_every_s": null });
    for (gop, came) in [(20, 37.2), (20, 38.6), (20, 39.3), (40, 38.2), (80, 42.3), (10, 37.2)] {
        let stands = Stands(came, came + 0.5);
        let sub = stream("320x240", 50, gop, &stands, &[]);
        let main = main_stream(50, &stands);
        let mut bench = Bench::new(by_default());
        let told = came + 1.0;
        bench.play(&upto(&sub, told), &upto(&main, told), 0);
        let seen = bench.seen();
        let first = seen.first().map_or(0.0, |(at, _)| *at);
        assert!(
            (came..came + 0.3).contains(&first),
            "GOP {gop}, {came}: {seen:?}, {:?}",
            bench.times()
        );
        bench.play(&from(&sub, told), &from(&main, told), 0);
        bench.assert_in_order();
        assert!(bench.sampler.gate.level() == 1 && bench.pool.counts().1 == 0);
        let quiet = bench.times().into_iter().filter(|at| (26.0..36.0).contains(at)).count();
        assert!(quiet <= 6, "GOP {gop}: {quiet} looks in 10 s, {:?}", bench.times());
    }
}

/// An encoder that holds its rate shows nothing by its sizes: there the looks are as frequent as without them.
#[test]
fn v9_where_sizes_say_nothing_the_looks_are_as_frequent_as_ever() {
    let often = "drawbox=x=140:y=40:w=40:h=80:color=white:t=fill:enable='lt(mod(t,8),1.3)*gt(t,8)'";
    let nobody = Stands(500.0, 501.0);
    let mut sub = stream("320x240", 60, 40, &nobody, &["-vf", often]);
    sub.iter_mut().for_each(|packet| packet.bytes = 1_000);
    let main = stream("640x480", 60, 20, &nobody, &["-vf", often]);
    let mut bench = Bench::new(serde_json::json!({ "look_every_s": null }));
    bench.play(&sub, &main, 0);
    bench.assert_in_order();
    for came in [24.0, 32.0, 40.0, 48.0] {
        let in_time = |at: f64| (came..came + 1.1).contains(&at);
        assert!(bench.seen().iter().any(|(at, _)| in_time(*at)), "{came}: {:?}", bench.seen());
    }
}
