//! Reasons and notes of `/readyz` with a code each, by which the page says in an officer's words what is wrong and what helps.

use serde::Serialize;

/// What is wrong. The page has two sentences for each (`web/src/words`, `fault.` and `fix.`); its check compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultCode {
    Sink,
    SinkAside,
    Broker,
    BrokerAside,
    BrokerClaims,
    PlatformProfile,
    PlatformReplies,
    PlatformQuestions,
    PlatformCases,
    Intake,
    IntakeAside,
    IntakeClaims,
    IntakeOpen,
    Store,
    Disk,
    Detector,
    DetectorProvider,
    DetectorModel,
    Model,
    Plates,
    VehicleList,
    Progress,
    Hangs,
    Applied,
    Calendar,
    Gauges,
    Links,
    Accounts,
    PagesFull,
    ClientIds,
    Decoding,
    KeyFrames,
    Streams,
    Restarted,
    Other,
}

/// A reason or a note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultView {
    pub code: FaultCode,
    /// Id of the sink, broker or camera that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// It keeps the gateway from being ready; else it works, though not as it was wished.
    pub bad: bool,
    /// As `/readyz` says it, in English.
    pub text: String,
}

impl FaultView {
    /// Of all reasons, then of all notes.
    pub fn all(reasons: &[String], notes: &[String]) -> Vec<Self> {
        let of = |bad| move |text: &String| Self::read(text, bad);
        reasons.iter().map(of(true)).chain(notes.iter().map(of(false))).collect()
    }

    fn read(text: &str, bad: bool) -> Self {
        let (part, why) = text.split_once(": ").unwrap_or((text, ""));
        let (code, of) = code_of(part, why);
        Self { code, of: of.map(str::to_owned), bad, text: text.to_owned() }
    }
}

/// By the name of the part, as whoever reports it calls it.
fn code_of<'p>(part: &'p str, why: &str) -> (FaultCode, Option<&'p str>) {
    if why.starts_with("ended by a fault inside") {
        return (FaultCode::Restarted, Some(part));
    }
    if why.starts_with("full:") && part != "intake" {
        return (FaultCode::PagesFull, Some(part));
    }
    let whole = match part {
        "intake" => FaultCode::Intake,
        "intake, set aside" => FaultCode::IntakeAside,
        "intake, said without the right to" => FaultCode::IntakeClaims,
        "intake, open" => FaultCode::IntakeOpen,
        "store" => FaultCode::Store,
        "disk" => FaultCode::Disk,
        "detector" => FaultCode::Detector,
        "detector provider" => FaultCode::DetectorProvider,
        "detector model" => FaultCode::DetectorModel,
        "model" => FaultCode::Model,
        "plates" => FaultCode::Plates,
        "vehicles" => FaultCode::VehicleList,
        "progress" => FaultCode::Progress,
        "hangs" => FaultCode::Hangs,
        "site.d" => FaultCode::Applied,
        "calendar of working days" => FaultCode::Calendar,
        "gauges that cannot be read" => FaultCode::Gauges,
        "links" => FaultCode::Links,
        "accounts" => FaultCode::Accounts,
        "client ids" => FaultCode::ClientIds,
        _ => FaultCode::Other,
    };
    if whole != FaultCode::Other {
        return (whole, None);
    }
    let named = [
        ("sink ", ", set aside", FaultCode::SinkAside),
        ("sink ", "", FaultCode::Sink),
        ("broker ", ", set aside", FaultCode::BrokerAside),
        ("broker ", ", said in another's name", FaultCode::BrokerClaims),
        ("broker ", "", FaultCode::Broker),
        ("platform ", ", profile", FaultCode::PlatformProfile),
        ("platform ", ", replies", FaultCode::PlatformReplies),
        ("platform ", ", questions", FaultCode::PlatformQuestions),
        ("platform ", ", cases", FaultCode::PlatformCases),
        ("key frames of camera ", "", FaultCode::KeyFrames),
        ("camera ", ", streams", FaultCode::Streams),
        ("camera ", "", FaultCode::Decoding),
    ];
    let found = named.iter().find_map(|(before, after, code)| {
        Some((*code, part.strip_prefix(before)?.strip_suffix(after)?))
    });
    found.map_or((FaultCode::Other, None), |(code, of)| (code, Some(of)))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        path::{Path, PathBuf},
    };

    use super::*;

    /// Each part as who reports it names it, with the file that does.
    const SAID: &[(&str, &str, FaultCode, Option<&str>)] = &[
        ("runtime/couriers.rs", "sink grid: connection refused", FaultCode::Sink, Some("grid")),
        (
            "runtime/couriers.rs",
            "sink grid, set aside: 2 records",
            FaultCode::SinkAside,
            Some("grid"),
        ),
        ("sources/mqtt.rs", "broker hall: not heard yet", FaultCode::Broker, Some("hall")),
        ("sources/mqtt.rs", "broker hall, set aside: 1", FaultCode::BrokerAside, Some("hall")),
        (
            "sources/rights.rs",
            "broker hall, said in another's name: 1",
            FaultCode::BrokerClaims,
            Some("hall"),
        ),
        (
            "sources/rights.rs",
            "intake, said without the right to: 1",
            FaultCode::IntakeClaims,
            None,
        ),
        (
            "sources/intake.rs",
            "intake: full: all 64 connections are taken",
            FaultCode::Intake,
            None,
        ),
        ("sources/intake.rs", "intake, set aside: 1", FaultCode::IntakeAside, None),
        ("sources/intake.rs", "intake, open: allow_anonymous", FaultCode::IntakeOpen, None),
        ("runtime/platforms.rs", "platform d: e, profile: x", FaultCode::Other, None),
        ("runtime/platforms.rs", "platform d, profile: x", FaultCode::PlatformProfile, Some("d")),
        (
            "runtime/platforms.rs",
            "platform d, questions: x",
            FaultCode::PlatformQuestions,
            Some("d"),
        ),
        (
            "sinks/platform_replies.rs",
            "platform d, replies: x",
            FaultCode::PlatformReplies,
            Some("d"),
        ),
        ("sinks/case_map.rs", "platform d, cases: x", FaultCode::PlatformCases, Some("d")),
        ("runtime/console_backend.rs", "store: no space", FaultCode::Store, None),
        ("runtime/disk_watch.rs", "disk: 3 MB left", FaultCode::Disk, None),
        ("camera/detect_worker.rs", "detector: no model", FaultCode::Detector, None),
        ("camera/detect_worker.rs", "detector provider: x", FaultCode::DetectorProvider, None),
        ("camera/detect_worker.rs", "detector model: x", FaultCode::DetectorModel, None),
        ("camera/detect_worker.rs", "model: the old one looks on: x", FaultCode::Model, None),
        ("camera/detect_worker.rs", "plates: plates cannot be read: x", FaultCode::Plates, None),
        ("camera/decode_worker.rs", "camera c1: by the processor", FaultCode::Decoding, Some("c1")),
        (
            "camera/decode_worker.rs",
            "key frames of camera c1: 12 s apart",
            FaultCode::KeyFrames,
            Some("c1"),
        ),
        (
            "camera/decode_worker.rs",
            "camera c1, streams: main alone",
            FaultCode::Streams,
            Some("c1"),
        ),
        ("runtime/systemd.rs", "progress: the junction", FaultCode::Progress, None),
        ("runtime/systemd.rs", "hangs: waits for its device", FaultCode::Hangs, None),
        ("runtime/applied.rs", "site.d: x", FaultCode::Applied, None),
        ("runtime/applied.rs", "vehicles: 2 lines of the list", FaultCode::VehicleList, None),
        (
            "runtime/junction.rs",
            "calendar of working days: it reached to",
            FaultCode::Calendar,
            None,
        ),
        ("runtime/junction.rs", "gauges that cannot be read: g", FaultCode::Gauges, None),
        ("runtime/links.rs", "links: none are made", FaultCode::Links, None),
        (
            "runtime/account_notes.rs",
            "accounts: nobody can log in by name",
            FaultCode::Accounts,
            None,
        ),
        ("console/listener.rs", "links: full: all 64", FaultCode::PagesFull, Some("links")),
        ("console/listener.rs", "web: full: all 64", FaultCode::PagesFull, Some("web")),
        ("base/client_ids.rs", "client ids: new", FaultCode::ClientIds, None),
        (
            "base/supervise.rs",
            "a courier of sink x: ended by a fault inside, 1 times",
            FaultCode::Restarted,
            Some("a courier of sink x"),
        ),
    ];

    #[test]
    fn each_reason_that_a_part_gives_has_its_code() {
        for (_, text, code, of) in SAID {
            let read = FaultView::read(text, true);
            assert_eq!((read.code, read.of.as_deref()), (*code, *of), "{text}");
        }
    }

    /// Whoever begins to report something here gives the page words for it too.
    #[test]
    fn no_part_reports_what_the_page_has_no_words_for() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway");
        let mut told: BTreeMap<String, usize> = BTreeMap::new();
        let mut open: Vec<PathBuf> = vec![root.clone()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.ends_with("node_modules") {
                    open.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                let is_test = name.contains("tests")
                    || name == "base/readiness.rs"
                    || name == "console/faults.rs";
                if is_test || !name.ends_with(".rs") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let count = [".not_ready(", "eadiness.note("]
                    .iter()
                    .map(|call| text.matches(call).count())
                    .sum();
                if count > 0 {
                    told.insert(name, count);
                }
            }
        }
        let known: Vec<&str> = SAID.iter().map(|(file, ..)| *file).collect();
        let strange: Vec<&String> =
            told.keys().filter(|name| !known.contains(&name.as_str())).collect();
        assert!(strange.is_empty(), "give a code to what these report: {strange:?}");
        let most = |name: &str| known.iter().filter(|file| **file == name).count();
        for (name, count) in &told {
            // One that tells of the same part at several places is known by it.
            let several = ["sources/mqtt.rs", "sinks/platform_replies.rs", "runtime/junction.rs"]
                .contains(&name.as_str());
            assert!(
                several || *count <= most(name),
                "{name} reports {count} things; {} are known",
                most(name)
            );
        }
        assert!(told.len() >= 12, "only {} files are known to report: {told:?}", told.len());
    }
}
