//! What sources and sinks share of the network: the MQTT client, TLS as a server.

pub mod mqtt;
pub mod tls;
