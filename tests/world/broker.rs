//! A real mosquitto of its own: free port, own folder, ended with the test.

use std::{
    collections::HashMap,
    fs,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{free_port, wait_for};

pub(crate) struct Broker {
    child: Child,
    folder: TempDir,
    pub(crate) port: u16,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// `more`: further lines of its configuration.
    pub(crate) async fn start_with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        fs::write(
            folder.path().join("mosquitto.conf"),
            format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n{more}"),
        )
        .unwrap();
        let child = spawn(&folder);
        let mut broker = Self { child, folder, port };
        broker.listening().await;
        broker
    }

    async fn listening(&mut self) {
        let port = self.port;
        wait_for("mosquitto to listen", || async move {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop)
        })
        .await;
        assert!(self.child.try_wait().unwrap().is_none(), "mosquitto ended");
    }

    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) async fn restart(&mut self) {
        self.stop();
        self.child = spawn(&self.folder);
        self.listening().await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(folder: &TempDir) -> Child {
    Command::new("mosquitto")
        .arg("-c")
        .arg(folder.path().join("mosquitto.conf"))
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto is installed by the set-up")
}

/// What the grid has got through a broker.
#[derive(Default)]
struct Got {
    /// Event id → its data is not kept, only that it came.
    ids: std::collections::BTreeSet<String>,
    /// Source of an emergency → when its first event came, and how many events before it.
    presses: HashMap<String, (Instant, usize)>,
}

/// A grid that subscribes to all incidents at a broker, over breaks too, and counts like one.
pub(crate) struct Grid {
    got: Arc<Mutex<Got>>,
    task: JoinHandle<()>,
}

impl Grid {
    /// Returns once the broker has taken the subscription.
    pub(crate) async fn listen(port: u16) -> Self {
        let mut options = MqttOptions::new("the-grid", "127.0.0.1", port);
        options
            .set_keep_alive(Duration::from_secs(30))
            .set_clean_session(false)
            .set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut events) = AsyncClient::new(options, 16);
        let got: Arc<Mutex<Got>> = Arc::default();
        let (kept, (ready, subscribed)) = (got.clone(), tokio::sync::oneshot::channel());
        let task = tokio::spawn(async move {
            let mut ready = Some(ready);
            loop {
                match events.poll().await {
                    // Every time: a broker without persistence has forgotten it.
                    Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                        client
                            .try_subscribe("gridpost/+/incident/+", QoS::AtLeastOnce)
                            .expect("the queue holds 16 requests");
                    }
                    Ok(Event::Incoming(Incoming::SubAck(_))) => {
                        if let Some(ready) = ready.take() {
                            let _ = ready.send(());
                        }
                    }
                    Ok(Event::Incoming(Incoming::Publish(publish))) => {
                        let event: Value = serde_json::from_slice(&publish.payload).unwrap();
                        let mut got = kept.lock().unwrap();
                        let before = got.ids.len();
                        if event["data"]["kind"] == "emergency-button" {
                            let source = event["data"]["sources"][0]["id"].as_str().unwrap();
                            let first = (Instant::now(), before);
                            got.presses.entry(source.to_owned()).or_insert(first);
                        }
                        got.ids.insert(event["id"].as_str().unwrap().to_owned());
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        subscribed.await.unwrap();
        Self { got, task }
    }

    /// When the first event of this button came, and how many others had come before it.
    pub(crate) async fn arrival(&self, button: &str) -> (Instant, usize) {
        wait_for("the press at the broker's grid", || {
            let found = self.got.lock().unwrap().presses.get(button).copied();
            async move { found }
        })
        .await
    }

    /// Different events so far.
    pub(crate) fn count(&self) -> usize {
        self.got.lock().unwrap().ids.len()
    }
}

impl Drop for Grid {
    fn drop(&mut self) {
        self.task.abort();
    }
}
