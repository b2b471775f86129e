//! `gridpost doctor`: every part is asked how it is, beside a gateway that runs or without one, and told in plain words.

mod cameras;
mod diagnosis;
mod machine;
mod probe;
mod receivers;
mod running;

use std::path::Path;

use crate::{
    base::RealClock,
    config::{Config, Problem},
    domain::Clock,
    runtime::camera_table::{CameraTable, camera_table},
    store,
};

pub use diagnosis::{Diagnosis, Gravity};
pub use running::RunningFacts;
pub(super) use running::answer_doctor;

/// A table of cameras that is older was written by a gateway that is gone.
const TABLE_FRESH_S: i64 = 15;

/// All that was found.
pub struct DoctorReport {
    /// Part by part.
    pub diagnoses: Vec<Diagnosis>,
    /// What the gateway that runs here said; None: none runs, or it does not answer.
    pub running: Option<RunningFacts>,
}

/// Asks everybody; each answer has a bound in time. Pictures go into the folder `pictures`, which is there.
pub fn examine(config: &Config, problems: &[Problem], pictures: Option<&Path>) -> DoctorReport {
    let data = &config.data.path;
    let pid = store::holder(data);
    let asked = pid.as_deref().map(|pid| (pid, running::ask(data, pid)));
    let asked = asked.as_ref().map(|(pid, answer)| (*pid, answer));
    let mut diagnoses = running::diagnoses(asked);
    let facts = asked.and_then(|(_, answer)| answer.as_ref().ok());
    let table = facts.and_then(|_| fresh_table(config));
    let pending = facts.map(|facts| facts.pending.clone()).unwrap_or_default();
    let mut probes = cameras::probes(&config.cameras, table.as_ref(), pictures);
    probes.extend(receivers::sinks(&config.sinks, &pending));
    probes.extend(receivers::brokers(&config.mqtt));
    probes.extend(machine::probes(config));
    diagnoses.extend(probe::ask_all(probes));
    diagnoses.extend(of_config(problems));
    DoctorReport { diagnoses, running: facts.cloned() }
}

/// What the gateway on this data folder says of itself; None: none runs there.
pub fn how_it_runs(data: &Path) -> Option<Result<RunningFacts, String>> {
    store::holder(data).map(|pid| running::ask(data, &pid))
}

fn fresh_table(config: &Config) -> Option<CameraTable> {
    let table = camera_table(config).ok()?;
    let age = RealClock::start().now().wall.duration_since(table.at).as_secs();
    (age.abs() <= TABLE_FRESH_S).then_some(table)
}

/// What `gridpost check` says of the configuration.
pub fn of_config(problems: &[Problem]) -> Vec<Diagnosis> {
    if problems.is_empty() {
        let fine = ("配置没有问题", "the configuration is fine");
        return vec![Diagnosis::new(("config", ""), Gravity::Fine, fine.0, fine.1)];
    }
    let told = |problem: &Problem| {
        let health = if problem.warning { Gravity::Note } else { Gravity::Bad };
        let word = if problem.warning { "提醒" } else { "错误" };
        let zh = format!("{word}：{problem}");
        Diagnosis::new(("config", ""), health, zh, problem.to_string())
    };
    problems.iter().map(told).collect()
}
