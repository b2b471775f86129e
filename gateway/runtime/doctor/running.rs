//! What the gateway that runs says of itself, asked by way of its data folder.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use super::diagnosis::{Diagnosis, Gravity};
use crate::{
    domain::SinkId,
    runtime::{request_file, shared::Shared},
};

const WHAT: &str = "doctor";
const PART: (&str, &str) = ("gateway", "");

/// What only the running gateway knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunningFacts {
    pub version: String,
    pub up_s: u64,
    /// The file that runs.
    pub program: String,
    /// As `/readyz` has them.
    pub reasons: Vec<String>,
    /// Likewise.
    pub notes: Vec<String>,
    /// As `/metrics` has it.
    pub metrics: String,
    /// What is owed to each sink.
    pub pending: BTreeMap<SinkId, u64>,
}

/// The running gateway's half.
pub(in crate::runtime) fn answer_doctor(data: &Path, shared: &Shared) {
    let Some(asked) = request_file::take::<()>(data, WHAT) else { return };
    let ledger = shared.store.ledger();
    let pending = |sink: &SinkId| ledger.of(sink).pending;
    let facts = RunningFacts {
        version: env!("CARGO_PKG_VERSION").into(),
        program: program(),
        up_s: shared.clock.now().mono_ms / 1000,
        reasons: shared.readiness.reasons(),
        notes: shared.readiness.notes(),
        metrics: shared.registry.text(),
        pending: ledger.sinks.keys().map(|sink| (sink.clone(), pending(sink))).collect(),
    };
    request_file::put(data, WHAT, asked.by, &facts);
}

/// Where the program of this process lies; one that was replaced or removed since has a mark behind its name.
fn program() -> String {
    let path = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    path.display().to_string()
}

/// Asks the gateway that holds this folder. The error is one sentence.
pub(super) fn ask(data: &Path, pid: &str) -> Result<RunningFacts, String> {
    request_file::ask(data, pid, WHAT, &(), request_file::ANSWER_WITHIN)
}

/// What that says; None: no gateway runs here.
pub(super) fn diagnoses(asked: Option<(&str, &Result<RunningFacts, String>)>) -> Vec<Diagnosis> {
    let (pid, facts) = match asked {
        None => {
            let none = Diagnosis::new(PART, Gravity::Note, "网关没有运行", "no gateway runs here");
            return vec![
                none.advise("启动：systemctl start gridpost", "start it: systemctl start gridpost"),
            ];
        }
        Some((pid, Err(reason))) => {
            let zh = format!("网关（进程 {pid}）占着数据目录，但不回应：{reason}");
            let en = format!(
                "the gateway (process {pid}) holds the data folder and does not answer: {reason}"
            );
            let advice = "看日志 journalctl -u gridpost；请用服务的用户或 root 运行本命令";
            let silent = Diagnosis::new(PART, Gravity::Bad, zh, en);
            return vec![silent.advise(
                advice,
                "look at its log, journalctl -u gridpost; run this as the service's user or as root",
            )];
        }
        Some((pid, Ok(facts))) => (pid, facts),
    };
    let version = &facts.version;
    let minutes = facts.up_s / 60;
    let runs = Diagnosis::new(
        PART,
        Gravity::Fine,
        format!("网关在运行（进程 {pid}，{version} 版，已 {minutes} 分钟）"),
        format!("the gateway runs (process {pid}, version {version}, for {minutes} min)"),
    );
    let runs = runs.fact("up_s", facts.up_s).fact("version", version.as_str());
    let told = |health: Gravity, zh: &str, en: &str, text: &String| {
        Diagnosis::new(PART, health, format!("{zh}：{text}"), format!("{en}: {text}"))
    };
    let bad = facts.reasons.iter().map(|text| told(Gravity::Bad, "未就绪", "not ready", text));
    let notes = facts.notes.iter().map(|text| told(Gravity::Note, "说明", "note", text));
    std::iter::once(runs).chain(bad).chain(notes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_is_away_silent_or_not_ready_is_told_apart() {
        let health = |asked: Option<(&str, &Result<RunningFacts, String>)>| -> Vec<Gravity> {
            diagnoses(asked).iter().map(|one| one.health).collect()
        };
        assert_eq!(health(None), [Gravity::Note]);
        assert_eq!(health(Some(("7", &Err("no answer".into())))), [Gravity::Bad]);
        let mut facts = RunningFacts::default();
        assert_eq!(health(Some(("7", &Ok(facts.clone())))), [Gravity::Fine]);
        facts.reasons = vec!["sink city: away".into()];
        facts.notes = vec!["gate: decoded by the processor".into()];
        let told = [Gravity::Fine, Gravity::Bad, Gravity::Note];
        assert_eq!(health(Some(("7", &Ok(facts)))), told);
    }
}
