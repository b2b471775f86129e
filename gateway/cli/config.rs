//! `gridpost config show|versions|undo`: where each key comes from, what was applied over the file, and back.

use std::path::{Path, PathBuf};

use super::{Failure, load, print_row};
use crate::{
    base::RealClock,
    config::{self, Refusal, Undo, Version, env::ProcessEnvironment},
    domain::Clock,
    runtime, store,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: ConfigAction,
}

#[derive(clap::Subcommand)]
enum ConfigAction {
    /// Each key with its value, and the file and line that it comes from.
    Show {
        /// The configuration, TOML.
        #[arg(short, long)]
        config: PathBuf,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// What was applied over the file: when, by whom, and what.
    Versions {
        /// The configuration, TOML.
        #[arg(short, long)]
        config: PathBuf,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Back to what stood before; what is undone can be undone again.
    Undo {
        /// The configuration, TOML.
        #[arg(short, long)]
        config: PathBuf,
        /// Back to this version instead; 0: nothing applied.
        #[arg(long, value_name = "VERSION")]
        to: Option<u32>,
        /// Who undoes it.
        #[arg(long, value_name = "NAME")]
        by: String,
        /// It may take away whole parts, such as every button.
        #[arg(long)]
        confirm: bool,
    },
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    match &args.what {
        ConfigAction::Show { config, json } => show(config, *json),
        ConfigAction::Versions { config, json } => versions(config, *json),
        ConfigAction::Undo { config, to, by, confirm } => {
            let now = RealClock::start().now().wall;
            let on = config::seen(config, &ProcessEnvironment).map_err(refused)?;
            let undo = Undo { on, to: *to, by: by.clone() };
            let done = config::undo(config, &ProcessEnvironment, now, &undo, *confirm);
            take_effect(config, done, *confirm)
        }
    }
}

fn show(path: &Path, json: bool) -> Result<(), Failure> {
    let origins = config::origins(path, &ProcessEnvironment)
        .map_err(|problem| Failure::Usage(problem.to_string()))?;
    if json {
        return print_json(&origins);
    }
    origins.iter().try_for_each(|one| {
        print_row(&format!("{} = {}  # {}:{}", one.key, one.value, one.file, one.line))
    })
}

fn versions(path: &Path, json: bool) -> Result<(), Failure> {
    let config = load(path)?;
    let (versions, current) = config::versions(&config.data.path);
    if json {
        return print_json(&serde_json::json!({ "current": current, "versions": versions }));
    }
    let zone = runtime::event_context(&config).timezone;
    for one in &versions {
        let at = one.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M");
        let mark = if one.version == current { "*" } else { " " };
        let changes = one.changes.join(", ");
        print_row(&format!("{mark} {}  {at}  {}  {}（{changes}）", one.version, one.by, one.why))?;
    }
    print_row(&match current {
        0 => "没有已应用的修改 (nothing is applied)".to_owned(),
        _ => format!("当前第 {current} 版 (version {current} is in effect)"),
    })
}

/// One JSON document on stdout.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::Other(format!("cannot be written as JSON: {error}")))?;
    super::print_line(&text)
}

/// What was refused, said with each problem; what was written takes effect in the gateway that runs.
pub(super) fn take_effect(
    path: &Path,
    done: Result<Version, Refusal>,
    confirmed: bool,
) -> Result<(), Failure> {
    let version = done.map_err(refused)?;
    print_row(&format!(
        "第 {} 版已写入：{} (version {} is written: {})",
        version.version, version.why, version.version, version.why
    ))?;
    let data = load(path)?.data.path;
    let Some(pid) = store::holder(&data) else {
        return print_row(
            "网关未运行，下次启动时生效 (no gateway runs here: in effect at its next start)",
        );
    };
    let answer = runtime::ask_for_reload(&data, &pid, confirmed).map_err(|why| {
        Failure::Other(format!("{why}; what was written is in effect at its next start or reload"))
    })?;
    if !answer.applied {
        let why = answer.body["error"].as_str().unwrap_or("refused").to_owned();
        return Err(Failure::Other(format!(
            "the running gateway goes on as before: {why}; `gridpost config undo` takes back what was written"
        )));
    }
    for item in answer.body["difference"].as_array().into_iter().flatten() {
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let keys = item["keys"].as_array().into_iter().flatten();
        let keys: Vec<&str> = keys.filter_map(serde_json::Value::as_str).collect();
        let line =
            format!("{} {} {} {}", text("section"), text("id"), text("change"), keys.join(", "));
        print_row(line.split_whitespace().collect::<Vec<_>>().join(" ").as_str())?;
    }
    print_row("已生效 (in effect)")
}

/// Nothing was written: every problem to stderr, and why.
pub(super) fn refused(refusal: Refusal) -> Failure {
    let message = refusal.to_string();
    match refusal {
        Refusal::Wrong(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            Failure::Usage(message)
        }
        _ => Failure::Other(message),
    }
}
