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
    hw::{self, HwDevice},
};
use crate::domain::HwDecode;

/// A device that did not start, or failed a camera, is tried again after so long.
const RETRY_AFTER: Duration = Duration::from_secs(300);
/// Log lines about devices that are remembered, so that each is written once.
const LOGGED_MAX: usize = 64;

/// Names a device: by which interface, and which of several.
type Name = (HwDecode, Option<String>);

#[derive(Default)]
struct OpenDevices {
    open: BTreeMap<Name, Arc<HwDevice>>,
    failed: BTreeMap<Name, (String, Instant)>,
    logged: BTreeSet<String>,
}

/// All devices of the process that some camera asked for.
#[derive(Default)]
pub(super) struct Devices(Mutex<OpenDevices>);

impl Devices {
    /// The device, opened when it is first asked for; a failure is remembered for a while.
    fn get(&self, name: &Name, now: Instant) -> Result<Arc<HwDevice>, String> {
        let mut devices = self.locked();
        if let Some(device) = devices.open.get(name) {
            return Ok(device.clone());
        }
        if let Some((reason, at)) = devices.failed.get(name)
            && now.duration_since(*at) < RETRY_AFTER
        {
            return Err(reason.clone());
        }
        match HwDevice::open(name.0, name.1.as_deref()) {
            Ok(device) => {
                let device = Arc::new(device);
                devices.failed.remove(name);
                devices.open.insert(name.clone(), device.clone());
                devices.log_once(name, None);
                Ok(device)
            }
            Err(reason) => {
                devices.log_once(name, Some(&reason));
                devices.failed.insert(name.clone(), (reason.clone(), now));
                Err(reason)
            }
        }
    }

    /// The device has failed: the next camera opens it anew. Cameras that use it go on.
    fn forget(&self, device: &Arc<HwDevice>) {
        self.locked().open.retain(|_, open| !Arc::ptr_eq(open, device));
    }

    fn locked(&self) -> MutexGuard<'_, OpenDevices> {
        // As `base::lock`, which this room does not import: the content is whole at every instant.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenDevices {
    /// Logs one line a device and outcome, however many cameras ask for it and however often.
    fn log_once(&mut self, (way, place): &Name, failure: Option<&str>) {
        let device = place.as_deref().unwrap_or("the first");
        let line = format!("{way:?} {device} {failure:?}");
        if self.logged.len() >= LOGGED_MAX {
            self.logged.clear();
        }
        if self.logged.insert(line) {
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
    /// Why it is not what was asked for, in one sentence.
    pub unmet: Option<String>,
}

/// What one camera asks for, and what it got.
pub struct Hardware {
    wish: HwDecode,
    place: Option<String>,
    /// Why it is not decoded by the device asked for, and since when.
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
    pub(super) fn device(&mut self, devices: &Devices) -> Option<Arc<HwDevice>> {
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
    pub(super) fn not_opened(&mut self, device: &HwDevice, reason: &str) {
        self.refuse(format!("{}: {reason}", device.name()));
    }

    /// What the decoder has met since. True: it gives no more pictures, and what it was given is to
    /// be decoded anew by another.
    pub(super) fn check(&mut self, decoder: &mut Decoder, devices: &Devices) -> bool {
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

/// One line for each kind of device that FFmpeg here knows and a camera can ask for: whether it starts.
pub fn decoding_devices() -> Vec<String> {
    hw::begin();
    let kinds = hw::kinds();
    let all = [HwDecode::Vulkan, HwDecode::Vdpau];
    let wished = HwDecode::AUTO
        .iter()
        .chain(&all)
        .filter(|way| **way == HwDecode::V4l2m2m || kinds.iter().any(|kind| kind == way.as_str()));
    wished
        .map(|way| match HwDevice::open(*way, None) {
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
        devices.locked().failed.values().next().unwrap().1
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
        later(&mut devices.locked().failed.values_mut().next().unwrap().1);
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
            devices.locked().failed.insert(name(way), failed);
        }
        let mut hardware = Hardware::new(HwDecode::Auto, None);
        assert!(hardware.device(&devices).is_none());
        let why = "cuda: no cuda; vaapi: no vaapi; qsv: no qsv; v4l2m2m: no v4l2m2m";
        let by = format!("software ({why})");
        let unmet = Some(format!("wished auto, decoded by the processor: {why}"));
        assert_eq!(hardware.take_news(), Some(Decoding { by, unmet }));
        assert_eq!(hardware.take_news(), None, "reported once");
        for way in [HwDecode::Qsv, HwDecode::V4l2m2m] {
            devices.locked().open.insert(name(way), Arc::new(HwDevice::hollow(way)));
        }
        assert!(hardware.device(&devices).is_none(), "what was refused is not tried at once");
        let mut another = Hardware::new(HwDecode::Auto, None);
        assert_eq!(another.device(&devices).unwrap().name(), "qsv");
    }
}
