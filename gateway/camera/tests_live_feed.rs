//! Who watches a stream: begins at the newest key frame, shares all fragments, misses none, and leaves nothing behind.

use std::{path::Path, process::Command};

use super::*;
use crate::media::{Session, SessionRequest};

/// Ten pictures a second for four seconds, key frames a second apart.
fn packets(folder: &Path, size: &str) -> Vec<Packet> {
    let path = folder.join(format!("{size}.mp4"));
    let source = format!("testsrc2=size={size}:rate=10:duration=4,format=yuv420p");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-c:v", "libx264"])
        .args(["-preset", "ultrafast", "-g", "10", "-bf", "0"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let start: jiff::Timestamp = "2026-07-01T03:00:00Z".parse().unwrap();
    let mut session = Session::open(&SessionRequest::of_clip(&path)).unwrap();
    std::iter::from_fn(|| session.next(|| start).unwrap()).collect()
}

struct Scene {
    feeds: LiveFeeds,
    ring: Arc<Mutex<Ring>>,
    feed: Arc<LiveFeed>,
}

impl Scene {
    fn new() -> Self {
        let ring = Arc::new(Mutex::new(Ring::new(60, 64 << 20)));
        let feeds = LiveFeeds::default();
        let feed = feeds.set(&"yard".into(), &ring, None).main;
        Self { feeds, ring, feed }
    }

    fn come(&self, packets: &[Packet]) {
        for packet in packets {
            lock(&self.ring).push(packet.clone());
            self.feed.packet_came();
        }
    }
}

/// `H` a head, `K` a key frame, `p` another picture.
fn shown(fragments: &[LiveItem]) -> String {
    let letter = |fragment: &LiveItem| match fragment {
        LiveItem::Head(_) => 'H',
        LiveItem::Picture(picture) if picture.key => 'K',
        LiveItem::Picture(_) => 'p',
    };
    fragments.iter().map(letter).collect()
}

fn came(watch: &mut LiveWatch) -> Vec<LiveItem> {
    std::iter::from_fn(|| watch.next.try_recv().ok()).collect()
}

#[test]
fn a_viewer_begins_at_the_newest_key_frame_and_gets_every_picture_once() {
    let folder = tempfile::tempdir().unwrap();
    let (small, large) = (packets(folder.path(), "160x120"), packets(folder.path(), "320x240"));
    let scene = Scene::new();
    let mut early = scene.feed.watch();
    assert!(early.begin.is_empty() && early.why_not.is_none());
    scene.come(&small[..13]);
    assert_eq!(shown(&came(&mut early)), "HKpppppppppKpp");
    let mut late = scene.feed.watch();
    assert_eq!((shown(&late.begin).as_str(), scene.feed.viewers()), ("HKpp", 2));
    scene.come(&small[13..15]);
    let (one, two) = (came(&mut early), came(&mut late));
    assert_eq!((shown(&one), shown(&two)), ("pp".into(), "pp".into()));
    // They share the bytes, and do not have them twice.
    let bytes = |fragment: &LiveItem| match fragment {
        LiveItem::Picture(picture) => picture.bytes.as_ptr(),
        LiveItem::Head(_) => panic!("a head"),
    };
    assert_eq!(bytes(&one[0]), bytes(&two[0]));
    // A packet that was put in and not told of yet is taken by who comes, and not again when it is told of.
    lock(&scene.ring).push(small[15].clone());
    let third = scene.feed.watch();
    assert_eq!(shown(&third.begin), "HKppppp");
    scene.feed.packet_came();
    assert_eq!(shown(&came(&mut early)), "p");
    // Another format: the rest of its group cannot be shown, and then it begins anew.
    scene.come(&large[5..12]);
    assert_eq!(shown(&came(&mut early)), "HKp");
    assert_eq!(shown(&scene.feed.watch().begin), "HKp");
}

#[test]
fn who_takes_nothing_is_told_so_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(folder.path(), "160x120");
    let scene = Scene::new();
    let (mut slow, mut quick) = (scene.feed.watch(), scene.feed.watch());
    for _ in 0..3 {
        for packet in &packets {
            scene.come(std::slice::from_ref(packet));
            // Each turn of the clip is the same run: its head comes once.
            assert!(!came(&mut quick).is_empty());
        }
    }
    let lagged = slow.next.try_recv();
    assert!(matches!(lagged, Err(broadcast::error::TryRecvError::Lagged(_))), "{lagged:?}");
    assert!(came(&mut slow).len() <= FRAGMENTS_MAX);
}

#[test]
fn nobody_watching_costs_nothing_and_a_camera_that_goes_ends_its_views() {
    let folder = tempfile::tempdir().unwrap();
    let packets = packets(folder.path(), "160x120");
    let scene = Scene::new();
    let watch = scene.feed.watch();
    scene.come(&packets[..12]);
    assert!(lock(&scene.feed.state).fragmenter.is_some());
    drop(watch);
    assert_eq!(scene.feed.viewers(), 0);
    scene.come(&packets[12..14]);
    let state = lock(&scene.feed.state);
    assert!(state.fragmenter.is_none() && state.group.is_empty() && state.head.is_none());
    drop(state);
    // Who comes then begins where the ring has its newest key frame.
    let mut again = scene.feed.watch();
    assert_eq!(shown(&again.begin), "HKppp");
    // The same ring: the same feed. None any more: whoever watches is let go.
    assert!(Arc::ptr_eq(&scene.feeds.set(&"yard".into(), &scene.ring, None).main, &scene.feed));
    assert!(matches!(again.next.try_recv(), Err(broadcast::error::TryRecvError::Empty)));
    scene.feeds.remove(&"yard".into());
    assert!(matches!(again.next.try_recv(), Err(broadcast::error::TryRecvError::Closed)));
    assert!(scene.feeds.get(&"yard".into()).is_none());
}

#[test]
fn a_sub_stream_that_is_set_up_anew_ends_its_views_and_not_those_of_the_main_one() {
    let ring = || Arc::new(Mutex::new(Ring::new(60, 64 << 20)));
    let (feeds, main, sub) = (LiveFeeds::default(), ring(), ring());
    let first = feeds.set(&"yard".into(), &main, Some(&sub));
    let (mut of_main, mut of_sub) = (first.of(false).watch(), first.of(true).watch());
    assert!(!Arc::ptr_eq(&first.of(false), &first.of(true)));
    let second = feeds.set(&"yard".into(), &main, None);
    assert!(matches!(of_sub.next.try_recv(), Err(broadcast::error::TryRecvError::Closed)));
    assert!(matches!(of_main.next.try_recv(), Err(broadcast::error::TryRecvError::Empty)));
    assert!(Arc::ptr_eq(&second.of(true), &first.main));
}
