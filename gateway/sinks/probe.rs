//! Whether a sink could be told something now: asked without telling it anything.

use std::{fs::OpenOptions, path::Path, time::Duration};

use super::{http, kinds::Config, sink::SinkAnswer};

impl Config {
    /// Asks the other end; within the time that its section gives it. The error is one sentence without
    /// credentials.
    pub async fn probe(&self) -> Result<SinkAnswer, String> {
        let broker = |taken: Result<(), String>| {
            taken.map(|()| SinkAnswer { says: "the broker takes us in".into(), ..<_>::default() })
        };
        match self {
            Self::Http(config) => http::ask(config).await,
            Self::Webhook(config) => http::ask(&config.link()).await,
            Self::Profile(config) => http::ask(&config.link()).await,
            Self::Mqtt(config) => {
                let within = config.within();
                broker(config.access().broker(String::new()).takes_us_in(within).await)
            }
            Self::Answer(config) => {
                let within = Duration::from_secs(config.timeout_s.max(1));
                broker(config.access().broker(String::new()).takes_us_in(within).await)
            }
            Self::Jsonl(config) => appends(&config.path),
            // Whether a loudspeaker answers is known when it says something: `gridpost test-event`.
            Self::Speaker(_) => Ok(SinkAnswer {
                says: "not asked: a loudspeaker is heard in a drill (gridpost test-event)".into(),
                ..SinkAnswer::default()
            }),
        }
    }

    /// Where it is, as it may be printed.
    pub fn shown_address(&self) -> String {
        let url = |url: &url::Url| crate::wire::address::redact(url.as_str());
        match self {
            Self::Http(config) => url(&config.url),
            // The path of a robot's address is its key.
            Self::Webhook(config) => {
                format!("{}://{}", config.url.scheme(), config.url.host_str().unwrap_or_default())
            }
            Self::Profile(config) => url(&config.url),
            Self::Mqtt(config) => url(&config.broker),
            Self::Answer(config) => url(&config.broker),
            Self::Jsonl(config) => config.path.display().to_string(),
            Self::Speaker(config) => url(&config.speaker.way),
        }
    }
}

/// Whether a line could be added; a file that is not there yet is not made.
fn appends(path: &Path) -> Result<SinkAnswer, String> {
    let told = |says: &str| Ok(SinkAnswer { says: says.into(), ..SinkAnswer::default() });
    if path.as_os_str() == "-" {
        return told("the standard output");
    }
    match OpenOptions::new().append(true).open(path) {
        Ok(_) => told("the file takes more"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // The folders above it are made too: what counts is what there is of them.
            let above = path.ancestors().skip(1).find(|above| above.exists());
            match above.is_none_or(|above| above.as_os_str().is_empty() || above.is_dir()) {
                true => told("the file will be made"),
                false => Err(format!("{}: a folder above it is a file", path.display())),
            }
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_asked_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| appends(&folder.path().join(name));
        assert_eq!(of("a/b/events.jsonl").unwrap().says, "the file will be made");
        assert!(!folder.path().join("a").exists());
        std::fs::write(folder.path().join("f"), "x").unwrap();
        assert_eq!(of("f").unwrap().says, "the file takes more");
        assert!(of("f/events.jsonl").is_err(), "a folder above it is a file");
        assert!(of("").is_err(), "a folder is no file");
        assert_eq!(std::fs::read(folder.path().join("f")).unwrap(), b"x");
    }

    #[test]
    fn the_key_of_a_robot_is_not_printed() {
        let text = "kind = \"webhook\"\nid = \"a\"\nurl = \"https://u:pw@robot.example/send/KEY?access_token=TOKEN\"\nbody = \"{title}\"";
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.shown_address(), "https://robot.example");
    }
}
