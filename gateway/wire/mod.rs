//! what sources and sinks share of the network: MQTT client, TLS, back-off, secrets.
