//! Pictures of the main stream at moments that the sub-stream names: decoded from its ring when they are asked for.
//!
//! Nothing of the main stream is decoded until a look needs its pixels. Then decoding begins at the
//! key frame before that moment and goes on from moment to moment; a later key frame is a shorter
//! way where there is one. A moment whose packets are still on their way is waited for, by as much
//! as two encoders of one camera differ.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use jiff::{SignedDuration, Timestamp};

use crate::media::{Decoder, Frame, Hardware, Packet, Pool, Ring};

/// A picture from so long before a moment on is of that moment.
const EARLY: SignedDuration = SignedDuration::from_millis(25);
/// And one until so long after it, where pictures are seldom or some cannot be decoded.
const NEAR: SignedDuration = SignedDuration::from_millis(300);
/// The main stream may come this much later than the sub-stream; what comes later is not waited for.
pub(super) const LATE: SignedDuration = SignedDuration::from_millis(1_500);
/// Decoding does not begin at a key frame that is further back: it would take longer than it helps.
const BEGIN_MAX: SignedDuration = SignedDuration::from_secs(5);
/// Packets after a moment by which its picture must have come out of the decoder.
const DECODED_WITHIN: SignedDuration = SignedDuration::from_secs(1);

/// The answer to who asks for the picture of a moment.
pub(super) enum Lent {
    /// It is here.
    Picture(Box<Frame>),
    /// A packet was decoded; ask again.
    Progress,
    /// Its packets have not come; ask again when more have.
    Wait,
    /// There is none, in a few words that do not change from one moment to the next.
    None(&'static str),
}

/// The decoding of a camera's main stream.
pub(super) struct MainStream {
    ring: Arc<Mutex<Ring>>,
    /// Number of the next packet for the decoder.
    next: u64,
    /// Decoding goes on from where it is; else it begins at a key frame.
    follows: bool,
    decoder: Option<Decoder>,
    /// What came out and may be asked for, oldest first; what is older than was asked for is gone.
    frames: VecDeque<Frame>,
    /// No packets will come any more (a recording).
    pub(super) ended: bool,
}

impl MainStream {
    /// Nothing is decoded yet.
    pub(super) fn new(ring: Arc<Mutex<Ring>>) -> Self {
        let (decoder, frames) = (None, VecDeque::new());
        Self { ring, next: 0, follows: false, decoder, frames, ended: false }
    }

    /// Nobody asks for the time being: the decoder is given back.
    pub(super) fn rest(&mut self, pool: &Pool) {
        self.follows = false;
        self.frames.clear();
        if let Some(decoder) = self.decoder.take() {
            pool.give_back(decoder);
        }
    }

    /// The picture of this moment. `sub_at`: time of the newest packet of the sub-stream; `waits`:
    /// whether the main stream goes on at all.
    pub(super) fn picture_at(
        &mut self,
        at: Timestamp,
        sub_at: Timestamp,
        waits: bool,
        (pool, hardware): (&Pool, &mut Hardware),
    ) -> Lent {
        while self.frames.front().is_some_and(|frame| frame.at < at - EARLY) {
            self.frames.pop_front();
        }
        match self.frames.front() {
            Some(frame) if frame.at <= at + NEAR => return Lent::Picture(Box::new(frame.clone())),
            Some(frame) if frame.at <= at + BEGIN_MAX => {
                return Lent::None("it has no picture of that moment");
            }
            // The clock was set back since.
            Some(_) => self.rest(pool),
            None => {}
        }
        let packet = match self.next_packet(at, sub_at, waits, pool) {
            Ok(packet) => packet,
            Err(answer) => return answer,
        };
        self.decode(&packet, pool, hardware);
        Lent::Progress
    }

    /// The next packet to decode on the way to this moment.
    fn next_packet(
        &mut self,
        at: Timestamp,
        sub_at: Timestamp,
        waits: bool,
        pool: &Pool,
    ) -> Result<Packet, Lent> {
        let ring = self.ring.clone();
        let ring = ring.lock().map_err(|_| Lent::None("its packets are lost"))?;
        let newest_at = match ring.newest() {
            Some(newest) => newest.at,
            None if waits && sub_at.duration_since(at) <= LATE => return Err(Lent::Wait),
            None => return Err(Lent::None("it has not come yet")),
        };
        let key = ring.key_by(at).ok_or(Lent::None("it has no key frame"))?;
        let key_at = ring.get(key).map_or(at, |key| key.at);
        // Where packets have left the ring, the key frame is beyond the next one.
        if !self.follows || self.next < key {
            if key_at > at + NEAR {
                return Err(Lent::None("it begins later"));
            }
            if at.duration_since(key_at) > BEGIN_MAX {
                return Err(Lent::None("its key frames are more than 5 s apart"));
            }
            self.rest(pool);
            (self.next, self.follows) = (key, true);
        }
        if let Some(packet) = ring.get(self.next) {
            if packet.at > at + DECODED_WITHIN {
                return Err(Lent::None("it cannot be decoded"));
            }
            self.next += 1;
            return Ok(packet.clone());
        }
        let late = sub_at.duration_since(newest_at) > LATE;
        Err(match (waits && !self.ended, late) {
            (true, false) => Lent::Wait,
            (true, true) => Lent::None("it comes more than 1.5 s late"),
            (false, _) => Lent::None("it is silent"),
        })
    }

    fn decode(&mut self, packet: &Packet, pool: &Pool, hardware: &mut Hardware) {
        if self.decoder.as_ref().is_some_and(|decoder| !decoder.fits(packet)) {
            self.decoder = None;
        }
        if self.decoder.is_none() {
            if !packet.key {
                return;
            }
            match pool.lend(packet, hardware) {
                Ok(decoder) => self.decoder = Some(decoder),
                Err(error) => return tracing::debug!(error, "main stream: no decoder"),
            }
        }
        let Some(decoder) = &mut self.decoder else { return };
        if let Err(error) = decoder.send(packet) {
            tracing::debug!(error, "main stream: a packet that cannot be decoded");
        }
        while let Some(frame) = decoder.receive() {
            self.frames.push_back(frame);
        }
        if pool.has_died(decoder, hardware) {
            // What the device was given is decoded again, from the key frame on, by the processor.
            (self.decoder, self.follows) = (None, false);
        }
    }
}
