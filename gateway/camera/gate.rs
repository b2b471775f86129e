//! When a camera is looked at: asleep on key frames, awake on everything. Pure, on the pictures' own time.
//!
//! **V1** A camera has three levels. Its packets always go into its ring, without decoding. Asleep,
//! a key frame is decoded at most every `look_every_s`, by a decoder that is lent, to brightness in
//! blocks, and compared with a background that learns. A look that differs where a rule looks wakes it:
//! decoding goes back to the last key frame that vision knows of and on from there, so that what
//! happened between two looks is seen with its own time. It stays awake until nothing has moved for
//! a while, or until what moves has long been nothing that counts.
//!
//! A camera whose key frames are more than 10 s apart never sleeps (`long-gop`), nor does one that
//! sends none, or none that can be decoded alone (`no-key-frame`: intra refresh, or a connection
//! in the middle of a long group). It is asked at each packet then, not at key frames alone.

use jiff::{SignedDuration, Timestamp};

use super::rate::Rate;

/// Movement in which the detector finds nothing keeps a camera awake for so long.
const FUTILE_AFTER: SignedDuration = SignedDuration::from_secs(15);
/// A camera whose key frames are further apart than this cannot sleep: what happens between two of
/// them has left the ring, or is found too late to help.
pub(super) const GOP_MAX: SignedDuration = SignedDuration::from_secs(10);
/// Without a key frame for this long after it connected, decoding begins where the stream is.
pub(super) const KEY_WAIT: SignedDuration = SignedDuration::from_secs(4);
/// So many key frames in a row of which no picture came are none.
const UNDECODABLE: u8 = 3;
/// A camera with things that stay looks at them again after so long.
const VERIFY_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// After so many checks in a scene that does not change, it is checked more seldom.
const VERIFIED: u8 = 3;
const VERIFY_SELDOM: SignedDuration = SignedDuration::from_secs(60);
/// The whole picture is looked at this often while awake.
const WHOLE_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// After a press, or what a neighbour saw, a camera stays awake for so long though nothing moves.
const EXPECT_FOR: SignedDuration = SignedDuration::from_secs(8);

/// Where packets have become larger, there is a look after so long, and none if a key frame comes so soon.
const HINTED_EVERY: SignedDuration = SignedDuration::from_millis(400);
const KEY_NEAR: SignedDuration = SignedDuration::from_millis(250);

/// How a camera is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GateConfig {
    /// Everything is decoded and looked at.
    pub(super) full: bool,
    /// Between two looks, asleep.
    pub(super) look_every: SignedDuration,
    /// Likewise, while the sizes of packets would show that something begins.
    pub(super) watched_every: SignedDuration,
    /// It sleeps when nothing has moved for so long.
    pub(super) quiet_after: SignedDuration,
    /// Looks a second while awake.
    pub(super) fps: f64,
}

/// Why a camera is awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WakeCause {
    /// The first look at a scene, or another scene (its size changed, or it came back).
    Start,
    /// A look differed from the background.
    Change,
    /// The detector found somebody in a restless scene.
    Seen,
    /// A sign that has proved right for this camera (the size of packets).
    Signal,
    /// The camera itself said that something moves, and has proved right in that.
    Event,
    /// A button near by was pressed.
    Press,
    /// A camera near by found somebody.
    Neighbour,
    /// Key frames are too far apart to sleep on.
    LongGop,
    /// There is no key frame, or none yet.
    NoKeyFrame,
    /// The configuration asks for it.
    Full,
}

impl WakeCause {
    /// As metrics and explanations call it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Change => "change",
            Self::Seen => "seen",
            Self::Signal => "signal",
            Self::Event => "event",
            Self::Press => "press",
            Self::Neighbour => "neighbour",
            Self::LongGop => "long-gop",
            Self::NoKeyFrame => "no-key-frame",
            Self::Full => "full",
        }
    }
}

impl WakeCause {
    /// Somebody was announced, and may still be on his way.
    fn expects(self) -> bool {
        matches!(self, Self::Press | Self::Neighbour)
    }
}

/// Why it fell asleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SleepReason {
    /// Nothing has moved for a while.
    Quiet,
    /// It moves on, and the detector finds nothing in it.
    Futile,
}

#[derive(Clone, Copy, Debug)]
enum GateState {
    Asleep,
    Awake {
        cause: WakeCause,
        moved_at: Timestamp,
        found_at: Timestamp,
        /// When somebody was last announced.
        expected_at: Option<Timestamp>,
    },
}

/// Decides for one camera which key frames and pictures are looked at, and when it sleeps.
pub(super) struct Gate {
    config: GateConfig,
    state: GateState,
    rate: Rate,
    /// Time of the latest picture that was reported to vision, asleep or awake.
    reported_at: Option<Timestamp>,
    /// Time of the latest picture that was looked at awake.
    seen_at: Option<Timestamp>,
    looked_at: Option<Timestamp>,
    whole_at: Option<Timestamp>,
    second_at: Option<Timestamp>,
    verified_at: Option<Timestamp>,
    /// How often what stays was checked since something last changed.
    verified: u8,
    key_at: Option<Timestamp>,
    gop: Option<SignedDuration>,
    /// Since when a key frame is waited for, where none has come.
    waits_from: Option<Timestamp>,
    /// None has come for too long, or recovery points came in its place.
    no_key: bool,
    /// Recovery points have come: the stream refreshes its picture little by little.
    refreshes: bool,
    /// Key frames in a row that gave no picture.
    undecodable: u8,
    holds: bool,
    /// The sizes of packets would show that something begins.
    watched: bool,
}

impl Gate {
    /// Asleep, and nothing is known of the stream.
    pub(super) fn new(config: GateConfig) -> Self {
        Self {
            rate: Rate::new(config.fps),
            config,
            state: GateState::Asleep,
            reported_at: None,
            seen_at: None,
            looked_at: None,
            whole_at: None,
            second_at: None,
            verified_at: None,
            verified: 0,
            key_at: None,
            gop: None,
            waits_from: None,
            no_key: false,
            refreshes: false,
            undecodable: 0,
            holds: false,
            watched: false,
        }
    }

    /// 1 asleep (it looks now and then), 2 awake.
    #[cfg(test)]
    pub(super) fn level(&self) -> u8 {
        if self.awake().is_some() { 2 } else { 1 }
    }

    /// Why it is awake, if it is.
    pub(super) fn awake(&self) -> Option<WakeCause> {
        match self.state {
            GateState::Asleep => None,
            GateState::Awake { cause, .. } => Some(cause),
        }
    }

    /// Time of the latest picture that was reported to vision.
    pub(super) fn reported_at(&self) -> Option<Timestamp> {
        self.reported_at
    }

    /// Time of the latest picture that was looked at awake.
    pub(super) fn seen_at(&self) -> Option<Timestamp> {
        self.seen_at
    }

    /// Between the two latest key frames.
    pub(super) fn gop(&self) -> Option<SignedDuration> {
        self.gop
    }

    /// Between two looks, asleep.
    pub(super) fn look_every(&self) -> SignedDuration {
        if self.watched { self.config.watched_every } else { self.config.look_every }
    }

    /// Whether the sizes of packets would show that something begins.
    pub(super) fn watch_sizes(&mut self, watched: bool) {
        self.watched = watched;
    }

    /// Key frames came that this gate did not see: the distance to the next one is not the GOP.
    pub(super) fn missed_keys(&mut self) {
        (self.key_at, self.waits_from) = (None, None);
    }

    /// A packet has come that is no key frame; `refreshes`: it is a recovery point.
    pub(super) fn waits(&mut self, at: Timestamp, refreshes: bool) {
        self.refreshes |= refreshes;
        if self.key_at.is_some() {
            return;
        }
        let from = *self.waits_from.get_or_insert(at);
        let known = self.gop.is_some();
        let patience = if known { GOP_MAX } else { KEY_WAIT };
        self.no_key |= self.refreshes && !known || at.duration_since(from) > patience;
    }

    /// Whether a picture came of a key frame that was decoded alone.
    pub(super) fn decoded_alone(&mut self, picture: bool) {
        self.undecodable = if picture { 0 } else { self.undecodable.saturating_add(1) };
    }

    /// What people are told of a stream that cannot sleep for this.
    pub(super) fn advice(&self, why: WakeCause) -> &'static str {
        match (why, self.refreshes) {
            (WakeCause::NoKeyFrame, true) => {
                "it sends none (intra refresh), so everything is decoded, and its clips build up at their beginning; switch intra refresh off in the camera, and have a key frame every 1 to 2 s"
            }
            (WakeCause::NoKeyFrame, false) => {
                "none came that can be decoded, so everything is decoded from where the stream is, and its pictures build up until one comes; have one every 1 to 2 s"
            }
            _ => "they are more than 10 s apart, so everything is decoded; have one every 1 to 2 s",
        }
    }

    /// A key frame has come: measures the distance between key frames.
    pub(super) fn key(&mut self, at: Timestamp) {
        self.no_key = false;
        // Where it was waited for longer than a group may be, so much is known of the group.
        let waited = self.waits_from.take().filter(|from| at.duration_since(*from) > GOP_MAX);
        if let Some(before) = self.key_at.replace(at).or(waited) {
            let gop = at.duration_since(before);
            self.gop = (gop > SignedDuration::ZERO).then_some(gop).or(self.gop);
        }
    }

    /// A connection began anew, the stream became another one, or the clock stepped back.
    pub(super) fn begin(&mut self, at: Timestamp) {
        (self.key_at, self.gop, self.looked_at) = (None, None, None);
        (self.waits_from, self.no_key, self.refreshes, self.undecodable) = (None, false, false, 0);
        // After a clock that stepped back, the time that was reported to vision lies in the future,
        // and so do the times that keep the camera awake.
        self.reported_at = self.reported_at.filter(|reported| *reported <= at);
        if let GateState::Awake { moved_at, found_at, expected_at, .. } = &mut self.state {
            (*moved_at, *found_at) = ((*moved_at).min(at), (*found_at).min(at));
            *expected_at = expected_at.map(|then| then.min(at));
        }
        self.seen_at = self.seen_at.filter(|seen| *seen <= at);
    }

    /// Another stream of the camera is looked at: its key frames are others, and the next is due.
    pub(super) fn another_stream(&mut self) {
        (self.key_at, self.gop, self.looked_at) = (None, None, None);
        (self.waits_from, self.no_key, self.refreshes, self.undecodable) = (None, false, false, 0);
    }

    /// Why it cannot sleep on its key frames: there are none, or they are too far apart, or the latest
    /// is too long ago.
    pub(super) fn sleepless(&self, now: Timestamp) -> Option<WakeCause> {
        // One key frame, and then recovery points: the encoder begins so and never sends another.
        let refreshed = self.refreshes && self.gop.is_none();
        if self.no_key || refreshed || self.undecodable >= UNDECODABLE {
            return Some(WakeCause::NoKeyFrame);
        }
        let open = self.key_at.is_some_and(|key| now.duration_since(key) > GOP_MAX);
        let long = open || self.gop.is_some_and(|gop| gop > GOP_MAX);
        long.then_some(WakeCause::LongGop)
    }

    /// Whether this key frame is looked at, asleep.
    pub(super) fn wants_look(&self, at: Timestamp) -> bool {
        self.looked_at.is_none_or(|looked| {
            let since = at.duration_since(looked);
            // A twentieth earlier, because cameras are not exact. A clock that stepped back makes a
            // look due at once.
            since >= self.look_every() * 19 / 20 || since < SignedDuration::ZERO
        })
    }

    /// Whether this moment is looked at because packets have become larger: not so soon after the look before, nor
    /// when the next key frame is about to come, which costs less.
    pub(super) fn wants_hinted(&self, at: Timestamp) -> bool {
        let soon = self.looked_at.is_some_and(|looked| {
            (SignedDuration::ZERO..HINTED_EVERY).contains(&at.duration_since(looked))
        });
        let next_key = self.key_at.zip(self.gop).map(|(key_at, gop)| key_at + gop);
        let is_near_key = next_key
            .is_some_and(|key| (SignedDuration::ZERO..KEY_NEAR).contains(&key.duration_since(at)));
        !soon && !is_near_key
    }

    /// Whether the next key frame is so far away that a look before it shows more than that one: by more
    /// than half of what lies between two looks.
    pub(super) fn is_far_from_key(&self, at: Timestamp) -> bool {
        let every = self.look_every();
        self.key_at
            .zip(self.gop)
            .is_some_and(|(key_at, gop)| gop > every + every / 4 && key_at + gop > at + every / 2)
    }

    /// The next key frame is looked at, however short ago the last one was.
    pub(super) fn hurry(&mut self) {
        self.looked_at = None;
    }

    /// The key frame of this time was looked at, and nothing is different.
    pub(super) fn looked(&mut self, at: Timestamp) {
        self.looked_at = Some(at);
    }

    /// The picture of this time was reported to vision and need not be shown again.
    pub(super) fn reported(&mut self, at: Timestamp) {
        self.reported_at = Some(at);
    }

    /// Whether what stays in the scene is due to be looked at again.
    pub(super) fn verifies(&mut self, at: Timestamp) -> bool {
        let every = if self.verified < VERIFIED { VERIFY_EVERY } else { VERIFY_SELDOM };
        let due = self.holds && is_due(self.verified_at, at, every);
        if due {
            (self.verified_at, self.verified) = (Some(at), self.verified.saturating_add(1));
        }
        due
    }

    /// From now on everything is decoded.
    pub(super) fn wake(&mut self, cause: WakeCause, at: Timestamp) {
        if self.awake().is_none() {
            let expected_at = cause.expects().then_some(at);
            self.state = GateState::Awake { cause, moved_at: at, found_at: at, expected_at };
            (self.rate, self.whole_at) = (Rate::new(self.config.fps), None);
        }
    }

    /// Pictures that were wanted and never came out of the decoder are decoded anew, so they are
    /// wanted again.
    pub(super) fn want_again(&mut self) {
        self.rate = Rate::new(self.config.fps);
        self.reported_at.map(|reported| self.rate.wants(reported));
    }

    /// An awake camera stays awake as long as if this cause had woken it now.
    pub(super) fn stay(&mut self, cause: WakeCause, at: Timestamp) {
        if let GateState::Awake { expected_at, .. } = &mut self.state
            && cause.expects()
        {
            *expected_at = Some(at);
        }
    }

    /// When it wakes, it replays from this time on what it only looked at asleep.
    pub(super) fn recall(&mut self, from: Timestamp) {
        let from = self.seen_at.map_or(from, |seen| seen.max(from));
        self.reported_at = self.reported_at.map(|reported| reported.min(from));
    }

    /// Whether the picture of this time is looked at, awake. What was reported to vision already is
    /// not looked at again.
    pub(super) fn wants(&mut self, at: Timestamp) -> bool {
        // Each picture passes through the rate, or the first new one would count as the first of its slot.
        let due = self.rate.wants(at);
        due && self.reported_at.is_none_or(|reported| at > reported)
    }

    /// As [`Gate::wants_whole`], but it stays due.
    pub(super) fn is_whole_due(&self, at: Timestamp) -> bool {
        self.config.full || is_due(self.whole_at, at, WHOLE_EVERY)
    }

    /// Whether the whole of this picture is looked at, besides where something differs.
    pub(super) fn wants_whole(&mut self, at: Timestamp) -> bool {
        let due = self.is_whole_due(at);
        if due {
            (self.whole_at, self.verified_at, self.verified) = (Some(at), Some(at), 0);
        }
        due
    }

    /// Whether a second has passed, awake, since this was asked and answered yes.
    pub(super) fn is_second(&mut self, at: Timestamp) -> bool {
        let due = is_due(self.second_at, at, WHOLE_EVERY);
        if due {
            self.second_at = Some(at);
        }
        due
    }

    /// A picture was looked at, awake; whether the camera may sleep after it, and why.
    pub(super) fn looked_awake(&mut self, at: Timestamp, moves: bool) -> Option<SleepReason> {
        (self.reported_at, self.looked_at, self.seen_at) = (Some(at), Some(at), Some(at));
        let sleepless = self.sleepless(at);
        let GateState::Awake { cause, moved_at, found_at, expected_at } = &mut self.state else {
            return None;
        };
        if moves {
            // A replayed picture is older than what woke the camera; the later of the two counts.
            *moved_at = (*moved_at).max(at);
        }
        if self.config.full {
            *cause = WakeCause::Full;
            return None;
        }
        if let Some(why) = sleepless {
            *cause = why;
            return None;
        }
        if matches!(cause, WakeCause::LongGop | WakeCause::NoKeyFrame) {
            *cause = WakeCause::Start;
        }
        let expected = expected_at.is_some_and(|then| at.duration_since(then) < EXPECT_FOR);
        let quiet = at.duration_since(*moved_at) >= self.config.quiet_after && !expected;
        let futile = at.duration_since(*found_at) >= FUTILE_AFTER;
        let reason = match (quiet, futile) {
            (true, _) => Some(SleepReason::Quiet),
            (_, true) => Some(SleepReason::Futile),
            _ => None,
        };
        if reason.is_some() {
            self.state = GateState::Asleep;
        }
        reason
    }

    /// Vision has looked at the picture of this time. `holds`: something that counts is there;
    /// `found`: it was found where something differs.
    pub(super) fn feedback(&mut self, at: Timestamp, holds: bool, found: bool) {
        self.holds = holds;
        if let GateState::Awake { found_at, .. } = &mut self.state
            && found
        {
            *found_at = (*found_at).max(at);
        }
    }
}

fn is_due(last: Option<Timestamp>, at: Timestamp, every: SignedDuration) -> bool {
    last.is_none_or(|last| at.duration_since(last) >= every || at < last)
}

#[cfg(test)]
#[path = "tests_gate.rs"]
mod tests;
