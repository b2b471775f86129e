//! A configuration and a gateway that takes every change of it, for tests of what is added on the page.

use std::fs;

use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    config::{self, Config, env::ProcessEnvironment},
    runtime::console_backend::ReloadAsked,
};

pub(in crate::runtime) const HAND_WRITTEN: &str =
    "[site]\nid = \"x\"\n[[camera]]\nid = \"yard\"\nurl = \"rtsp://192.0.2.1/a\"\n";

pub(in crate::runtime) struct Room {
    pub(in crate::runtime) folder: tempfile::TempDir,
    pub(in crate::runtime) reloads: mpsc::Sender<ReloadAsked>,
}

impl Room {
    /// A gateway that takes every new configuration.
    pub(in crate::runtime) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = format!("[data]\npath = {:?}\n", folder.path().join("data"));
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("gridpost.toml"), format!("{HAND_WRITTEN}{data}")).unwrap();
        let (reloads, mut asked) = mpsc::channel::<ReloadAsked>(1);
        tokio::spawn(async move {
            while let Some(asked) = asked.recv().await {
                let _ = asked.answer.send(crate::console::Reloaded::Done(json!({})));
            }
        });
        Self { folder, reloads }
    }

    pub(in crate::runtime) fn config(&self) -> Config {
        let file = self.folder.path().join("gridpost.toml");
        let (config, problems) = config::load(&file, &ProcessEnvironment);
        config.unwrap_or_else(|| panic!("{problems:?}"))
    }

    pub(in crate::runtime) fn hand_written(&self) -> String {
        fs::read_to_string(self.folder.path().join("gridpost.toml")).unwrap()
    }
}
