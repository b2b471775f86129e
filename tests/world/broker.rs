//! A real mosquitto of its own: free port, own folder, ended with the test.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

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
