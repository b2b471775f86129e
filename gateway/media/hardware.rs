//! What each camera is decoded by: the device it wished, or the processor and why. Devices are opened once for all.
//!
//! **V6** A wish for hardware is never a reason to see less, and it is never dropped in silence. A
//! device that takes no stream, or gives no more pictures, hands its camera to the processor:
//! decoding goes back in the ring to the last key frame that vision knows of
//! (`camera/sampler/decoding.rs`), so that no picture is lost. The device is tried again every 5
//! minutes. What is not as wished is a note in `/readyz`, the heartbeat, the metrics and `gridpost
//! cameras`, and no reason not to be ready. NV12 and P010 are looked at as the device gives them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    decode::Decoder,
    hw::{self, Device},
};
use crate::domain::HwDecode;

/// A device that did not start, or failed a camera, is tried again after so long.
const RETRY_AFTER: Duration = Duration::from_secs(300);
/// Sentences about devices that are remembered so that each is told once.
const TOLD_MAX: usize = 64;

/// Which device: how it is spoken to, and which of several.
type Name = (HwDecode, Option<String>);

#[derive(Default)]
struct Known {
    open: BTreeMap<Name, Arc<Device>>,
    failed: BTreeMap<Name, (String, Instant)>,
    told: BTreeSet<String>,
}

/// All devices of the process that somebody wished.
#[derive(Default)]
pub(super) struct Devices(Mutex<Known>);

impl Devices {
    /// The device, opened at the first wish; a failure is remembered for a while.
    fn get(&self, name: &Name, now: Instant) -> Result<Arc<Device>, String> {
        let mut known = self.held();
        if let Some(device) = known.open.get(name) {
            return Ok(device.clone());
        }
        if let Some((reason, at)) = known.failed.get(name)
            && now.duration_since(*at) < RETRY_AFTER
        {
            return Err(reason.clone());
        }
        match Device::open(name.0, name.1.as_deref()) {
            Ok(device) => {
                let device = Arc::new(device);
                known.failed.remove(name);
                known.open.insert(name.clone(), device.clone());
                known.tell(name, None);
                Ok(device)
            }
            Err(reason) => {
                known.tell(name, Some(&reason));
                known.failed.insert(name.clone(), (reason.clone(), now));
                Err(reason)
            }
        }
    }

    /// It failed somebody: who comes next opens it anew. Those who are on it stay.
    fn forget(&self, device: &Arc<Device>) {
        self.held().open.retain(|_, known| !Arc::ptr_eq(known, device));
    }

    fn held(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// One line a device, however many cameras wish it and however often.
    fn tell(&mut self, (way, place): &Name, failure: Option<&str>) {
        let device = place.as_deref().unwrap_or("the first");
        let line = format!("{way:?} {device} {failure:?}");
        if self.told.len() >= TOLD_MAX {
            self.told.clear();
        }
        if self.told.insert(line) {
            let kind = way.as_str();
            match failure {
                None => tracing::info!(kind, device, "decoding: the device is open"),
                Some(reason) => {
                    tracing::warn!(kind, device, reason, "decoding: the device does not start")
                }
            }
        }
    }
}

/// How a camera's pictures are decoded now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoding {
    /// `vaapi`, `software`, or `software (vaapi: reason)`.
    pub by: String,
    /// Why it is not what was wished, in one sentence.
    pub unmet: Option<String>,
}

/// One camera's wish, and what became of it.
pub struct Hardware {
    wish: HwDecode,
    place: Option<String>,
    /// Why its wish is not met, and since when.
    refused: Option<(String, Instant)>,
    now: Option<Decoding>,
    is_news: bool,
}

impl Hardware {
    /// `place`: which of several devices, as FFmpeg names them.
    pub fn new(wish: HwDecode, place: Option<String>) -> Self {
        let mut hardware = Self { wish, place, refused: None, now: None, is_news: false };
        if wish == HwDecode::Off {
            hardware.set("software".into(), None);
        }
        hardware
    }

    /// How it is decoded, once after each change.
    pub fn take_news(&mut self) -> Option<Decoding> {
        if std::mem::take(&mut self.is_news) { self.now.clone() } else { None }
    }

    /// The device to decode on; None: the processor.
    pub(super) fn device(&mut self, devices: &Devices) -> Option<Arc<Device>> {
        let now = Instant::now();
        if let Some((_, at)) = &self.refused
            && now.duration_since(*at) < RETRY_AFTER
        {
            return None;
        }
        let ways: &[HwDecode] = match &self.wish {
            HwDecode::Off => return None,
            HwDecode::Auto => &HwDecode::AUTO,
            one => std::slice::from_ref(one),
        };
        let mut reasons = Vec::new();
        for way in ways {
            match devices.get(&(*way, self.place.clone()), now) {
                Ok(device) => return Some(device),
                Err(reason) => reasons.push(format!("{}: {reason}", way.as_str())),
            }
        }
        self.refuse(reasons.join("; "));
        None
    }

    /// It could not be opened for this stream.
    pub(super) fn not_opened(&mut self, device: &Device, reason: &str) {
        self.refuse(format!("{}: {reason}", device.name()));
    }

    /// What the decoder has met since. True: it gives no more pictures, and what it was given is to
    /// be decoded anew by another.
    pub(super) fn look(&mut self, decoder: &mut Decoder, devices: &Devices) -> bool {
        let Some(on) = decoder.on() else { return false };
        let (device, works) = (on.device.clone(), on.works());
        match on.take_fault() {
            None if works => {
                self.refused = None;
                self.set(device.name().into(), None);
                false
            }
            None => false,
            Some(reason) => {
                devices.forget(&device);
                self.refuse(format!("{}: {reason}", device.name()));
                true
            }
        }
    }

    fn refuse(&mut self, reason: String) {
        self.set(format!("software ({reason})"), Some(reason.clone()));
        self.refused = Some((reason, Instant::now()));
    }

    fn set(&mut self, by: String, unmet: Option<String>) {
        let wish = self.wish.as_str();
        let unmet = unmet.map(|why| format!("wished {wish}, decoded by the processor: {why}"));
        let next = Some(Decoding { by, unmet });
        if self.now != next {
            (self.now, self.is_news) = (next, true);
        }
    }
}

/// One line a kind of device that FFmpeg here knows and a camera can wish: whether it starts.
pub fn decoding_devices() -> Vec<String> {
    hw::begin();
    let kinds = hw::kinds();
    let all = [HwDecode::Vulkan, HwDecode::Vdpau];
    let wished = HwDecode::AUTO
        .iter()
        .chain(&all)
        .filter(|way| **way == HwDecode::V4l2m2m || kinds.iter().any(|kind| kind == way.as_str()));
    wished
        .map(|way| match Device::open(*way, None) {
            Ok(_) => format!("hw_decode {}: a device is there", way.as_str()),
            Err(reason) => format!("hw_decode {}: {reason}", way.as_str()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device of which there is none here, whatever this machine has.
    fn nowhere() -> (Hardware, Devices) {
        hw::begin();
        let place = Some("/dev/dri/nothing-here".to_owned());
        (Hardware::new(HwDecode::Vaapi, place), Devices::default())
    }

    fn failed_at(devices: &Devices) -> Instant {
        devices.held().failed.values().next().unwrap().1
    }

    #[test]
    fn v6_a_device_that_does_not_start_is_tried_again_after_five_minutes_and_no_sooner() {
        let (mut hardware, devices) = nowhere();
        assert!(hardware.device(&devices).is_none());
        let first = failed_at(&devices);
        assert!(hardware.device(&devices).is_none());
        assert_eq!(failed_at(&devices), first, "it was tried again at once");
        // Another camera with the same wish has the answer of the first.
        let (mut other, _) = nowhere();
        assert!(other.device(&devices).is_none());
        assert_eq!(failed_at(&devices), first, "each camera tries it");
        let later = |at: &mut Instant| *at = at.checked_sub(RETRY_AFTER).unwrap();
        later(&mut hardware.refused.as_mut().unwrap().1);
        later(&mut devices.held().failed.values_mut().next().unwrap().1);
        assert!(hardware.device(&devices).is_none());
        assert!(failed_at(&devices) >= first, "it was not tried again");
        assert!(hardware.refused.unwrap().1 >= first);
    }

    #[test]
    fn v6_auto_takes_the_first_that_starts_and_says_of_each_why_not() {
        let devices = Devices::default();
        let name = |way: HwDecode| (way, None);
        for way in HwDecode::AUTO {
            let failed = (format!("no {}", way.as_str()), Instant::now());
            devices.held().failed.insert(name(way), failed);
        }
        let mut hardware = Hardware::new(HwDecode::Auto, None);
        assert!(hardware.device(&devices).is_none());
        let why = "cuda: no cuda; vaapi: no vaapi; qsv: no qsv; v4l2m2m: no v4l2m2m";
        let by = format!("software ({why})");
        let unmet = Some(format!("wished auto, decoded by the processor: {why}"));
        assert_eq!(hardware.take_news(), Some(Decoding { by, unmet }));
        assert_eq!(hardware.take_news(), None, "said once");
        for way in [HwDecode::Qsv, HwDecode::V4l2m2m] {
            devices.held().open.insert(name(way), Arc::new(Device::hollow(way)));
        }
        assert!(hardware.device(&devices).is_none(), "what was refused is not tried at once");
        let mut another = Hardware::new(HwDecode::Auto, None);
        assert_eq!(another.device(&devices).unwrap().name(), "qsv");
    }
}
