//! What the broker and the intake do with each message: decode it, count what is wrong with it, set aside what is too much.

use super::{Dialects, codecs::Message, limit::Limiter};
use crate::domain::{Body, Meter, Metric, Now, Observation};

/// A message that came in and cannot be read as a whole, because `reason` (it is too large, say);
/// its payload is as much of it as there is. Counted, and kept in quarantine. With the last
/// observation the message is settled; never empty.
pub(super) fn cannot_be_read(
    dialects: &Dialects,
    message: &Message<'_>,
    reason: &str,
    now: Now,
    meter: &dyn Meter,
) -> Vec<Observation> {
    let codecs = dialects.borrow().clone();
    let observations = codecs.not_read(message, now, reason);
    for observation in &observations {
        meter.add(Metric::SignalsUnreadable, message.via, 1);
        meter.add(Metric::DeviceUnreadable, observation.source.as_str(), 1);
    }
    observations
}

/// Its observations. Empty: it was set aside by the limit, and is acknowledged after what came
/// before it.
pub(super) fn accept(
    dialects: &Dialects,
    limiter: &Limiter,
    message: &Message<'_>,
    now: Now,
    meter: &dyn Meter,
) -> Vec<Observation> {
    // Not held while anything is done with it: a reload must not wait for a message.
    let codecs = dialects.borrow().clone();
    let observations = codecs.decode(message, now);
    let Some(first) = observations.first() else { return observations };
    if limiter.sets_aside(&first.source, &observations, now.mono_ms) {
        meter.add(Metric::SignalsLimited, first.source.as_str(), 1);
        return Vec::new();
    }
    for observation in &observations {
        if let Body::Gauge(_) = observation.body {
            meter.add(Metric::GaugeReports, observation.source.as_str(), 1);
        }
        let Body::Unreadable(unreadable) = &observation.body else { continue };
        let (via, topic, reason) = (message.via, message.topic, &unreadable.reason);
        meter.add(Metric::SignalsUnreadable, via, 1);
        meter.add(Metric::DeviceUnreadable, observation.source.as_str(), 1);
        tracing::warn!(via, topic, reason, "unreadable payload, quarantined");
    }
    observations
}
