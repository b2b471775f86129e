//! Home Assistant at a broker: what it finds there by itself, kept true, and taken away when it is switched off.
//!
//! Retained topics outlive whoever wrote them: which ones are there is remembered in the data folder, so that
//! a device that left, or the whole of it, does not stay in somebody's house.

mod messages;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::mqtt;
use crate::{
    base::{ClientIds, Sync, stopped, write_whole},
    domain::{SinkId, SiteId},
    wire::{
        backoff::backoff,
        mqtt::{Publication, WillConnection},
    },
};

pub use messages::{HomeDevice, HomeFacts, HomeSink};
use messages::{availability, wanted};

/// The first wait between connections; see [`crate::wire::backoff`].
const BACKOFF_MS_FIRST: u64 = 1_000;
/// What changes by itself (a battery, a sink) is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// However much happens: a screen in a house is no log.
const PAUSE: Duration = Duration::from_secs(1);

/// How the site is now. It may read from disk.
pub type GatherHome = Arc<dyn Fn() -> HomeFacts + Send + std::marker::Sync>;

/// What one sink's Home Assistant needs.
pub struct HomeAssistant {
    pub site: SiteId,
    pub client_ids: ClientIds,
    /// The data folder.
    pub data: PathBuf,
    pub gather: GatherHome,
    /// Told when a case has changed.
    pub changed: watch::Receiver<u64>,
    /// True: the gateway, or this sink, goes.
    pub stop: watch::Receiver<bool>,
}

/// What stands at the broker, as far as we know.
#[derive(Default)]
struct Retained(BTreeMap<String, String>);

impl HomeAssistant {
    /// Until it is stopped. Where it is switched off, what stood there is taken away first, and it ends.
    /// Kinds of sinks without a broker have none.
    pub async fn run(mut self, sink: super::Config) {
        let super::Config::Mqtt(config) = sink else { return };
        let id = SinkId::from(config.id.as_str());
        let memory = memory(&self.data, &id);
        let mut there = read(&memory);
        if !config.home_assistant && there.0.is_empty() {
            return;
        }
        let mut tries = 0u32;
        loop {
            let mut connected = false;
            let session = self.session(&config, &memory, &mut there, &mut connected);
            let Err(reason) = session.await else { return };
            if connected || tries == 0 {
                tracing::warn!(sink = %id, reason, "home assistant: no connection; trying for ever");
            }
            tries = if connected { 0 } else { tries.saturating_add(1) };
            tokio::select! {
                () = sleep(backoff(BACKOFF_MS_FIRST, tries)) => {}
                () = stopped(&mut self.stop) => return,
            }
        }
    }

    /// Ok when there is nothing more to do.
    async fn session(
        &mut self,
        config: &mqtt::Config,
        memory: &Path,
        there: &mut Retained,
        connected: &mut bool,
    ) -> Result<(), String> {
        let will = self.online("offline");
        let broker = config.broker(&self.site, "home", &self.client_ids);
        let mut connection = WillConnection::open(&broker, will)?;
        let within = config.within();
        tokio::select! {
            taken = timeout(within, connection.connected()) => {
                taken.map_err(|_| "no connection in time")??;
            }
            () = stopped(&mut self.stop) => return Ok(()),
        }
        *connected = true;
        // The broker may be another one, or have forgotten: everything is said anew.
        there.0.values_mut().for_each(String::clear);
        loop {
            let topics = match config.home_assistant {
                true => self.gathered().await?,
                false => BTreeMap::new(),
            };
            let told = there.tell(&mut connection, topics, memory);
            timeout(within * 10, told).await.map_err(|_| "no PUBACK in time")??;
            if !config.home_assistant {
                let _ = std::fs::remove_file(memory);
                tracing::info!(
                    sink = config.id,
                    "home assistant: switched off; its topics are gone"
                );
                connection.leave().await;
                return Ok(());
            }
            let pause = async {
                sleep(PAUSE).await;
                let _ = timeout(LOOK_EVERY, self.changed.changed()).await;
            };
            tokio::select! {
                // Nothing is on its way: this keeps the connection alive, and ends with it.
                broken = connection.acknowledged() => broken?,
                () = pause => {}
                () = stopped(&mut self.stop) => {
                    let offline = self.online("offline");
                    there.0.insert(offline.topic.clone(), "offline".into());
                    connection.publish(offline)?;
                    let _ = timeout(within, connection.acknowledged()).await;
                    connection.leave().await;
                    return Ok(());
                }
            }
        }
    }

    async fn gathered(&self) -> Result<BTreeMap<String, String>, String> {
        let gather = self.gather.clone();
        let facts = tokio::task::spawn_blocking(move || gather()).await;
        Ok(wanted(&self.site, &facts.map_err(|error| error.to_string())?))
    }

    fn online(&self, word: &'static str) -> Publication {
        let payload = Bytes::from_static(word.as_bytes());
        Publication { topic: availability(&self.site), payload, retain: true }
    }
}

impl Retained {
    /// Says what differs, and takes away what is not wanted any more. What may stand there is on disk before
    /// it does.
    async fn tell(
        &mut self,
        connection: &mut WillConnection,
        topics: BTreeMap<String, String>,
        memory: &Path,
    ) -> Result<(), String> {
        let known: BTreeSet<&String> = self.0.keys().chain(topics.keys()).collect();
        if known.len() > self.0.len() {
            write(memory, &known)?;
        }
        let gone: Vec<String> =
            self.0.keys().filter(|topic| !topics.contains_key(*topic)).cloned().collect();
        for topic in &gone {
            publish(connection, topic, String::new()).await?;
            self.0.remove(topic);
        }
        for (topic, payload) in topics {
            if self.0.get(&topic) != Some(&payload) {
                publish(connection, &topic, payload.clone()).await?;
                self.0.insert(topic, payload);
            }
        }
        if !gone.is_empty() {
            write(memory, &self.0.keys().collect())?;
        }
        Ok(())
    }
}

async fn publish(
    connection: &mut WillConnection,
    topic: &str,
    payload: String,
) -> Result<(), String> {
    let message = Publication { topic: topic.into(), payload: payload.into(), retain: true };
    connection.publish(message)?;
    connection.acknowledged().await
}

fn memory(data: &Path, sink: &SinkId) -> PathBuf {
    data.join("home-assistant").join(format!("{sink}.json"))
}

/// Topics alone: whatever stands there is said anew.
fn read(memory: &Path) -> Retained {
    let bytes = std::fs::read(memory).unwrap_or_default();
    let topics: Vec<String> = serde_json::from_slice(&bytes).unwrap_or_default();
    Retained(topics.into_iter().map(|topic| (topic, String::new())).collect())
}

fn write(memory: &Path, topics: &BTreeSet<&String>) -> Result<(), String> {
    let written = || -> std::io::Result<()> {
        if let Some(folder) = memory.parent() {
            std::fs::create_dir_all(folder)?;
        }
        write_whole(memory, &serde_json::to_vec(topics)?, Sync::No)
    };
    written().map_err(|error| format!("{}: {error}", memory.display()))
}
