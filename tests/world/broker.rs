//! A real mosquitto of its own: free port, own folder, ended with the test; and messages by its real client.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{PATIENCE, free_port, wait_for};

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

    /// A message that the broker acknowledges.
    pub(crate) fn publish(&self, topic: &str, payload: impl AsRef<[u8]>) {
        publish(self.port, topic, payload);
    }

    /// One that it keeps for whoever subscribes later.
    pub(crate) fn retain(&self, topic: &str, payload: impl AsRef<[u8]>) {
        assert!(Message::new(self.port, topic, payload).options(&["-r"]).send());
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

/// A message by `mosquitto_pub` at QoS 1, as the README has it, to an intake or a broker.
pub(crate) struct Message {
    port: u16,
    topic: String,
    payload: Vec<u8>,
    options: Vec<String>,
    patience: Duration,
}

impl Message {
    pub(crate) fn new(port: u16, topic: &str, payload: impl AsRef<[u8]>) -> Self {
        Self {
            port,
            topic: topic.into(),
            payload: payload.as_ref().into(),
            options: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// The press of a device, which says who it is in the payload too.
    pub(crate) fn press(port: u16, device: &str, id: &str) -> Self {
        let payload = format!(r#"{{"device":"{device}","event":"press","id":"{id}"}}"#);
        Self::new(port, &format!("gridpost/demo/button/{device}"), payload)
    }

    /// Further options of `mosquitto_pub`; one that is given twice counts the second time.
    pub(crate) fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// Over TLS, trusting this authority.
    pub(crate) fn trusting(self, authority: &str) -> Self {
        self.options(&["-h", "localhost", "--cafile", authority])
    }

    /// It is given up after so long.
    pub(crate) fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether it was acknowledged.
    pub(crate) fn send(&self) -> bool {
        // By way of a file: payloads of these tests are large, or no text.
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &self.payload).unwrap();
        Command::new("timeout")
            .arg(self.patience.as_secs().to_string())
            .args(["mosquitto_pub", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-q", "1"])
            .args(["-t", &self.topic, "-f"])
            .arg(PathBuf::from(file.path()))
            .args(&self.options)
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }
}

/// A press at an intake or a broker; whether it was acknowledged.
pub(crate) fn press(port: u16, device: &str, id: &str) -> bool {
    Message::press(port, device, id).send()
}

/// A message to an intake or a broker, which is acknowledged.
pub(crate) fn publish(port: u16, topic: &str, payload: impl AsRef<[u8]>) {
    assert!(Message::new(port, topic, payload).send(), "{topic} was not acknowledged");
}
