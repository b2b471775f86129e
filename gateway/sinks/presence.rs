//! Says to each sink, on a connection of its own, that the gateway is there: heartbeats, and at brokers a last will.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::json;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{
    heartbeat::EncodedHeartbeat,
    http::HttpSink,
    kinds::Config,
    mqtt,
    sink::{Delivery, Sink},
};
use crate::{
    base::ClientIds,
    domain::{Clock, EventContext, Meter, Metric, SinkId, started_at},
    wire::{
        backoff::backoff,
        mqtt::{Publication, WillConnection},
    },
};

/// The first wait between connections; see [`crate::wire::backoff`].
const BACKOFF_MS_FIRST: u64 = 500;
/// A goodbye that takes longer is not waited for; the last will tells it then.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

/// What one sink's presence needs.
pub struct Presence {
    pub client_ids: ClientIds,
    pub context: EventContext,
    pub run: Uuid,
    pub clock: Arc<dyn Clock>,
    pub meter: Arc<dyn Meter>,
    pub heartbeats: watch::Receiver<EncodedHeartbeat>,
    /// Its own; the reason is what it says when it leaves.
    pub stop: watch::Receiver<Option<String>>,
}

impl Presence {
    /// Until it is stopped; at a broker it then says goodbye, so that the will is not published.
    /// Other kinds of sinks have neither.
    pub async fn run(self, sink: Config) {
        match sink {
            Config::Http(config) => {
                let id = SinkId::from(config.id.as_str());
                self.post(id, HttpSink::new(&config)).await;
            }
            Config::Mqtt(config) => self.stay(config).await,
            Config::Answer(_)
            | Config::Jsonl(_)
            | Config::Profile(_)
            | Config::Speaker(_)
            | Config::Webhook(_) => {}
        }
    }

    /// Best effort: one that fails is dropped, and so is one that is overtaken meanwhile.
    async fn post(mut self, sink: SinkId, mut http: HttpSink) {
        let mut heard = self.heartbeats.borrow_and_update().seq;
        loop {
            tokio::select! {
                new = self.heartbeats.changed() => if new.is_err() { return },
                () = stopped(&mut self.stop) => return,
            }
            let heartbeat = self.heartbeats.borrow_and_update().clone();
            self.missed(
                &sink,
                (heartbeat.seq - heard).saturating_sub(1),
                "overtaken by the next one",
            );
            heard = heartbeat.seq;
            let delivery = Delivery {
                event_id: heartbeat.event_id,
                kind: "heartbeat",
                rule: None,
                at: self.clock.now().wall,
                body: heartbeat.body,
                link: None,
            };
            let sent = tokio::select! {
                sent = http.deliver(&delivery) => sent,
                () = stopped(&mut self.stop) => return,
            };
            if let Err(error) = sent {
                self.missed(&sink, 1, &error.to_string());
            }
        }
    }

    fn missed(&self, sink: &SinkId, heartbeats: u64, reason: &str) {
        if heartbeats > 0 {
            tracing::debug!(%sink, reason, "heartbeat did not get through");
            self.meter.add(Metric::HeartbeatFailures, sink.as_str(), heartbeats);
        }
    }

    /// A connection that is made again for ever.
    async fn stay(mut self, config: mqtt::Config) {
        let sink = SinkId::from(config.id.as_str());
        // What was sent before it began is not for it to send again.
        self.heartbeats.mark_unchanged();
        let mut tries = 0u32;
        loop {
            let mut connected = false;
            let ended = self.session(&sink, &config, &mut connected).await;
            let Err(reason) = ended else { return };
            if connected || tries == 0 {
                tracing::warn!(%sink, reason, "presence: no connection; trying for ever");
            }
            tries = if connected { 0 } else { tries.saturating_add(1) };
            let wait = sleep(backoff(BACKOFF_MS_FIRST, tries));
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    () = &mut wait => break,
                    new = self.heartbeats.changed() => if new.is_err() { return } else { self.lose(&sink) },
                    () = stopped(&mut self.stop) => return,
                }
            }
        }
    }

    /// Ok when it is stopped.
    async fn session(
        &mut self,
        sink: &SinkId,
        config: &mqtt::Config,
        connected: &mut bool,
    ) -> Result<(), String> {
        let mut connection = WillConnection::open(
            &config.broker(&self.context.site, "presence", &self.client_ids),
            self.status(false, Some("the connection broke without a goodbye")),
        )?;
        {
            let connecting = timeout(config.within(), connection.connected());
            tokio::pin!(connecting);
            loop {
                tokio::select! {
                    done = &mut connecting => break done.map_err(|_| "no connection in time")??,
                    new = self.heartbeats.changed() => if new.is_err() { return Ok(()) } else { self.lose(sink) },
                    () = stopped(&mut self.stop) => return Ok(()),
                }
            }
        }
        *connected = true;
        connection.publish(self.status(true, None))?;
        // Publications that are not acknowledged yet; the status is one of them, and no heartbeat.
        let (mut unheard, mut status_unheard) = (0u64, true);
        let topic = format!("gridpost/{}/heartbeat", self.context.site);
        loop {
            tokio::select! {
                heard = connection.acknowledged() => {
                    if heard.is_err() {
                        self.missed(sink, unheard, "the connection broke");
                    }
                    heard?;
                    // A broker acknowledges in order, and the status was first.
                    if !std::mem::take(&mut status_unheard) {
                        unheard = unheard.saturating_sub(1);
                    }
                }
                new = self.heartbeats.changed() => {
                    if new.is_err() {
                        return Ok(());
                    }
                    let payload = self.heartbeats.borrow_and_update().body.clone();
                    match connection.publish(Publication { topic: topic.clone(), payload, retain: false }) {
                        Ok(()) => unheard += 1,
                        Err(reason) => self.missed(sink, 1, &reason),
                    }
                }
                () = stopped(&mut self.stop) => break,
            }
        }
        self.goodbye(connection, unheard + u64::from(status_unheard)).await;
        Ok(())
    }

    /// A heartbeat that could not be sent, because there was no connection.
    fn lose(&mut self, sink: &SinkId) {
        self.heartbeats.borrow_and_update();
        self.missed(sink, 1, "no connection");
    }

    async fn goodbye(&self, mut connection: WillConnection, unheard: u64) {
        let why = self.stop.borrow().clone().unwrap_or_else(|| "stopped".into());
        let goodbye = async {
            connection.publish(self.status(false, Some(&why)))?;
            for _ in 0..=unheard {
                connection.acknowledged().await?;
            }
            connection.leave().await;
            Ok::<(), String>(())
        };
        if !matches!(timeout(GOODBYE_WITHIN, goodbye).await, Ok(Ok(()))) {
            tracing::debug!("presence: no time for a goodbye; the last will tells it");
        }
    }

    /// Retained at the broker, for whoever asks: `gridpost/<site>/status`.
    fn status(&self, online: bool, reason: Option<&str>) -> Publication {
        let now = self.clock.now();
        let mut status = json!({
            "online": online,
            "site": self.context.site,
            "run": self.run,
            "since": self.context.time(started_at(now)),
        });
        if let Some(reason) = reason {
            status["reason"] = reason.into();
        }
        Publication {
            topic: format!("gridpost/{}/status", self.context.site),
            payload: Bytes::from(status.to_string()),
            retain: true,
        }
    }
}

/// Returns when it is stopped, without the guard of `wait_for`, which would keep `stop` borrowed.
async fn stopped(stop: &mut watch::Receiver<Option<String>>) {
    let _ = stop.wait_for(Option::is_some).await;
}
