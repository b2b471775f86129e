//! Who listens at a broker: the grid that counts, and `mosquitto_sub` on a topic.

use std::{
    collections::{BTreeSet, HashMap},
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{Message, PATIENCE, wait_for};

/// What the grid has got through a broker.
#[derive(Default)]
struct Got {
    /// Event id → its data is not kept, only that it came.
    ids: BTreeSet<String>,
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

/// mosquitto_sub on a topic: all it heard, as JSON.
pub(crate) struct Listener {
    child: Child,
    port: u16,
    options: Vec<String>,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Listener {
    /// Returns when the broker has confirmed the subscription.
    pub(crate) async fn start(port: u16, topic: &str, options: &[&str]) -> Self {
        // Line by line, although it is not a terminal.
        let mut child = Command::new("stdbuf")
            .args([
                "-oL",
                "mosquitto_sub",
                "-h",
                "localhost",
                "-p",
                &port.to_string(),
                "-q",
                "1",
                "-d",
                "-F",
                "heard %t %p",
            ])
            .args(["-t", topic])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = tokio::sync::oneshot::channel();
        let heard: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let kept = heard.clone();
        std::thread::spawn(move || {
            let mut tell = Some(tell);
            for line in lines.map_while(Result::ok) {
                if line.contains("SUBACK") || line.starts_with("Subscribed") {
                    tell.take().map(|tell| tell.send(()));
                }
                let Some((topic, payload)) =
                    line.strip_prefix("heard ").and_then(|l| l.split_once(' '))
                else {
                    continue;
                };
                if let Ok(payload) = serde_json::from_str(payload) {
                    kept.lock().unwrap().push((topic.to_owned(), payload));
                }
            }
        });
        let told = tokio::time::timeout(PATIENCE, told).await.expect("no SUBACK in time");
        told.expect("mosquitto_sub ended before it had subscribed");
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self { child, port, options, heard }
    }

    pub(crate) fn heard(&self, topic: &str) -> Vec<Value> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|(of, _)| of == topic).map(|(_, payload)| payload.clone()).collect()
    }

    /// With the same options.
    pub(crate) fn publish(&self, topic: &str, payload: &str) {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let message = Message::new(self.port, topic, payload);
        assert!(message.options(&["-h", "localhost"]).options(&options).send());
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
