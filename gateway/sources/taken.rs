//! What both ways in do with a message: read it, count what is wrong with it, set aside what is too much.

use super::{codecs::Message, limit::Limiter};
use crate::domain::{Body, Meter, Metric, Now, Observation};

/// Empty: set aside, to be acknowledged after what came before it.
pub(super) fn taken(
    dialects: &super::Dialects,
    limiter: impl FnOnce(&mut dyn FnMut(&mut Limiter)),
    message: &Message<'_>,
    now: Now,
    meter: &dyn Meter,
) -> Vec<Observation> {
    // Not held while anything is done with it: a reload must not wait for a message.
    let codecs = dialects.borrow().clone();
    let observations = codecs.decode(message, now);
    let Some(first) = observations.first() else { return observations };
    let mut aside = false;
    let source = first.source.clone();
    limiter(&mut |limiter| aside = limiter.sets_aside(&source, &observations, now.mono_ms));
    if aside {
        meter.add(Metric::SignalsLimited, source.as_str(), 1);
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
