//! The `jsonl` sink: one event a line, synced before it counts as delivered; `-` is stdout.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
};

use super::sink::{DeliverError, Delivery, Sink};
use crate::domain::{DutyRole, Level};

/// `[[sink]] kind = "jsonl"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the sink in the ledger.
    pub id: String,
    /// The file, made when missing and appended to; `-` is stdout.
    pub path: PathBuf,
    /// Only cases that were taken to one of these levels, from then on, and escalations to these alone:
    /// `grid-head`, `community`, `township`, `department`. Default all cases, from their opening.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// Only cases for which somebody of these roles was on duty when they were opened, by the duty list: `lead`,
    /// `officer`, `auxiliary`, `worker`; where it had nobody at all on duty, every case. Default all cases.
    #[serde(default)]
    pub roles: Vec<DutyRole>,
    /// Plates of vehicles leave whole, and not masked: for who may have them. Default false.
    #[serde(default)]
    pub send_plates: bool,
}

pub struct JsonlSink {
    path: PathBuf,
    file: Option<File>,
}

impl JsonlSink {
    pub(super) fn new(config: &Config) -> Self {
        Self { path: config.path.clone(), file: None }
    }

    async fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        if self.path.as_os_str() == "-" {
            let mut stdout = tokio::io::stdout();
            stdout.write_all(line).await?;
            return stdout.flush().await;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(&self.path).await?),
        };
        file.write_all(line).await?;
        file.flush().await?;
        file.sync_data().await
    }
}

/// A line torn by a power cut is ended first, so that the next event stands on its own.
async fn open(path: &PathBuf) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(path).await?;
    if file.metadata().await?.len() > 0 {
        file.seek(std::io::SeekFrom::End(-1)).await?;
        if file.read_u8().await? != b'\n' {
            file.write_all(b"\n").await?;
        }
    }
    Ok(file)
}

impl Sink for JsonlSink {
    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), DeliverError> {
        let line = [&delivery.body[..], b"\n"].concat();
        let done = self.append(&line).await;
        done.map_err(|error| {
            self.file = None;
            DeliverError::retry(format!("{}: {error}", self.path.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_torn_line_is_ended_before_the_next_event() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/events.jsonl");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "{\"a\":1}\n{\"b\":").unwrap();
        let mut sink = JsonlSink::new(&Config {
            id: "x".into(),
            path: path.clone(),
            levels: Vec::new(),
            roles: Vec::new(),
            send_plates: false,
        });
        let delivery = Delivery {
            event_id: "1".into(),
            kind: "crowd",
            rule: None,
            at: jiff::Timestamp::UNIX_EPOCH,
            body: r#"{"c":3}"#.into(),
            link: None,
        };
        sink.deliver(&delivery).await.unwrap();
        sink.deliver(&delivery).await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"a\":1}\n{\"b\":\n{\"c\":3}\n{\"c\":3}\n");
    }
}
