//! Decoders that are lent: a camera that sleeps has none, and few frames are held by all together.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::{
    decode::{Decoder, Filter, Frame},
    hardware::{Devices, Hardware},
    hw::Device,
    session::Packet,
};

struct Inner {
    idle: Vec<Decoder>,
    lent: usize,
}

/// Lends decoders for single key frames, and takes back those of cameras that fell asleep.
pub struct Pool {
    inside: Mutex<Inner>,
    back: Condvar,
    /// Key frames that are decoded at once, and decoders kept when nobody needs them.
    decoders_max: usize,
    devices: Devices,
}

impl Pool {
    pub fn new(decoders_max: usize) -> Self {
        let inside = Inner { idle: Vec::new(), lent: 0 };
        Self {
            inside: Mutex::new(inside),
            back: Condvar::new(),
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
        let mut inside = self
            .back
            .wait_while(self.held(), |inside| inside.lent >= self.decoders_max)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        inside.lent += 1;
        drop(inside);
        let frame = self.key_frame_of(packet, hardware);
        self.held().lent -= 1;
        self.back.notify_one();
        frame
    }

    fn key_frame_of(&self, packet: &Packet, hardware: &mut Hardware) -> Result<Frame, String> {
        loop {
            let mut decoder = self.open(packet, hardware)?;
            decoder.filter(Filter::None);
            let frame = decoder.decode_key_frame(packet);
            // Refused from now on, the next one is of the processor: at most one more round.
            if !self.has_died(&mut decoder, hardware) {
                self.give_back(decoder);
                return frame;
            }
        }
    }

    /// Whether what this decoder was given is to be decoded anew, by another.
    pub fn has_died(&self, decoder: &mut Decoder, hardware: &mut Hardware) -> bool {
        hardware.look(decoder, &self.devices)
    }

    /// On the device that the camera wishes, else by the processor.
    fn open(&self, packet: &Packet, hardware: &mut Hardware) -> Result<Decoder, String> {
        let device = hardware.device(&self.devices);
        if let Some(known) = take(&mut self.held().idle, packet, device.as_ref()) {
            return Ok(known);
        }
        if let Some(device) = device {
            match Decoder::of_device(packet, &device) {
                Ok(decoder) => return Ok(decoder),
                Err(reason) => hardware.not_opened(&device, &reason),
            }
        }
        Decoder::of(packet)
    }

    /// One for a camera that wakes; its own until it is given back.
    pub fn lend(&self, packet: &Packet, hardware: &mut Hardware) -> Result<Decoder, String> {
        let mut decoder = self.open(packet, hardware)?;
        decoder.begin(packet);
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

    fn held(&self) -> MutexGuard<'_, Inner> {
        self.inside.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn take(idle: &mut Vec<Decoder>, packet: &Packet, device: Option<&Arc<Device>>) -> Option<Decoder> {
    let at = idle.iter().position(|decoder| decoder.is_like(packet) && decoder.is_on(device))?;
    Some(idle.swap_remove(at))
}
