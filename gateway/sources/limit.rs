//! How many messages one device may send: those of one gone mad are set aside, so that they take nobody else's time.

use std::{collections::HashMap, sync::Mutex};

use crate::{
    base::Bucket,
    domain::{Body, Observation, PressForm},
};

/// Messages of one device at once; more than any button has a reason for.
const BURST_MESSAGES_MAX: f64 = 60.0;
/// And for as long as it likes. A gauge with twenty values a second still gets through.
const MESSAGES_PER_SECOND: f64 = 20.0;
/// Reports of one gauge at once: while we were away a broker has kept a day of reports of each
/// minute, and rain that is set aside is missing from every sum.
const GAUGE_BURST_MESSAGES_MAX: f64 = 1_500.0;
/// Devices that are counted; beyond it those that have been quiet are forgotten, and so are all
/// if none is.
const DEVICES_MAX: usize = 10_000;
/// Without an id, any press of a device within this time is the same press, as
/// `gateway/docs/contract.md` says.
const SAME_PRESS_WITHIN_MS: u64 = 3_000;
/// Of devices on no list, that one connection, user or address may name: messages at once (a gauge
/// brings a day of reports), and each second. Their presses go on whatever they are.
const UNLISTED_BURST_MESSAGES_MAX: f64 = 1_500.0;
const UNLISTED_MESSAGES_PER_SECOND: f64 = 60.0;

/// What one device may say.
struct DeviceLimit {
    /// Holds more once it was heard as a gauge.
    messages: Bucket,
    /// The last press that was let through, monotonic milliseconds.
    pressed_ms: Option<u64>,
    /// And the last message that nobody could read: it is no press with which a real one is compared.
    unreadable_ms: Option<u64>,
}

/// One for each broker, and one for all connections of the intake.
#[derive(Default)]
pub(super) struct Limiter {
    /// By way in and device. Locked for one message; nothing is awaited with it.
    buckets: Mutex<HashMap<String, DeviceLimit>>,
    /// By connection, user or address, of devices on no list.
    origins: Mutex<HashMap<String, Bucket>>,
}

impl Limiter {
    /// Whether these, of one message, are to be set aside: nobody reads them, and they are
    /// acknowledged after what came before them. A press with an id of its own always goes on; one
    /// without is set aside only as the same press again.
    /// `origins`: by what it is counted too, if its device is on no list.
    pub(super) fn sets_aside(
        &self,
        key: &str,
        origins: &[String],
        of: &[Observation],
        now_ms: u64,
    ) -> bool {
        let passes = of.iter().any(|one| matches!(one.body, Body::Press(_)) || is_of_others(one));
        let over = origins.iter().filter(|origin| self.is_over(origin, now_ms)).count() > 0;
        (over && !passes) || self.device_is_over(key, of, now_ms)
    }

    /// Takes a token of this origin; whether there was none.
    fn is_over(&self, origin: &str, now_ms: u64) -> bool {
        let mut origins = self.origins.lock().expect("no panic while it is held");
        make_room(&mut origins, origin, now_ms, Bucket::asked_ms);
        let full =
            || Bucket::full(UNLISTED_BURST_MESSAGES_MAX, UNLISTED_MESSAGES_PER_SECOND, now_ms);
        !origins.entry(origin.to_owned()).or_insert_with(full).spend(1.0, now_ms)
    }

    fn device_is_over(&self, key: &str, of: &[Observation], now_ms: u64) -> bool {
        let mut buckets = self.buckets.lock().expect("no panic while it is held");
        make_room(&mut buckets, key, now_ms, |device| device.messages.asked_ms());
        let gauge = of.iter().any(|one| matches!(one.body, Body::Gauge(_)));
        let burst = if gauge { GAUGE_BURST_MESSAGES_MAX } else { BURST_MESSAGES_MAX };
        let new = || DeviceLimit {
            messages: Bucket::full(burst, MESSAGES_PER_SECOND, now_ms),
            pressed_ms: None,
            unreadable_ms: None,
        };
        let device = buckets.entry(key.to_owned()).or_insert_with(new);
        device.messages.widen(burst);
        let press = of.iter().find_map(|one| match &one.body {
            Body::Press(press) => Some(press),
            _ => None,
        });
        let over = !device.messages.spend(1.0, now_ms);
        let Some(press) = press else { return over && !of.iter().any(is_of_a_person) };
        let last = match press.form {
            PressForm::Event | PressForm::Level => &mut device.pressed_ms,
            PressForm::Unreadable { .. } => &mut device.unreadable_ms,
        };
        let same = press.id.is_none()
            && last.is_some_and(|last| now_ms.saturating_sub(last) < SAME_PRESS_WITHIN_MS);
        if over && same {
            return true;
        }
        // Counted from the last that was let through: of a device gone mad, one press in three
        // seconds goes on.
        *last = Some(now_ms);
        false
    }
}

/// A new one finds room: those that have been quiet are forgotten, and all if none was.
fn make_room<V>(
    counted: &mut HashMap<String, V>,
    new: &str,
    now_ms: u64,
    asked_ms: impl Fn(&V) -> u64,
) {
    if counted.len() < DEVICES_MAX || counted.contains_key(new) {
        return;
    }
    counted.retain(|_, one| now_ms.saturating_sub(asked_ms(one)) < 10_000);
    if counted.len() >= DEVICES_MAX {
        counted.clear();
    }
}

/// Replies and orders come from people: the limit is for devices.
fn is_of_a_person(observation: &Observation) -> bool {
    matches!(observation.body, Body::Reply(_) | Body::Posture(_))
}

/// What people say, and what a broker or coordinator says of those behind it.
fn is_of_others(observation: &Observation) -> bool {
    let of_a_hub = matches!(&observation.body, Body::Device(report) if report.hub);
    of_a_hub || is_of_a_person(observation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DeviceReport, GaugeReport, Now, Press, Stamp};

    fn one(press: Option<Option<&str>>) -> Vec<Observation> {
        let now = Now { wall: "2026-07-01T03:00:00Z".parse().unwrap(), mono_ms: 0 };
        let body = match press {
            None => Body::Device(DeviceReport::default()),
            Some(id) => Body::Press(Press {
                id: id.map(Into::into),
                at: None,
                battery: None,
                retained: false,
                via: "t".into(),
                ..Press::default()
            }),
        };
        vec![Observation { source: "mad".into(), stamp: Stamp::of_gateway(now), body }]
    }

    #[test]
    fn a_mad_device_is_limited_and_its_presses_are_not_lost() {
        let limiter = Limiter::default();
        let mad = "mad";
        // 10,000 a second for ten seconds.
        let passed =
            (0..100_000u64).filter(|n| !limiter.sets_aside(mad, &[], &one(None), n / 10)).count();
        assert!((255..=265).contains(&passed), "{passed}: 60 at once and 20 a second");
        // In the middle of it a press with an id, and a first one without.
        assert!(!limiter.sets_aside(mad, &[], &one(Some(Some("1"))), 10_000));
        assert!(limiter.sets_aside(mad, &[], &one(Some(None)), 10_000), "same as the one just now");
        let calls = (0..100_000u64)
            .filter(|n| !limiter.sets_aside(mad, &[], &one(Some(None)), 10_100 + n / 10))
            .count();
        assert!(calls >= 4, "{calls}: a press every three seconds goes on");
        assert!(!limiter.sets_aside("calm", &[], &one(None), 20_000));
    }

    #[test]
    fn what_nobody_can_read_sets_aside_no_press() {
        let limiter = Limiter::default();
        let button = "b";
        let garbage = || {
            let mut said = one(Some(None));
            let Body::Press(press) = &mut said[0].body else { unreachable!() };
            press.form = PressForm::Unreadable { reason: "r".into(), text: "t".into() };
            said
        };
        // 1,000 a second on the topic of a button; one in three seconds is told.
        let passed = |from: u64, to: u64| {
            (from..to).filter(|n| !limiter.sets_aside(button, &[], &garbage(), *n)).count()
        };
        assert!((60..=160).contains(&passed(0, 4_000)));
        assert!(!limiter.sets_aside(button, &[], &one(Some(None)), 4_000), "a press");
        assert!(passed(4_001, 4_500) <= 12, "which lets no more of it through");
        passed(4_500, 4_502);
        assert!(limiter.sets_aside(button, &[], &one(Some(None)), 4_502), "the same press");
    }

    #[test]
    fn a_day_of_rain_that_a_broker_kept_comes_through_and_a_mad_gauge_does_not() {
        let report = |n: u64| {
            let mut said = one(None);
            said[0].body = Body::Gauge(GaugeReport {
                id: Some(n.to_string()),
                via: "t".into(),
                readings: Vec::new(),
                ..GaugeReport::default()
            });
            said
        };
        let limiter = Limiter::default();
        let gauge = "gauge";
        // A word of its battery before and amid them takes nothing away.
        assert!((0..5).all(|_| !limiter.sets_aside(gauge, &[], &one(None), 0)));
        assert!(!limiter.sets_aside(gauge, &[], &report(1_440), 0));
        assert!(!limiter.sets_aside(gauge, &[], &one(None), 0));
        assert!((0..1_440).all(|n| !limiter.sets_aside(gauge, &[], &report(n), 0)), "of the day");
        let passed = (0..100_000u64)
            .filter(|n| !limiter.sets_aside(gauge, &[], &report(*n), n / 10))
            .count();
        assert!((245..=265).contains(&passed), "{passed}: what is left and 20 a second");
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = Limiter::default();
        for n in 0..DEVICES_MAX + 50 {
            limiter.sets_aside(&n.to_string(), &[n.to_string()], &one(None), 5);
        }
        assert!(limiter.buckets.lock().unwrap().len() <= DEVICES_MAX);
        assert!(limiter.origins.lock().unwrap().len() <= DEVICES_MAX);
    }

    #[test]
    fn invented_devices_share_what_their_connection_user_and_address_have() {
        let limiter = Limiter::default();
        let origins = ["connection 1".to_owned(), "address 10.0.0.9".to_owned()];
        let say = |n: u64, at: u64, origins: &[String], press| {
            limiter.sets_aside(&format!("intake made-up-{n}"), origins, &one(press), at)
        };
        let passed = (0..10_000).filter(|n| !say(*n, n / 10, &origins, None)).count();
        assert!((1_550..=1_570).contains(&passed), "{passed}: 1,500 at once and 60 a second");
        // Another connection of the same address has no more; a listed device is not counted so.
        assert!(say(20_000, 1_000, &["connection 2".into(), origins[1].clone()], None));
        assert!(!say(20_001, 1_000, &["address 10.0.0.8".into()], None));
        assert!(!say(20_002, 1_000, &[], None));
        // Each press goes on.
        assert!((30_000..31_000).all(|n| !say(n, 1_000, &origins, Some(None))));
    }
}
