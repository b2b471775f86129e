//! A load that outlives the gateway: buttons that press until they are acknowledged, officers who reply.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, QoS};
use tokio::{sync::watch, task::JoinSet};

use super::Receiver;

/// A device gives a connection up after this long without an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Between two reports of the gauge.
const GAUGE_PACE: Duration = Duration::from_secs(1);
/// As it names itself.
pub(crate) const GAUGE: &str = "load-gauge";

#[derive(Default)]
struct Told {
    /// Devices whose press got its PUBACK.
    presses: BTreeSet<String>,
    /// Incidents whose closing was acknowledged.
    closed: BTreeSet<String>,
    /// Hundredths of a millimetre that the gauge's counter said: at its first and its last
    /// acknowledged report, and at the last one that it tried.
    rain: Option<Rain>,
}

/// See [`Told`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rain {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) tried: u64,
}

/// All devices of a site. Dropping it ends them.
pub(crate) struct Load {
    port: watch::Sender<Option<u16>>,
    told: Arc<Mutex<Told>>,
    pressed: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Load {
    /// So many buttons and officers, each button press by a device of its own name; where the broker is, [`Self::at`] says.
    /// `pace`: the least time between two presses of a button.
    pub(crate) fn start(
        prefix: &'static str,
        buttons: usize,
        officers: usize,
        pace: Duration,
        receiver: &Receiver,
    ) -> Self {
        let (port, at) = watch::channel(None);
        let told = Arc::new(Mutex::new(Told::default()));
        let pressed = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for n in 0..buttons {
            let (told, pressed) = (told.clone(), pressed.clone());
            let mut device =
                Device { name: format!("{prefix}-button-{n}"), at: at.clone(), line: None };
            tasks.spawn(async move {
                loop {
                    let press = pressed.fetch_add(1, Ordering::Relaxed);
                    let name = format!("{prefix}-{press}");
                    let topic = format!("gridpost/demo/button/{name}");
                    let payload = format!("{{\"event\":\"press\",\"id\":\"{press}\"}}");
                    let next = tokio::time::Instant::now() + pace;
                    device.send(&topic, &payload).await;
                    told.lock().unwrap().presses.insert(name);
                    tokio::time::sleep_until(next).await;
                }
            });
        }
        for n in 0..officers {
            let (told, receiver) = (told.clone(), receiver.clone());
            let mut device =
                Device { name: format!("{prefix}-officer-{n}"), at: at.clone(), line: None };
            tasks.spawn(async move {
                for at in (n..).step_by(officers) {
                    let incident = receiver.opened(at).await;
                    let payload = format!(
                        "{{\"incident\":\"{incident}\",\"to\":\"closed\",\"by\":\"officer-{n}\",\"id\":\"r-{at}\"}}"
                    );
                    // A few stay open: what is pending or live must outlast its segment.
                    if at % 64 != 63 {
                        device.send("gridpost/demo/reply", &payload).await;
                        told.lock().unwrap().closed.insert(incident);
                    }
                }
            });
        }
        Self { port, told, pressed, tasks }
    }

    /// A gauge whose counter rises by a hundredth of a millimetre each second, and which sends each
    /// report until it is acknowledged.
    pub(crate) fn gauge(&mut self) {
        let told = self.told.clone();
        let mut device = Device { name: GAUGE.into(), at: self.port.subscribe(), line: None };
        self.tasks.spawn(async move {
            for n in 1u64.. {
                let next = tokio::time::Instant::now() + GAUGE_PACE;
                if let Some(rain) = &mut told.lock().unwrap().rain {
                    rain.tried = n;
                }
                let at = jiff::Zoned::now().timestamp();
                let payload =
                    format!("{{\"id\":\"{n}\",\"at\":\"{at}\",\"total_mm\":{}}}", n as f64 / 100.0);
                device.send(&format!("gridpost/demo/gauge/{GAUGE}"), &payload).await;
                let fresh = Rain { first: n, last: n, tried: n };
                told.lock().unwrap().rain.get_or_insert(fresh).last = n;
                tokio::time::sleep_until(next).await;
            }
        });
    }

    /// What the gauge was told.
    pub(crate) fn rain(&self) -> Option<Rain> {
        self.told.lock().unwrap().rain
    }

    /// The broker is at this port from now on; None: nowhere.
    pub(crate) fn at(&self, port: Option<u16>) {
        self.port.send_replace(port);
    }

    /// How many presses were made until now, acknowledged or not.
    pub(crate) fn pressed(&self) -> u64 {
        self.pressed.load(Ordering::Relaxed)
    }

    /// Ends all devices; the devices and the closed incidents that were acknowledged,
    /// and how many presses there were at all.
    pub(crate) async fn stop(mut self) -> (BTreeSet<String>, BTreeSet<String>, u64) {
        self.tasks.shutdown().await;
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        (told.presses, told.closed, self.pressed.load(Ordering::Relaxed))
    }
}

struct Device {
    name: String,
    at: watch::Receiver<Option<u16>>,
    line: Option<(u16, AsyncClient, EventLoop)>,
}

impl Device {
    /// QoS 1, again and again until it is acknowledged.
    async fn send(&mut self, topic: &str, payload: &str) {
        loop {
            let port = *self.at.wait_for(Option::is_some).await.unwrap();
            let port = port.unwrap();
            let sent =
                tokio::time::timeout(ANSWER_WITHIN, self.attempt(port, topic, payload)).await;
            match sent {
                Ok(Ok(())) => return,
                _ => {
                    self.line = None;
                    // Refused: the gateway has just died or does not listen yet.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    async fn attempt(&mut self, port: u16, topic: &str, payload: &str) -> Result<(), String> {
        let line = match &mut self.line {
            Some(line) if line.0 == port => line,
            _ => {
                let mut options = MqttOptions::new(&self.name, "127.0.0.1", port);
                options.set_keep_alive(Duration::from_secs(30));
                let (client, events) = AsyncClient::new(options, 4);
                self.line.insert((port, client, events))
            }
        };
        let (_, client, events) = line;
        client.try_publish(topic, QoS::AtLeastOnce, false, payload).map_err(|e| e.to_string())?;
        loop {
            if let Event::Incoming(Incoming::PubAck(_)) =
                events.poll().await.map_err(|error| error.to_string())?
            {
                return Ok(());
            }
        }
    }
}
