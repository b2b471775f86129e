//! What the broker and the intake do with each message: decode it, count what is wrong with it, set aside what is too much.

use super::{
    Dialects,
    codecs::Message,
    limit::Limiter,
    presence::SensorWord,
    rights::{Judged, Speaker, judge},
};
use crate::domain::{Body, DeviceReport, Meter, Metric, Now, Observation, Said};

/// Who says a message.
#[derive(Clone, Copy)]
pub(super) struct Sender<'s> {
    pub(super) speaker: Speaker<'s>,
    /// Whose word it is, as in `Arrival::way`.
    pub(super) way: &'s str,
    /// By what it is counted if its devices stand on no list: connection, user, address. Empty: a
    /// broker, behind which all are one.
    pub(super) origins: &'s [String],
}

/// A message of a Wi-Fi sensor: what it leads to, perhaps nothing, and no word of it. `None`: it is none. Asked before
/// anything else is done with a message: its digest, its topic in the log, its payload in quarantine.
pub(super) fn of_a_sensor(
    dialects: &Dialects,
    heard: &SensorWord<'_>,
    now: Now,
    meter: &dyn Meter,
) -> Option<Vec<Observation>> {
    let codecs = dialects.borrow().clone();
    codecs.presence().take(heard, now, meter)
}

/// Its observations. Empty: it was set aside by the limit, and is acknowledged after what came
/// before it.
pub(super) fn accept(
    dialects: &Dialects,
    limiter: &Limiter,
    (message, sender): (&Message<'_>, Sender<'_>),
    now: Now,
    meter: &dyn Meter,
) -> Judged {
    // Not held while anything is done with it: a reload must not wait for a message.
    let codecs = dialects.borrow().clone();
    let judged = judge(&codecs, sender.speaker, message, codecs.decode(message, now));
    let Some(first) = judged.observations.first() else { return judged };
    // What others say in a device's name takes nothing of what it may say itself.
    let key = format!("{} {}", sender.way, first.source);
    let listed = codecs.lists(first.source.as_str());
    let origins = if listed { &[] } else { sender.origins };
    if limiter.sets_aside(&key, origins, &judged.observations, now.mono_ms) {
        meter.add(Metric::SignalsLimited, first.source.as_str(), 1);
        return Judged { observations: Vec::new(), why: None };
    }
    tell(&judged.observations, message, meter);
    judged
}

/// A message that came in and cannot be read as a whole, because `reason` (it is too large, say);
/// its payload is as much of it as there is. It goes to the quarantine. If it is of a listed button,
/// or on a topic that is for presses alone, the last of the observations is a press that nobody could
/// read. With the last one the message is settled, as with those of [`accept`]; never empty.
pub(super) fn cannot_be_read(
    dialects: &Dialects,
    (message, speaker): (&Message<'_>, Speaker<'_>),
    reason: &str,
    now: Now,
    meter: &dyn Meter,
) -> Judged {
    let codecs = dialects.borrow().clone();
    let judged = judge(&codecs, speaker, message, codecs.not_read(message, now, reason));
    tell(&judged.observations, message, meter);
    judged
}

/// Counts what is in them, and says in the log what could not be read.
fn tell(observations: &[Observation], message: &Message<'_>, meter: &dyn Meter) {
    for observation in observations {
        let source = observation.source.as_str();
        let (unreadable, words) = match &observation.body {
            Body::Gauge(_) => {
                meter.add(Metric::GaugeReports, source, 1);
                continue;
            }
            Body::Unreadable(unreadable) => (unreadable, "unreadable payload, quarantined"),
            // A word that nobody knows is kept with its message.
            Body::Device(DeviceReport { kept: Some(kept), .. }) => {
                (&**kept, "a word that nobody understands, quarantined")
            }
            _ => continue,
        };
        meter.add(Metric::SignalsUnreadable, message.via, 1);
        meter.add(Metric::DeviceUnreadable, source, 1);
        let (via, topic, reason) = (message.via, Said(message.topic), Said(&unreadable.reason));
        tracing::warn!(via, %topic, %reason, source, "{words}");
    }
}
