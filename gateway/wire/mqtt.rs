//! The MQTT client: the only home of rumqttc. Acknowledges when told to; a publish counts at its PUBACK.

mod access;
mod will;

use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, Publish, QoS,
    TlsConfiguration, Transport,
};
use tokio::time::Instant;

use super::client_tls::{ClientTls, explain};

pub use access::Access;
pub use will::{Publication, WillConnection};

/// A press is a few hundred bytes; what is larger is refused by the protocol.
const PACKET_BYTES_MAX: usize = 256 * 1024;
/// Requests between us and the event loop.
const REQUESTS_MAX: usize = 64;
/// Publications of a broker that wait for the disk.
const IN_FLIGHT_MAX: u16 = 64;
/// Publications read while an acknowledgement waited for its turn. On a resumed session
/// mosquitto sends all that was ever in flight at once, whatever its own window says.
const ARRIVED_MESSAGES_MAX: usize = 10_000;

/// The keep-alive of the protocol: a broker closes a connection that is silent for one and a half of it.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Unused for so long, a connection is not trusted: on the way, NAT forgets it silently, and the
/// broker ends one that nobody polls after one and a half keep-alives.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// Where and as whom to connect.
#[derive(Clone, Debug)]
pub struct Broker {
    /// `mqtt://host:port` or `mqtts://host:port`; no credentials in it.
    pub url: url::Url,
    pub client_id: String,
    pub username: Option<String>,
    pub password_file: Option<PathBuf>,
    /// For mqtts.
    pub tls: ClientTls,
}

impl Broker {
    /// Reads the files of this moment, so that renewed ones are used at the next connection. The
    /// error names the file or the url's part that is wrong.
    fn options(&self, keep_session: bool) -> Result<MqttOptions, String> {
        let tls = match self.url.scheme() {
            "mqtt" => false,
            "mqtts" => true,
            other => return Err(format!("url scheme `{other}`: expected mqtt:// or mqtts://")),
        };
        let host = self.url.host_str().ok_or("url without a host")?;
        let port = self.url.port().unwrap_or(if tls { 8883 } else { 1883 });
        let mut options = MqttOptions::new(&self.client_id, host, port);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_session(!keep_session)
            .set_manual_acks(keep_session)
            .set_inflight(IN_FLIGHT_MAX)
            .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        if let Some(username) = &self.username {
            let password = self.password_file.as_ref().map(read).transpose()?.unwrap_or_default();
            options.set_credentials(username, String::from_utf8_lossy(&password).trim());
        }
        if tls {
            let tls = Arc::new(self.tls.config()?);
            options.set_transport(Transport::Tls(TlsConfiguration::Rustls(tls)));
        }
        Ok(options)
    }

    fn client(&self, options: MqttOptions) -> (AsyncClient, EventLoop) {
        let (client, mut events) = AsyncClient::new(options, REQUESTS_MAX);
        // A publication is small and somebody waits for its PUBACK.
        events.network_options.set_tcp_nodelay(true);
        (client, events)
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))
}

/// Why there is no connection, or no longer one.
fn broken(error: ConnectionError) -> String {
    explain(error.to_string())
}

/// One message of a broker; acknowledge it when it is on disk.
pub struct Message {
    pub topic: String,
    pub payload: Bytes,
    pub retained: bool,
    publish: Publish,
}

/// A lasting session: what came while we were away is sent to us again.
pub struct Subscriber {
    client: AsyncClient,
    events: EventLoop,
    topics: Vec<String>,
    arrived: VecDeque<Message>,
    connected: bool,
}

impl Subscriber {
    pub fn new(broker: &Broker, topics: &[String]) -> Result<Self, String> {
        let (client, events) = broker.client(broker.options(true)?);
        Ok(Self {
            client,
            events,
            topics: topics.to_vec(),
            arrived: VecDeque::new(),
            connected: false,
        })
    }

    /// Waits until the broker has taken us in.
    pub async fn connected(&mut self) -> Result<(), String> {
        while !self.connected {
            self.poll().await?;
        }
        Ok(())
    }

    /// The next message; not to be cancelled. Subscribes at each connection. An error ends this connection.
    pub async fn next(&mut self) -> Result<Message, String> {
        loop {
            if let Some(message) = self.arrived.pop_front() {
                return Ok(message);
            }
            self.poll().await?;
        }
    }

    async fn poll(&mut self) -> Result<(), String> {
        match self.events.poll().await.map_err(broken)? {
            Event::Incoming(Incoming::ConnAck(_)) => {
                self.connected = true;
                for topic in &self.topics {
                    self.client
                        .try_subscribe(topic, QoS::AtLeastOnce)
                        .map_err(|error| error.to_string())?;
                }
            }
            Event::Incoming(Incoming::Publish(publish)) => {
                if self.arrived.len() >= ARRIVED_MESSAGES_MAX {
                    return Err(format!("it sent {ARRIVED_MESSAGES_MAX} messages at once"));
                }
                self.arrived.push_back(Message {
                    topic: publish.topic.clone(),
                    payload: publish.payload.clone(),
                    retained: publish.retain,
                    publish,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Acknowledges while [`Self::next`] is waited for: that must not be cancelled, or an
    /// acknowledgement on its way into the socket could be lost with it.
    pub fn acknowledger(&self) -> Acknowledger {
        Acknowledger(self.client.clone())
    }
}

/// Hands acknowledgements to the event loop, which [`Subscriber::next`] drives.
pub struct Acknowledger(AsyncClient);

impl Acknowledger {
    /// False: the queue of the event loop is full; try again a little later. The event loop prefers
    /// reading to sending, so to give up here would never end a backlog larger than its queue.
    pub fn acknowledge(&self, message: &Message) -> bool {
        self.0.try_ack(&message.publish).is_ok()
    }
}

/// One publication at a time; `Ok` is the broker's PUBACK. Between two it is not polled.
pub struct Publisher {
    broker: Broker,
    connection: Option<Connection>,
}

struct Connection {
    client: AsyncClient,
    events: EventLoop,
    /// The last PUBACK.
    used: Instant,
}

impl Publisher {
    pub fn new(broker: Broker) -> Self {
        Self { broker, connection: None }
    }

    /// Any failure drops the connection; the next call makes a new one.
    pub async fn publish(
        &mut self,
        topic: &str,
        payload: Bytes,
        within: Duration,
    ) -> Result<(), String> {
        let done = tokio::time::timeout(within, self.attempt(topic, payload)).await;
        let done = done.unwrap_or_else(|_| Err(self.silence(within)));
        if done.is_err() {
            self.connection = None;
        }
        done
    }

    async fn attempt(&mut self, topic: &str, payload: Bytes) -> Result<(), String> {
        let kept = self.connection.take().filter(|kept| kept.used.elapsed() < IDLE_MAX);
        if let Some(kept) = kept {
            // A broker that was restarted meanwhile closed it: that is no failure of the broker.
            self.connection = Some(kept);
            if self.publish_once(topic, payload.clone()).await.is_ok() {
                return Ok(());
            }
            self.connection = None;
        }
        let (client, events) = self.broker.client(self.broker.options(false)?);
        self.connection = Some(Connection { client, events, used: Instant::now() });
        self.publish_once(topic, payload).await
    }

    async fn publish_once(&mut self, topic: &str, payload: Bytes) -> Result<(), String> {
        let Some(Connection { client, events, used }) = &mut self.connection else {
            return Err("no connection".into());
        };
        client
            .try_publish(topic, QoS::AtLeastOnce, false, payload)
            .map_err(|error| error.to_string())?;
        loop {
            match events.poll().await.map_err(broken)? {
                Event::Incoming(Incoming::PubAck(_)) => {
                    *used = Instant::now();
                    return Ok(());
                }
                _ => continue,
            }
        }
    }

    /// How far it had come when the time was up.
    fn silence(&self, within: Duration) -> String {
        let connected = self.connection.as_ref().is_some_and(|c| c.events.network.is_some());
        let what = if connected { "no PUBACK" } else { "no connection" };
        format!("{what} within {within:?}")
    }
}
