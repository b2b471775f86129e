//! Decoders that are lent: a camera that sleeps has none, and few frames are held by all together.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{
    decode::{Decoder, Frame, LoopFilter},
    hardware::{Devices, Hardware},
    hw::HwDevice,
    session::Packet,
};

struct Inner {
    idle: Vec<Decoder>,
    lent: usize,
}

/// Lends decoders for single key frames, and takes back those of cameras that fell asleep.
pub struct Pool {
    inner: Mutex<Inner>,
    returned: Condvar,
    /// Key frames that are decoded at once, at most, and idle decoders that are kept.
    decoders_max: usize,
    devices: Devices,
}

/// A place among those who decode a key frame; given back by a panic too, or each panic would cost
/// all cameras one place for ever.
struct Lent<'p>(&'p Pool);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.locked().lent -= 1;
        self.0.returned.notify_one();
    }
}

impl Pool {
    /// Idle, for at most so many key frames at once.
    pub fn new(decoders_max: usize) -> Self {
        let inner = Inner { idle: Vec::new(), lent: 0 };
        Self {
            inner: Mutex::new(inner),
            returned: Condvar::new(),
            decoders_max: decoders_max.max(1),
            devices: Devices::default(),
        }
    }

    /// A key frame by itself, without the loop filter; waits while all are busy.
    pub fn decode_key_frame(
        &self,
        packet: &Packet,
        hardware: &mut Hardware,
    ) -> Result<Frame, String> {
        let mut inner = self
            .returned
            .wait_while(self.locked(), |inner| inner.lent >= self.decoders_max)
            .unwrap_or_else(PoisonError::into_inner);
        inner.lent += 1;
        drop(inner);
        let _lent = Lent(self);
        self.key_frame_of(packet, hardware)
    }

    fn key_frame_of(&self, packet: &Packet, hardware: &mut Hardware) -> Result<Frame, String> {
        loop {
            let mut decoder = self.open(packet, hardware)?;
            decoder.filter(LoopFilter::None);
            let frame = decoder.decode_key_frame(packet);
            // A device that failed is refused from now on, so there is at most one more round, on the
            // processor.
            if !self.has_died(&mut decoder, hardware) {
                self.give_back(decoder);
                return frame;
            }
        }
    }

    /// Whether the device of this decoder has failed: what it was given is to be decoded anew by another.
    pub fn has_died(&self, decoder: &mut Decoder, hardware: &mut Hardware) -> bool {
        hardware.check(decoder, &self.devices)
    }

    /// A decoder on the device that the camera asks for, else on the processor.
    fn open(&self, packet: &Packet, hardware: &mut Hardware) -> Result<Decoder, String> {
        let device = hardware.device(&self.devices);
        if let Some(idle) = take(&mut self.locked().idle, packet, device.as_ref()) {
            return Ok(idle);
        }
        if let Some(device) = device {
            match Decoder::of_device(packet, &device) {
                Ok(decoder) => return Ok(decoder),
                Err(reason) => hardware.not_opened(&device, &reason),
            }
        }
        Decoder::of(packet)
    }

    /// A decoder for a camera that wakes, until it is given back.
    pub fn lend(&self, packet: &Packet, hardware: &mut Hardware) -> Result<Decoder, String> {
        let mut decoder = self.open(packet, hardware)?;
        decoder.begin(packet);
        // Leaving the loop filter out everywhere was tried and saves 30 %. But the error adds up until
        // the next key frame, and then everything seems to have changed.
        decoder.filter(LoopFilter::Safe);
        Ok(decoder)
    }

    /// Takes a decoder back, for the next that needs one like it.
    pub fn give_back(&self, decoder: Decoder) {
        let mut inner = self.locked();
        inner.idle.push(decoder);
        if inner.idle.len() > self.decoders_max {
            inner.idle.remove(0);
        }
    }

    /// Decoders that nobody has now, and those that are at work on a key frame.
    #[cfg(test)]
    pub fn counts(&self) -> (usize, usize) {
        let inner = self.locked();
        (inner.idle.len(), inner.lent)
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        // As `base::lock`, which this room does not import: the content is whole at every instant.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take(
    idle: &mut Vec<Decoder>,
    packet: &Packet,
    device: Option<&Arc<HwDevice>>,
) -> Option<Decoder> {
    let at = idle.iter().position(|decoder| decoder.is_like(packet) && decoder.is_on(device))?;
    Some(idle.swap_remove(at))
}
