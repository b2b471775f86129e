//! The MQTT client: the only home of rumqttc. Acknowledges when told to; a publish counts at its PUBACK.

mod access;
mod probe;
mod subscriber;
mod will;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, QoS, TlsConfiguration,
    Transport,
};
use tokio::time::Instant;
use tokio_rustls::rustls::ClientConfig;

use super::{
    client_tls::{ClientTls, explain},
    file_stamp::read_file,
};

pub use access::{Access, url};
pub use subscriber::{Granted, Heard, Keeping, Message, Subscriber, fuzz_broker};
pub use will::{Publication, WillConnection};

/// What a broker sends to a client that only publishes is a few bytes.
const PACKET_BYTES_MAX: usize = 256 * 1024;
/// Requests between us and the event loop.
const REQUESTS_MAX: usize = 64;
/// Our own publications that wait for their PUBACK.
const IN_FLIGHT_MAX: u16 = 64;

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

/// Where a broker is.
struct Address {
    /// An IPv6 address stands in brackets.
    host: String,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
}

impl Broker {
    /// Reads the files of this moment, so that renewed ones are used at the next connection. The
    /// error names the file or the url's part that is wrong.
    fn address(&self) -> Result<Address, String> {
        let tls = match self.url.scheme() {
            "mqtt" => None,
            "mqtts" => Some(Arc::new(self.tls.config()?)),
            _ => return Err("url: begin with mqtt:// or mqtts://".into()),
        };
        let host = self.url.host_str().ok_or("url without a host")?.to_owned();
        let port = self.url.port().unwrap_or(if tls.is_some() { 8883 } else { 1883 });
        Ok(Address { host, port, tls })
    }

    /// User name and password.
    fn login(&self) -> Result<Option<(String, String)>, String> {
        let Some(username) = &self.username else { return Ok(None) };
        let password = self.password_file.as_deref().map(read).transpose()?.unwrap_or_default();
        Ok(Some((username.clone(), String::from_utf8_lossy(&password).trim().to_owned())))
    }

    fn options(&self) -> Result<MqttOptions, String> {
        let Address { host, port, tls } = self.address()?;
        let mut options = MqttOptions::new(&self.client_id, host, port);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_inflight(IN_FLIGHT_MAX)
            .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        if let Some((username, password)) = self.login()? {
            options.set_credentials(username, password);
        }
        if let Some(tls) = tls {
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

fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_file(path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))
}

/// Why there is no connection, or no longer one.
fn broken(error: ConnectionError) -> String {
    explain(error.to_string())
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
        let (client, events) = self.broker.client(self.broker.options()?);
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
