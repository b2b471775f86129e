//! A reply or an order that was understood and cannot be done: its sender hears nothing, so it is logged, counted and kept.

use std::sync::Arc;

use tokio::{runtime::Handle, sync::mpsc};

use super::codecs::Message;
use crate::domain::{
    Answer, Body, Envelope, Meter, Metric, Now, Observation, Receipt, Said, Stamp, Unreadable,
};

/// Bytes of the message that are kept.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// The receipt of a message whose last observation is `last`; `stored` is told whether the message
/// may be acknowledged. What is refused is in quarantine before that.
pub(super) fn receipt(
    last: &Observation,
    message: &Message<'_>,
    now: Now,
    envelopes: &mpsc::Sender<Envelope>,
    meter: &Arc<dyn Meter>,
    stored: impl FnOnce(bool) + Send + 'static,
) -> Receipt {
    if !matches!(last.body, Body::Reply(_) | Body::Posture(_)) {
        return Receipt::new(move |answer| stored(!matches!(answer, Answer::Lost)));
    }
    let origin = format!("{} {}", message.via, message.topic);
    let kept = message.payload.len().min(KEPT_BYTES_MAX);
    let (payload, via) = (message.payload[..kept].to_vec(), message.via.to_owned());
    let (envelopes, meter, source) = (envelopes.clone(), meter.clone(), last.source.clone());
    // It may be answered on a thread of the store's.
    let runtime = Handle::current();
    Receipt::new(move |answer| {
        let reason = match answer {
            Answer::Lost => return stored(false),
            Answer::Stored | Answer::Changed(_) => return stored(true),
            Answer::NoSuchIncident => "it names an incident that does not exist".to_owned(),
            Answer::Refused(reason) => reason,
        };
        tracing::warn!(origin, by = %Said(&source), reason, "a reply that cannot be done, quarantined");
        meter.add(Metric::RepliesRefused, &via, 1);
        let body = Body::Unreadable(Unreadable { origin, reason, payload });
        let observation = Observation { source, stamp: Stamp::of_gateway(now), body };
        let receipt = Receipt::new(move |answer| stored(!matches!(answer, Answer::Lost)));
        runtime.spawn(async move {
            // A gateway that stops drops it: then it is not acknowledged, and comes again.
            let _ = envelopes.send(Envelope { observation, receipt }).await;
        });
    })
}
