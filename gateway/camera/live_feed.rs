//! What a stream shows now, for whoever watches: made once while anybody does, shared by all of them.
//!
//! The reading thread hands over each packet when it is in the ring; nothing here waits for a viewer. A
//! viewer begins at the newest key frame of the ring, and one that takes too little is told so by his
//! channel: he goes on at the next key frame.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::{
    base::lock,
    domain::{LiveHead, LiveItem, LivePicture, SourceId},
    media::{Fragmenter, Packet, Ring},
};

/// Fragments that wait for the slowest viewer: two and a half seconds at 25 pictures a second.
const FRAGMENTS_MAX: usize = 64;
/// Bytes of the pictures since the newest key frame that are kept for who comes; beyond it he waits for
/// the next one.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// One stream.
pub struct LiveFeed {
    ring: Arc<Mutex<Ring>>,
    viewers: AtomicUsize,
    state: Mutex<FeedState>,
}

struct FeedState {
    /// Number of the packet in the ring that comes next.
    next: u64,
    fragmenter: Option<Fragmenter>,
    head: Option<Arc<LiveHead>>,
    /// Since the newest key frame, with it.
    group: Vec<LivePicture>,
    group_bytes: usize,
    /// Why nothing can be shown.
    why_not: Option<String>,
    sender: broadcast::Sender<LiveItem>,
}

impl FeedState {
    fn new() -> Self {
        Self {
            next: 0,
            fragmenter: None,
            head: None,
            group: Vec::new(),
            group_bytes: 0,
            why_not: None,
            sender: broadcast::Sender::new(FRAGMENTS_MAX),
        }
    }
}

/// A viewer's part of it; when it goes, he has left.
pub struct LiveWatch {
    /// What he begins with: a head, and the pictures since the newest key frame.
    pub begin: Vec<LiveItem>,
    /// What comes then.
    pub next: broadcast::Receiver<LiveItem>,
    /// Why there is nothing to begin with, where it is not only that none has come yet.
    pub why_not: Option<String>,
    /// Keeps it going.
    pub seat: LiveSeat,
}

/// Somebody watches.
pub struct LiveSeat(Arc<LiveFeed>);

impl Drop for LiveSeat {
    fn drop(&mut self) {
        self.0.viewers.fetch_sub(1, Ordering::Relaxed);
        let mut state = lock(&self.0.state);
        if self.0.viewers.load(Ordering::Relaxed) == 0 {
            let sender = state.sender.clone();
            *state = FeedState { sender, ..FeedState::new() };
        }
    }
}

impl LiveFeed {
    fn of(ring: &Arc<Mutex<Ring>>) -> Arc<Self> {
        let state = Mutex::new(FeedState::new());
        Arc::new(Self { ring: ring.clone(), viewers: AtomicUsize::new(0), state })
    }

    /// How many watch.
    pub fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Relaxed)
    }

    /// Its newest key frame.
    pub fn key_frame(&self) -> Option<Packet> {
        let ring = self.ring.lock().ok()?;
        ring.last_key().and_then(|number| ring.get(number)).cloned()
    }

    /// What comes in now; None: nothing has come.
    pub fn facts(&self) -> Option<StreamFacts> {
        let ring = self.ring.lock().ok()?;
        let (newest, held_s, numbers) = (ring.newest()?, ring.held_s(), ring.numbers());
        let (width, height) = newest.picture_size();
        let a_second = |sum: f64| if held_s > 0.0 { sum / held_s } else { 0.0 };
        let pictures = numbers.end - numbers.start;
        Some(StreamFacts {
            codec: newest.codec(),
            width,
            height,
            fps: a_second(pictures.saturating_sub(1) as f64),
            bits_a_second: a_second(ring.bytes() as f64 * 8.0),
            last_at: newest.at,
        })
    }

    /// Whoever watches is let go: the stream is gone.
    fn end(&self) {
        *lock(&self.state) = FeedState::new();
    }

    /// A packet is in the ring.
    pub(super) fn packet_came(&self) {
        if self.viewers() > 0 {
            self.catch_up(&mut lock(&self.state));
        }
    }

    /// Somebody begins to watch.
    pub fn watch(self: &Arc<Self>) -> LiveWatch {
        self.viewers.fetch_add(1, Ordering::Relaxed);
        let seat = LiveSeat(self.clone());
        let mut state = lock(&self.state);
        self.catch_up(&mut state);
        let head = state.head.iter().cloned().map(LiveItem::Head);
        let group = state.group.iter().cloned().map(LiveItem::Picture);
        let begin = head.chain(group).collect();
        LiveWatch { begin, next: state.sender.subscribe(), why_not: state.why_not.clone(), seat }
    }

    /// Takes what is new in the ring, whoever is first to ask: nothing is taken twice or left out.
    fn catch_up(&self, state: &mut FeedState) {
        let Ok(ring) = self.ring.lock() else { return };
        let numbers = ring.numbers();
        let is_lost = !(numbers.start..=numbers.end).contains(&state.next);
        if state.fragmenter.is_none() || is_lost {
            // From where decoding can begin, in the run that goes on.
            let run = ring.newest_run().unwrap_or(numbers.end);
            let begin = ring.last_begin().filter(|begin| *begin >= run);
            state.next = begin.unwrap_or(numbers.end).max(state.next);
        }
        while let Some(packet) = ring.get(state.next) {
            state.next += 1;
            state.take(packet);
        }
    }
}

impl FeedState {
    fn take(&mut self, packet: &Packet) {
        let begins = packet.key || packet.refresh.is_some();
        if !self.fragmenter.as_ref().is_some_and(|fragmenter| fragmenter.fits(packet)) {
            self.fragmenter = None;
            self.head = None;
            self.forget_group();
            if !begins {
                return;
            }
            match Fragmenter::begin(packet) {
                Ok((fragmenter, head)) => {
                    let head = Arc::new(head);
                    self.fragmenter = Some(fragmenter);
                    self.head = Some(head.clone());
                    self.why_not = None;
                    let _ = self.sender.send(LiveItem::Head(head));
                }
                Err(why) => {
                    self.why_not = Some(why);
                    return;
                }
            }
        }
        let Some(fragmenter) = &mut self.fragmenter else { return };
        let picture = fragmenter.picture(packet);
        if begins {
            self.forget_group();
        }
        self.group_bytes += picture.bytes.len();
        // A group without its beginning is of no use to anybody.
        if begins || !self.group.is_empty() {
            self.group.push(picture.clone());
        }
        if self.group_bytes > GROUP_BYTES_MAX {
            self.group.clear();
        }
        let _ = self.sender.send(LiveItem::Picture(picture));
    }

    fn forget_group(&mut self) {
        self.group.clear();
        self.group_bytes = 0;
    }
}

/// What a stream is, by the packets in its ring.
#[derive(Clone, Debug, Serialize)]
pub struct StreamFacts {
    /// As people say it: `H.264`.
    pub codec: &'static str,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Pictures a second.
    pub fps: f64,
    pub bits_a_second: f64,
    /// Source time of the newest picture.
    pub last_at: Timestamp,
}

/// The streams of one camera.
#[derive(Clone)]
pub struct CameraFeeds {
    pub main: Arc<LiveFeed>,
    /// The sub-stream (`detect_url`), where there is one.
    pub sub: Option<Arc<LiveFeed>>,
}

impl CameraFeeds {
    /// The sub-stream's where that is wished and there is one, else the main stream's.
    pub fn of(&self, sub: bool) -> Arc<LiveFeed> {
        self.sub.as_ref().filter(|_| sub).unwrap_or(&self.main).clone()
    }
}

/// Those of all cameras; cameras come and leave.
#[derive(Clone, Default)]
pub struct LiveFeeds(Arc<Mutex<HashMap<SourceId, CameraFeeds>>>);

impl LiveFeeds {
    /// The camera has these rings from now on; who watches one that stays goes on, and others are let go.
    pub fn set(
        &self,
        id: &SourceId,
        main: &Arc<Mutex<Ring>>,
        sub: Option<&Arc<Mutex<Ring>>>,
    ) -> CameraFeeds {
        let mut all = lock(&self.0);
        let known = all.get(id).filter(|known| Arc::ptr_eq(&known.main.ring, main));
        let main = known.map_or_else(|| LiveFeed::of(main), |known| known.main.clone());
        let feeds = CameraFeeds { main, sub: sub.map(LiveFeed::of) };
        if let Some(old) = all.insert(id.clone(), feeds.clone()) {
            let gone = Some(old.main).filter(|main| !Arc::ptr_eq(main, &feeds.main));
            gone.into_iter().chain(old.sub).for_each(|feed| feed.end());
        }
        feeds
    }

    pub fn get(&self, id: &SourceId) -> Option<CameraFeeds> {
        lock(&self.0).get(id).cloned()
    }

    /// The camera is gone.
    pub fn remove(&self, id: &SourceId) {
        let gone = lock(&self.0).remove(id);
        let gone = gone.into_iter().flat_map(|old| [Some(old.main), old.sub]);
        gone.flatten().for_each(|feed| feed.end());
    }
}

#[cfg(test)]
#[path = "tests_live_feed.rs"]
mod tests;
