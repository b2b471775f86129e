//! What two parts of a configuration would take from each other: one address twice, a file of the store's as a sink.

use std::{
    net::SocketAddr,
    path::{Component, Path, PathBuf},
};

use super::{Config, read::Document};
use crate::{sinks, store};

pub(super) fn check(document: &mut Document<'_>, config: &Config) {
    let mut taken: Vec<(&str, SocketAddr)> = vec![("web", config.web.listen)];
    let intake = config.intake.as_ref().map(|intake| ("intake", intake.listen));
    let reports = config.reports.as_ref().map(|reports| ("reports", reports.listen));
    let stations = config.weather.sl651.as_ref().map(|sl651| ("sl651", sl651.listen));
    let links = config.links.as_ref().map(|links| ("links", links.listen));
    for (section, listen) in intake.into_iter().chain(stations).chain(reports).chain(links) {
        if let Some((other, _)) = taken.iter().find(|(_, other)| is_taken(*other, listen)) {
            let message = format!("its address is taken by [{other}] of this file");
            document.problem(&[section, "listen"], message, None);
        }
        taken.push((section, listen));
    }
    for (index, sink) in config.sinks.iter().enumerate() {
        let sinks::Config::Jsonl(jsonl) = sink else { continue };
        if let Some(name) = of_the_store(&config.data.path, &jsonl.path) {
            let message = format!(
                "{} is the store's own `{name}`: choose another place",
                jsonl.path.display()
            );
            document.problem(&["sink", &index.to_string(), "path"], message, None);
        }
    }
}

/// Whether both cannot be listened on. Port 0 is the system's choice, and never the same.
fn is_taken(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    let all = a.is_unspecified() || b.is_unspecified();
    one.port() == other.port() && one.port() != 0 && (a == b || all)
}

/// The name in the data folder that this file is, or lies in.
fn of_the_store(data: &Path, file: &Path) -> Option<String> {
    let (data, file) = (plain(data), plain(file));
    let first = file.strip_prefix(data).ok()?.components().next()?.as_os_str().to_str()?.to_owned();
    store::is_own_name(&first).then_some(first)
}

/// Without `..` and, as far as it is there, without links.
fn plain(path: &Path) -> PathBuf {
    let mut walked = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                walked.pop();
            }
            other => walked.push(other),
        }
        if let Ok(real) = walked.canonicalize() {
            walked = real;
        }
    }
    walked
}

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    fn told(text: &str) -> Vec<String> {
        let text = format!("[site]\nid = \"x\"\n{text}");
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(config.is_none(), told.iter().any(|line| line.contains(" error:")), "{told:?}");
        told
    }

    #[test]
    fn one_address_is_listened_on_once() {
        let doors = |web: &str, intake: &str, sl651: &str| {
            told(&format!(
                "[web]\nlisten = \"{web}\"\n[intake]\nallow_anonymous = true\nlisten = \"{intake}\"\n[sl651]\nlisten = \"{sl651}\"\nallow_unauthenticated_beyond_loopback = true\n"
            ))
        };
        let fine: &[&str] = &[];
        assert_eq!(doors("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"), fine);
        assert_eq!(doors("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"), fine);
        assert_eq!(doors("127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"), fine);
        let clash = doors("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:2");
        assert_eq!(
            clash,
            ["a.toml:9: error: sl651.listen: its address is taken by [intake] of this file"]
        );
        assert_eq!(doors("127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:2").len(), 1);
        assert_eq!(doors("127.0.0.1:1", "127.0.0.1:2", "0.0.0.0:2").len(), 1, "it is all of them");
        assert_eq!(doors("127.0.0.1:1", "127.0.0.1:2", "[::ffff:127.0.0.1]:2").len(), 1);
    }

    #[test]
    fn a_sink_does_not_write_into_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(data.join("journal")).unwrap();
        std::os::unix::fs::symlink(&data, folder.path().join("link")).unwrap();
        let sink = |path: &str| {
            told(&format!(
                "[data]\npath = \"{}\"\n[[sink]]\nid = \"s\"\nkind = \"jsonl\"\npath = \"{}/{path}\"\n",
                data.display(),
                folder.path().display()
            ))
            .len()
        };
        for fine in [
            "events.jsonl",
            "data/events.jsonl",
            "data/devices.jsonl",
            "data/standing.txt",
            "data/journals/x",
            "data-2/journal/x",
        ] {
            assert_eq!(sink(fine), 0, "{fine}");
        }
        for wrong in [
            "data/journal/00000001.log",
            "data/journal",
            "data/lock",
            "data/token",
            "data/x/../journal/a",
            "link/journal/00000001.log",
            "data/evidence/x.jpg",
            "data/client-id",
            "data/platforms/x.jsonl",
            "data/standing.json",
            "data/apply.json",
            "data/retry.done",
            "data/drill.lock",
            "data/site.d/10.toml",
        ] {
            assert_eq!(sink(wrong), 1, "{wrong}");
        }
    }
}
