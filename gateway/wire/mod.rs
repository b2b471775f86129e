//! What sources and sinks share of the network: the MQTT client, TLS at both ends, files that change, back-off, addresses.

pub mod address;
pub mod backoff;
pub mod case_links;
pub mod client_tls;
pub mod file_stamp;
pub mod frames;
pub mod guests;
pub mod mqtt;
pub mod outside_address;
pub mod own_certificate;
pub mod sockets;
pub mod tls;
