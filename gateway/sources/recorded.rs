//! Recorded signals: one JSON line a message, read whole, played in the order of their time.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    codecs::{Codecs, Message},
    presence::SensorWord,
    sl651,
};
use crate::domain::{Body, NoMeter, Now, Observation, SourceId, Stamp, Unreadable};

/// Where recorded signals come from, in the records they lead to.
const VIA: &str = "replay";

/// One line: `{"at":…,"via":"mqtt","topic":…,"payload":…}`,
/// `{"at":…,"via":"tcp","listener":…,"hex":…}` or `{"at":…,"via":"onvif","camera":…}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "via", rename_all = "lowercase", deny_unknown_fields)]
pub enum RecordedMessage {
    Mqtt {
        at: Timestamp,
        topic: String,
        /// A text is taken byte by byte; anything else is a JSON document.
        payload: Value,
        #[serde(default)]
        retained: bool,
    },
    Tcp {
        at: Timestamp,
        listener: String,
        hex: String,
    },
    /// The camera itself said that something begins to move.
    Onvif {
        at: Timestamp,
        camera: String,
    },
}

/// What a file of signals holds, and what was wrong with which line.
#[derive(Debug, Default)]
pub struct Recorded {
    /// By time; lines of the same time in the order of the file.
    pub messages: Vec<RecordedMessage>,
    /// Line number and reason.
    pub unreadable: Vec<(usize, String)>,
}

impl Recorded {
    pub fn parse(text: &str) -> Self {
        let mut recorded = Self::default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match serde_json::from_str::<RecordedMessage>(line).map_err(|error| error.to_string()) {
                Ok(signal) => match signal.bytes() {
                    Ok(_) => recorded.messages.push(signal),
                    Err(reason) => recorded.unreadable.push((index + 1, reason)),
                },
                Err(reason) => recorded.unreadable.push((
                    index + 1,
                    format!("{reason}; expected {{\"at\":…,\"via\":\"mqtt\",\"topic\":…,\"payload\":…}} or {{\"at\":…,\"via\":\"tcp\",\"listener\":…,\"hex\":…}} or {{\"at\":…,\"via\":\"onvif\",\"camera\":…}}"),
                )),
            }
        }
        recorded.messages.sort_by_key(RecordedMessage::at);
        recorded
    }
}

impl RecordedMessage {
    /// When it arrived.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Mqtt { at, .. } | Self::Tcp { at, .. } | Self::Onvif { at, .. } => *at,
        }
    }

    /// The camera whose own event it is.
    pub fn camera(&self) -> Option<&str> {
        match self {
            Self::Onvif { camera, .. } => Some(camera),
            _ => None,
        }
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Onvif { .. } => Ok(Vec::new()),
            Self::Mqtt { payload: Value::String(text), .. } => Ok(text.clone().into_bytes()),
            Self::Mqtt { payload, .. } => Ok(payload.to_string().into_bytes()),
            Self::Tcp { hex, .. } => {
                let digits: Vec<u32> = hex
                    .chars()
                    .filter(|c| !c.is_whitespace())
                    .map(|c| c.to_digit(16).ok_or(c))
                    .collect::<Result<_, _>>()
                    .map_err(|c| format!("hex: `{c}` is no hex digit"))?;
                if !digits.len().is_multiple_of(2) {
                    return Err("hex: an odd number of digits".into());
                }
                Ok(digits
                    .chunks(2)
                    .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap_or(0))
                    .collect())
            }
        }
    }

    /// As if it had just arrived.
    pub fn observations(&self, codecs: &Codecs, now: Now) -> Vec<Observation> {
        let payload = self.bytes().unwrap_or_default();
        match self {
            Self::Mqtt { topic, retained, .. } => {
                let (payload, retained) = (payload.as_slice(), *retained);
                let heard =
                    SensorWord { topic, payload, retained, cut: false, via: VIA, user: None };
                if let Some(of_a_sensor) = codecs.presence().take(&heard, now, &NoMeter) {
                    return of_a_sensor;
                }
                codecs.decode(&Message { topic, payload, retained, via: VIA }, now)
            }
            // For the camera's gate, and for no rule.
            Self::Onvif { .. } => Vec::new(),
            Self::Tcp { listener, .. } if listener == sl651::VIA => sl651::recorded(&payload, now),
            Self::Tcp { listener, .. } => vec![Observation {
                source: SourceId::from(VIA),
                stamp: Stamp::of_gateway(now),
                body: Body::Unreadable(Unreadable {
                    origin: format!("{VIA} tcp {listener}"),
                    reason: format!("no listener is called `{listener}`; known is {}", sl651::VIA),
                    payload,
                }),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_sorted_and_wrong_ones_named() {
        let text = r#"
{"at":"2026-07-01T10:00:02+08:00","via":"mqtt","topic":"b","payload":{"event":"press"}}
{"at":"2026-07-01T10:00:01+08:00","via":"tcp","listener":"sl651","hex":"7e 7E"}
not json
{"at":"2026-07-01T10:00:01+08:00","via":"tcp","listener":"sl651","hex":"7g"}
{"at":"soon","via":"mqtt","topic":"b","payload":"x"}"#;
        let recorded = Recorded::parse(text);
        let order: Vec<_> = recorded.messages.iter().map(|one| one.bytes().unwrap()).collect();
        assert_eq!(order, [vec![0x7e, 0x7e], br#"{"event":"press"}"#.to_vec()]);
        let lines: Vec<_> = recorded.unreadable.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [4, 5, 6]);
        assert_eq!(recorded.unreadable[1].1, "hex: `g` is no hex digit");
        assert!(recorded.unreadable[0].1.contains("expected {\"at\""));
    }
}
