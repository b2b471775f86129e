//! A connection that is always open: when it breaks, the broker publishes our last will.

use bytes::Bytes;
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, LastWill, QoS};

use super::{Broker, broken};

/// A message that we publish at QoS 1.
#[derive(Clone, Debug)]
pub struct Publication {
    pub topic: String,
    pub payload: Bytes,
    /// The broker keeps it for those who come later.
    pub retain: bool,
}

/// One connection with a last will; it must be polled all the time, for its keep-alive.
pub struct WillConnection {
    client: AsyncClient,
    events: EventLoop,
}

impl WillConnection {
    /// Reads the files of this moment; connects at the first [`Self::connected`].
    pub fn open(broker: &Broker, will: Publication) -> Result<Self, String> {
        let mut options = broker.options()?;
        options.set_last_will(LastWill::new(
            will.topic,
            will.payload,
            QoS::AtLeastOnce,
            will.retain,
        ));
        let (client, events) = broker.client(options);
        Ok(Self { client, events })
    }

    /// Until the broker has taken us in. Cancelled, it begins anew: do not race it with a timer
    /// that is shorter than a slow connection.
    pub async fn connected(&mut self) -> Result<(), String> {
        loop {
            let event = self.events.poll().await.map_err(broken)?;
            if matches!(event, Event::Incoming(Incoming::ConnAck(_))) {
                return Ok(());
            }
        }
    }

    /// Queued; the connection is polled until it is through.
    pub fn publish(&self, message: Publication) -> Result<(), String> {
        self.client
            .try_publish(message.topic, QoS::AtLeastOnce, message.retain, message.payload)
            .map_err(|error| error.to_string())
    }

    /// Keeps the connection alive until the broker has acknowledged one of our publications.
    /// Cancelling loses nothing once it is connected.
    pub async fn acknowledged(&mut self) -> Result<(), String> {
        loop {
            let event = self.events.poll().await.map_err(broken)?;
            if matches!(event, Event::Incoming(Incoming::PubAck(_))) {
                return Ok(());
            }
        }
    }

    /// Disconnects as the protocol wants it: the will is not published.
    pub async fn leave(mut self) {
        if self.client.try_disconnect().is_ok() {
            while self.events.poll().await.is_ok() {}
        }
    }
}
