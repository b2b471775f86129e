//! Whether a broker takes us in, and nothing else: no topic is asked for and nothing is published.

use std::time::Duration;

use rumqttc::{Event, Incoming};

use super::{Broker, broken};

impl Broker {
    /// Connects under a client id of its own and leaves again; the error is one sentence.
    pub async fn takes_us_in(mut self, within: Duration) -> Result<(), String> {
        // Under the id of the connection that works it would throw that one out.
        self.client_id = format!("gridpost-doctor-{:08x}", rand::random::<u32>());
        let (client, mut events) = self.client(self.options()?);
        let answered = async {
            loop {
                let event = events.poll().await.map_err(broken)?;
                if matches!(event, Event::Incoming(Incoming::ConnAck(_))) {
                    return Ok(());
                }
            }
        };
        let taken = tokio::time::timeout(within, answered).await;
        taken.unwrap_or_else(|_| Err(format!("no connection within {within:?}")))?;
        if client.try_disconnect().is_ok() {
            let left = async { while events.poll().await.is_ok() {} };
            let _ = tokio::time::timeout(within, left).await;
        }
        Ok(())
    }
}
