//! What sources and sinks share of the network: the MQTT client.

pub mod mqtt;
