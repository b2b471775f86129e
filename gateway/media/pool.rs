//! Decoders that are lent: a camera that sleeps has none, and few frames are held by all together.

use std::sync::{Condvar, Mutex, MutexGuard};

use super::{
    decode::{Decoder, Filter, Frame},
    session::Seen,
};

struct Inside {
    idle: Vec<Decoder>,
    lent: usize,
}

/// Lends decoders for single key frames, and takes back those of cameras that fell asleep.
pub struct Pool {
    inside: Mutex<Inside>,
    back: Condvar,
    /// Key frames that are decoded at once, and decoders kept when nobody needs them.
    decoders_max: usize,
}

impl Pool {
    pub fn new(decoders_max: usize) -> Self {
        let inside = Inside { idle: Vec::new(), lent: 0 };
        Self { inside: Mutex::new(inside), back: Condvar::new(), decoders_max: decoders_max.max(1) }
    }

    /// A key frame by itself, without the loop filter; waits while all are busy.
    pub fn still(&self, seen: &Seen) -> Result<Frame, String> {
        let mut inside = self
            .back
            .wait_while(self.held(), |inside| inside.lent >= self.decoders_max)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        inside.lent += 1;
        let known = take(&mut inside.idle, seen);
        drop(inside);
        let opened = known.map_or_else(|| Decoder::of(seen), Ok);
        let frame = opened.and_then(|mut decoder| {
            decoder.filter(Filter::None);
            let frame = decoder.still(seen);
            self.give_back(decoder);
            frame
        });
        self.held().lent -= 1;
        self.back.notify_one();
        frame
    }

    /// One for a camera that wakes; its own until it is given back.
    pub fn lend(&self, seen: &Seen) -> Result<Decoder, String> {
        let known = take(&mut self.held().idle, seen);
        let mut decoder = known.map_or_else(|| Decoder::of(seen), Ok)?;
        decoder.begin(seen);
        // Tried without it, for 30 % less: what is left out adds up until the next key frame, and
        // then everything seems to have changed.
        decoder.filter(Filter::Safe);
        Ok(decoder)
    }

    pub fn give_back(&self, decoder: Decoder) {
        let mut inside = self.held();
        inside.idle.push(decoder);
        if inside.idle.len() > self.decoders_max {
            inside.idle.remove(0);
        }
    }

    /// Decoders that nobody has now, and those that are at work on a key frame.
    #[cfg(test)]
    pub fn counts(&self) -> (usize, usize) {
        let inside = self.held();
        (inside.idle.len(), inside.lent)
    }

    fn held(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn take(idle: &mut Vec<Decoder>, seen: &Seen) -> Option<Decoder> {
    let at = idle.iter().position(|decoder| decoder.is_like(seen))?;
    Some(idle.swap_remove(at))
}
