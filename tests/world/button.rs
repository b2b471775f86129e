//! A button that stays connected, and tells how long its presses waited for their PUBACK.

use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, QoS};

pub(crate) struct Button {
    client: AsyncClient,
    events: EventLoop,
    /// How often it had to connect.
    pub(crate) connects: usize,
}

impl Button {
    pub(crate) fn new(name: &str, port: u16) -> Self {
        Self::with(MqttOptions::new(name, "127.0.0.1", port))
    }

    pub(crate) fn with_password(name: &str, port: u16, user: &str, password: &str) -> Self {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_credentials(user, password);
        Self::with(options)
    }

    fn with(mut options: MqttOptions) -> Self {
        options.set_keep_alive(Duration::from_secs(60));
        let (client, events) = AsyncClient::new(options, 4);
        Self { client, events, connects: 0 }
    }

    /// One message on a connection of its own; how long until it was acknowledged.
    pub(crate) async fn once(port: u16, device: &str, payload: &str) -> Duration {
        Self::new(device, port).say(device, payload).await
    }

    /// Whether it is let in.
    pub(crate) async fn is_let_in(&mut self) -> bool {
        matches!(self.events.poll().await, Ok(Event::Incoming(Incoming::ConnAck(_))))
    }

    /// How long until it was acknowledged.
    pub(crate) async fn press(&mut self, device: &str, id: usize) -> Duration {
        self.say(device, &format!(r#"{{"event":"press","id":"{id}"}}"#)).await
    }

    /// The same with any payload.
    pub(crate) async fn say(&mut self, device: &str, payload: &str) -> Duration {
        self.attempt(device, payload).await.unwrap()
    }

    /// The same on a connection that may break.
    pub(crate) async fn attempt(
        &mut self,
        device: &str,
        payload: &str,
    ) -> Result<Duration, ConnectionError> {
        self.attempt_on(&format!("gridpost/demo/button/{device}"), payload).await
    }

    /// [`Self::say`] on any topic.
    pub(crate) async fn say_on(&mut self, topic: &str, payload: &str) -> Duration {
        self.attempt_on(topic, payload).await.unwrap()
    }

    async fn attempt_on(
        &mut self,
        topic: &str,
        payload: &str,
    ) -> Result<Duration, ConnectionError> {
        let began = Instant::now();
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
        loop {
            match self.events.poll().await? {
                Event::Incoming(Incoming::PubAck(_)) => return Ok(began.elapsed()),
                Event::Incoming(Incoming::ConnAck(_)) => self.connects += 1,
                _ => {}
            }
        }
    }
}
