//! Topic and bytes become an observation, or a reason why they cannot; one file a device dialect.

mod gauge;
mod gauge_raw;
mod native;
pub mod sl651;
pub mod sl651_body;
mod sl651_text;

use crate::domain::{Body, Now, Observation, Reply, SiteId, SourceId, Stamp, Unreadable};

/// A payload is kept in quarantine up to this many bytes.
const QUARANTINE_BYTES_MAX: usize = 64 * 1024;

/// One message as it came in.
pub struct Message<'m> {
    pub topic: &'m str,
    pub payload: &'m [u8],
    /// A broker's retained message: may be old.
    pub retained: bool,
    /// `intake`, a broker's id, `replay`.
    pub via: &'m str,
}

/// Never fails: what cannot be read becomes [`Body::Unreadable`] and goes to the quarantine.
pub fn decode(site: &SiteId, message: &Message<'_>, now: Now) -> Observation {
    let read = if message.topic == format!("gridpost/{site}/reply") {
        reply(message, now)
    } else if let Some(read) =
        gauge::read(site, message, now).or_else(|| gauge::foreign(message, now))
    {
        read
    } else {
        native::press(message, now)
    };
    read.unwrap_or_else(|reason| {
        let kept = message.payload.len().min(QUARANTINE_BYTES_MAX);
        Observation {
            source: SourceId::from(message.via),
            stamp: Stamp::of_gateway(now),
            body: Body::Unreadable(Unreadable {
                origin: format!("{} {}", message.via, message.topic),
                reason,
                payload: message.payload[..kept].to_vec(),
            }),
        }
    })
}

fn reply(message: &Message<'_>, now: Now) -> Result<Observation, String> {
    let reply: Reply = serde_json::from_slice(message.payload).map_err(|error| {
        format!("not a reply: {error}; expected {{\"incident\", \"to\", \"by\"}}")
    })?;
    let source = SourceId::from(reply.by.as_str());
    Ok(Observation { source, stamp: Stamp::of_gateway(now), body: Body::Reply(reply) })
}
