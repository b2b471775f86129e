//! What sources and sinks share of the network: the MQTT client, TLS as a server, back-off.

pub mod backoff;
pub mod mqtt;
pub mod tls;
