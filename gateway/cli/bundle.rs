//! The support bundle: a tar of what somebody needs who helps from afar, without secrets, names, phones or pictures.

use std::{
    io::{Read, Seek, SeekFrom},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use super::{Failure, doctor_words, log_fields, store_report};
use crate::{
    base::{spawn, write_for_owner},
    config::{Config, SupportView, env::ProcessEnvironment, support_view},
    runtime::DoctorReport,
};

/// Of the log's end.
const LOG_BYTES_MAX: u64 = 1024 * 1024;
const LOG_LINES: &str = "4000";
const LOG_WITHIN: Duration = Duration::from_secs(20);
/// A store of years is not read whole for this.
const STORE_WITHIN: Duration = Duration::from_secs(60);
const REMOVED: &str = "⟨removed⟩";
const PHONE_DIGITS: usize = 11;

/// Whose bundle.
pub(super) struct BundleSource<'c> {
    pub(super) path: &'c Path,
    pub(super) config: Option<&'c Config>,
    pub(super) report: &'c DoctorReport,
}

/// Writes it for its owner alone; how many texts were taken out.
pub(super) fn write(
    file: &Path,
    case: &BundleSource<'_>,
    log: Option<&Path>,
) -> Result<usize, Failure> {
    let view = support_view(case.path, case.config, &ProcessEnvironment);
    // Before the other words: what they leave behind must not change where a value ends.
    let (log, mut removed) = log_fields::without_values(&log_tail(log));
    let mut tar = Vec::new();
    for (name, text) in parts(case, &view, log) {
        let (text, times) = without_private(&text, &view.private);
        removed += times;
        put(&mut tar, name, text.as_bytes());
    }
    // The end of a tar: two empty blocks.
    tar.extend([0; 1024]);
    let written = write_for_owner(file, &tar);
    let told = |error| Failure::Other(format!("--bundle {}: {error}", file.display()));
    written.map(|()| removed).map_err(told)
}

fn parts(case: &BundleSource<'_>, view: &SupportView, log: String) -> Vec<(&'static str, String)> {
    let running = case.report.running.as_ref();
    let readyz = running.map(|facts| {
        serde_json::json!({ "reasons": facts.reasons, "notes": facts.notes, "up_s": facts.up_s })
    });
    let cameras = case.config.and_then(|config| {
        let path = config.data.path.join("cameras.json");
        std::fs::read_to_string(path).ok()
    });
    vec![
        ("gridpost-support/README.txt", README.into()),
        ("gridpost-support/doctor.txt", doctor_words::lines(case.report).join("\n")),
        ("gridpost-support/doctor.json", doctor_words::document(case.report).to_string()),
        ("gridpost-support/config.txt", view.lines.join("\n")),
        ("gridpost-support/versions.txt", versions()),
        (
            "gridpost-support/metrics.txt",
            running.map(|facts| facts.metrics.clone()).unwrap_or_default(),
        ),
        ("gridpost-support/readyz.json", readyz.unwrap_or_default().to_string()),
        ("gridpost-support/cameras.json", cameras.unwrap_or_default()),
        ("gridpost-support/store.txt", case.config.map(store_lines).unwrap_or_default()),
        ("gridpost-support/log.txt", log),
    ]
}

const README: &str = "Made by `gridpost doctor --bundle`. Look through it before you send it: texts of the \
configuration, names, phones, addresses, secrets and pictures were left out, and stand as ⟨removed⟩ or …; \
so does, in the log, what stood in `by`, `who`, `why`, `from`, `peer`, `person` and `name`.\n";

fn versions() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let os = read("/etc/os-release");
    let os = os.lines().find(|line| line.starts_with("PRETTY_NAME=")).unwrap_or("PRETTY_NAME=?");
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find(|line| line.starts_with("model name")).unwrap_or("model name: ?");
    let memory = read("/proc/meminfo");
    let memory = memory.lines().next().unwrap_or_default().to_owned();
    let kernel = read("/proc/sys/kernel/osrelease");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "gridpost {} {}\n{os}\nkernel {}\n{model}\n{cores} cores\n{memory}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        kernel.trim(),
    )
}

fn store_lines(config: &Config) -> String {
    let data = config.data.path.clone();
    let read = move || {
        let (sound, mut lines) = store_report::check(&data);
        lines.insert(0, if sound { "sound".into() } else { "NOT SOUND".into() });
        lines.extend(store_report::ledger(&data).unwrap_or_else(|error| vec![error]));
        lines.join("\n")
    };
    within(STORE_WITHIN, read).unwrap_or_else(|| format!("not read within {STORE_WITHIN:?}"))
}

/// None: it takes longer, and is left behind.
fn within(bound: Duration, work: impl FnOnce() -> String + Send + 'static) -> Option<String> {
    let (sender, done) = mpsc::sync_channel(1);
    spawn("bundle", move || drop(sender.send(work()))).ok()?;
    done.recv_timeout(bound).ok()
}

fn log_tail(file: Option<&Path>) -> String {
    let Some(path) = file else {
        let ask = || {
            let asked = Command::new("journalctl")
                .args(["-u", "gridpost", "-n", LOG_LINES, "--no-pager", "-o", "short-iso"])
                .stdin(Stdio::null())
                .output();
            match asked {
                Ok(said) => String::from_utf8_lossy(&said.stdout).into_owned(),
                Err(error) => format!("journalctl: {error}; `--log FILE` names the gateway's log"),
            }
        };
        return within(LOG_WITHIN, ask).unwrap_or_else(|| "journalctl did not answer".into());
    };
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        let begin = length.saturating_sub(LOG_BYTES_MAX);
        file.seek(SeekFrom::Start(begin))?;
        let mut bytes = Vec::new();
        file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // Where it was cut it may begin inside a value, and nobody could tell whose that was.
        Ok(match begin {
            0 => text,
            _ => text.split_once('\n').map_or("", |(_, lines)| lines).to_owned(),
        })
    };
    read().unwrap_or_else(|error| format!("{}: {error}", path.display()))
}

/// The text without the private ones, without phones and without logins in addresses; how many were
/// taken out.
fn without_private(text: &str, private: &[String]) -> (String, usize) {
    let mut text = text.to_owned();
    let mut removed = 0;
    for word in private.iter().filter(|word| !word.is_empty()) {
        let times = text.matches(word.as_str()).count();
        if times > 0 {
            text = text.replace(word.as_str(), REMOVED);
            removed += times;
        }
    }
    let (text, phones) = without_phones(&text);
    let (text, logins) = without_logins(&text);
    (text, removed + phones + logins)
}

/// Eleven digits that begin with 1 and stand alone: a mobile phone.
fn without_phones(text: &str) -> (String, usize) {
    let (mut out, mut removed) = (String::with_capacity(text.len()), 0);
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if end == PHONE_DIGITS && rest.starts_with('1') {
            out.push_str(REMOVED);
            removed += 1;
        } else {
            out.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    (out, removed)
}

/// `user:password@` of an address.
fn without_logins(text: &str) -> (String, usize) {
    let (mut out, mut removed) = (String::with_capacity(text.len()), 0);
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        out.push_str(&rest[..at + 3]);
        rest = &rest[at + 3..];
        let end =
            rest.find(|c: char| c.is_whitespace() || "/\"'<>".contains(c)).unwrap_or(rest.len());
        if let Some(login) = rest[..end].rfind('@') {
            out.push_str(REMOVED);
            removed += 1;
            rest = &rest[login..];
        }
    }
    out.push_str(rest);
    (out, removed)
}

/// One file of a tar (ustar), readable by its owner.
fn put(tar: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    const BLOCK: usize = 512;
    let mut head = [0u8; BLOCK];
    let mut field =
        |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
    field(0, name);
    field(100, "0000600\0");
    field(108, "0000000\0");
    field(116, "0000000\0");
    field(124, &format!("{:011o}\0", bytes.len()));
    field(136, "00000000000\0");
    field(148, "        ");
    field(156, "0");
    field(257, "ustar\0");
    field(263, "00");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend(head);
    tar.extend(bytes);
    tar.extend(vec![0; bytes.len().next_multiple_of(BLOCK) - bytes.len()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_logins_and_private_words_go_and_other_numbers_stay() {
        let private = ["张秀英".to_owned(), "topsecret".to_owned()];
        let (text, removed) = without_private(
            "张秀英 pressed; call 13900001234, at 1700000000123 ms, port 11883; rtsp://a:b@c@192.0.2.1/x topsecret",
            &private,
        );
        assert_eq!(
            text,
            "⟨removed⟩ pressed; call ⟨removed⟩, at 1700000000123 ms, port 11883; rtsp://⟨removed⟩@192.0.2.1/x ⟨removed⟩"
        );
        assert_eq!(removed, 4);
        let plain =
            "mqtt://broker.example:1883/a and mail@example at http://h/ 10000000000x23900001234";
        assert_eq!(without_private(plain, &private).0, plain.replace("10000000000", REMOVED));
    }

    #[test]
    fn another_hand_reads_the_tar() {
        let folder = tempfile::tempdir().unwrap();
        let mut tar = Vec::new();
        put(&mut tar, "a/one.txt", b"one");
        put(&mut tar, "a/empty.txt", b"");
        put(&mut tar, "a/block.txt", &[b'x'; 512]);
        tar.extend([0; 1024]);
        let file = folder.path().join("b.tar");
        std::fs::write(&file, tar).unwrap();
        let unpacked =
            Command::new("tar").arg("xf").arg(&file).current_dir(&folder).output().unwrap();
        assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
        let read = |name: &str| std::fs::read(folder.path().join("a").join(name)).unwrap();
        assert_eq!((read("one.txt"), read("empty.txt")), (b"one".to_vec(), Vec::new()));
        assert_eq!(read("block.txt"), [b'x'; 512]);
    }
}
