//! What happens in the city by itself: presses, what cameras see, faults; and who looks at a case and replies.

use gridpost::domain::{
    Body, ClockError, Detail, Fault, Finding, IncidentId, Kind, Observation, Phase, Press, Reply,
    Severity, Stamp, ThingReport,
};
use rand::Rng;

use super::{
    officers::{self, after, until_somebody_looks},
    play::{Event, Play},
    town::{self, BUTTONS, CAMERAS},
};

impl Play {
    pub(super) fn something_happens(&mut self) {
        match self.random.random_range(0..100) {
            0..6 => {
                let source = town::button(self.random.random_range(0..BUTTONS));
                let id = Some(format!("{}", self.planned));
                let press = Press { id, via: "intake".into(), ..Press::default() };
                let stamp = Stamp::of_gateway(self.now());
                let body = Body::Press(press);
                let pressed = Observation { source: source.as_str().into(), stamp, body };
                // A button that has heard nothing says it again.
                if self.random.random_ratio(1, 5) {
                    let seconds = after(&mut self.random, 20.0);
                    self.plan_in(seconds, Event::Observed(Box::new(pressed.clone())));
                }
                self.observe(pressed);
            }
            6..14 => {
                let source = town::camera(self.random.random_range(0..CAMERAS));
                let kind = Kind::CameraSilent;
                let fault = |broken| Body::Fault(Fault { kind, broken, text: "no packets".into() });
                let stamp = Stamp::of_gateway(self.now());
                let source = source.as_str().into();
                let mended = Observation { source, stamp, body: fault(false) };
                let broken = Observation { body: fault(true), ..mended.clone() };
                let seconds = after(&mut self.random, 7_200.0);
                self.plan_in(seconds, Event::Observed(Box::new(mended)));
                self.observe(broken);
            }
            _ => self.somebody_is_seen(),
        }
    }

    fn somebody_is_seen(&mut self) {
        let now = self.now();
        let camera = town::camera(self.random.random_range(0..CAMERAS));
        let (kind, severity) = match self.random.random_range(0..10) {
            0..5 => (Kind::FireLane, Severity::ALERT),
            5..9 => (Kind::Loiter, Severity::NOTICE),
            _ => (Kind::Intrusion, Severity::try_from(4).unwrap()),
        };
        let finding = Finding {
            key: format!("{}/{camera}", kind.as_str()),
            phase: Phase::Begins,
            rule: Some(kind.as_str().into()),
            source: camera.as_str().into(),
            kind,
            severity,
            title: None,
            began_at: now.wall,
            at: now.wall,
            clock: ClockError { device: None, gateway: now.wall, error_ms: 0 },
            objects: Vec::new(),
            why: "a vehicle stood there for 180 s, longer than 120 s".into(),
            detail: Detail::new(),
            things: ThingReport::default(),
            shot: None,
            notable: false,
        };
        let ends = Finding { phase: Phase::Ends, ..finding.clone() };
        let seconds = after(&mut self.random, 600.0);
        self.plan_in(seconds, Event::Ends(Box::new(ends)));
        let effects = self.desk.tick(now, vec![finding]);
        self.entries.extend(effects.entries);
    }

    pub(super) fn somebody_looks(&mut self, id: IncidentId) {
        let now = self.now().wall;
        let Some(seen) = self.seen.get(&id).cloned() else { return };
        let other = self.seen.range(id..).nth(1).map(|(other, _)| *other);
        if let Some(reply) = officers::reply(&mut self.random, &seen, other, now) {
            self.send(reply);
        }
        let seconds = until_somebody_looks(&mut self.random, officers::tier(&seen));
        self.plan_in(seconds, Event::Looks(id));
    }

    /// On its way: seconds, and now and then hours; and now and then twice.
    pub(super) fn send(&mut self, mut reply: Reply) {
        if self.random.random_ratio(9, 10) {
            reply.id = Some(format!("r{}", self.planned));
        }
        let mean = if self.random.random_ratio(1, 30) { 7_200.0 } else { 5.0 };
        let seconds = after(&mut self.random, mean);
        if self.random.random_ratio(1, 15) {
            let again = seconds + after(&mut self.random, 900.0);
            self.tally.again += 1;
            self.plan_in(again, Event::Arrives(Box::new(reply.clone())));
        }
        self.plan_in(seconds, Event::Arrives(Box::new(reply)));
    }
}
