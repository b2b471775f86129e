//! How a message was handed in: what tells the same packet sent again from another press. Pure data.

use serde::{Deserialize, Serialize};

/// The way in of one MQTT message, and what its transport calls it.
///
/// A message is the same packet again only if `dup` is set and one with an equal `way`, `client`,
/// `packet` (not none) and `digest` is remembered. DUP alone proves nothing: the first copy may never
/// have come. A broker keeps the packet id of what it sends again over a reconnect (MQTT-4.4.0-1; our
/// session there is lasting), and so do devices that resume; one that begins a session anew counts
/// from 1 again, which `dup` and `digest` tell apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Arrival {
    /// Whose word it is, whatever connection brought it: `intake` (nobody gave a name),
    /// `intake/USER`, `broker/ID`. Part of the identity of a press.
    pub way: String,
    /// The MQTT client that sent it: the device's client id at the intake, ours at a broker.
    pub client: String,
    /// Packet id, with QoS 1 and 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<u16>,
    /// The sender says that it sends this packet again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dup: bool,
    /// Of topic and payload: SHA-256, the first 16 hexadecimal digits.
    pub digest: String,
}
