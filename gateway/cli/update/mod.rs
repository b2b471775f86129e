//! `gridpost update`: a signed program from a stick, tried, and confirmed or taken back.
//!
//! The new program counts when it has been ready for ten minutes, or when somebody confirms it. Until then
//! the one before comes back by itself if the new one does not run, or is not ready in time. Nothing that was
//! acknowledged is lost by going back: both work on the same data folder, the new one writes what the old one reads
//! until it counts (`base/trial.rs`, `store/newer_words.rs`), and going back past a store that the old program cannot
//! read is refused. Who decides is the version before: one that is broken may find itself well.

mod archive;
mod outlook;
mod versions;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use jiff::Timestamp;

use super::{Failure, load, print_row};
use crate::{base::RealClock, domain::Clock, runtime::how_it_runs, store};
use archive::Manifest;
use outlook::{Outlook, judge, parts};
use versions::{Probation, Versions, is_newer};

/// Another command is done by then, or it waits for a person.
const LOCK_WITHIN: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("action").required(true).args(["file", "confirm", "roll_back", "watch", "status"])))]
pub(crate) struct Args {
    /// The update, as the vendor gave it.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The new version stays.
    #[arg(long)]
    confirm: bool,
    /// Back to the version before.
    #[arg(long)]
    roll_back: bool,
    /// Confirm or take back by itself, as it turns out; a timer of systemd asks each minute.
    #[arg(long)]
    watch: bool,
    /// Which version runs, and whether it is being tried.
    #[arg(long)]
    status: bool,
    /// The configuration, TOML.
    #[arg(short, long, default_value = "/etc/gridpost/gridpost.toml")]
    config: PathBuf,
    /// Where the versions lie.
    #[arg(long, value_name = "FOLDER", default_value = "/usr/lib/gridpost")]
    root: PathBuf,
    /// The vendor's public key: base64 of Ed25519, one a line.
    #[arg(long, value_name = "FILE", default_value = "/etc/gridpost/keys/update.pub")]
    key: PathBuf,
    /// Also a version that is older than the one that runs, or the same.
    #[arg(long)]
    older: bool,
    /// The new version changes the data folder so that the old one cannot read it: there is no way back.
    #[arg(long)]
    no_way_back: bool,
    /// Do not restart the service.
    #[arg(long)]
    no_restart: bool,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let versions = Versions::at(&args.root);
    let now = RealClock::start().now().wall;
    if args.status {
        return print_row(&status(&versions).map_err(Failure::Other)?);
    }
    // Two at once would write the same files, and one could go back from what the other installs.
    let Some(_lock) = versions.lock(LOCK_WITHIN).map_err(Failure::Other)? else {
        if args.watch {
            // The next look is in a minute.
            return Ok(());
        }
        return Err(Failure::Other(
            "另一个 gridpost update 正在进行，等它结束再试 (another `gridpost update` is at work: try again when it has ended)".into(),
        ));
    };
    let done = match &args.file {
        Some(file) => install(args, &versions, file, now)?,
        None if args.confirm => confirm(&versions).map_err(Failure::Other)?,
        None if args.roll_back => {
            let probation = to_go_back_from(&versions).map_err(Failure::Other)?;
            roll_back(args, &versions, &probation, "有人要求 (as asked)")?
        }
        None => watch(args, &versions, now)?,
    };
    done.iter().try_for_each(|line| print_row(line))
}

fn on_probation(versions: &Versions) -> Result<Probation, String> {
    let current = versions.current()?;
    versions.probation()?.ok_or_else(|| {
        format!("没有待确认的更新，正在用 {current} (no update is being tried: {current} is what counts)")
    })
}

/// As [`on_probation`], with the word to use where there is nothing to go back from.
fn to_go_back_from(versions: &Versions) -> Result<Probation, String> {
    on_probation(versions).map_err(|why| {
        format!(
            "{why}；要换回旧版本：用它的更新文件 `gridpost update FILE --older`；数据已升级的，先用更新前的备份 `gridpost store restore` (for an older version: its file, `gridpost update FILE --older`; where the data folder was migrated since, `gridpost store restore` the backup from before first)"
        )
    })
}

fn status(versions: &Versions) -> Result<String, String> {
    let current = versions.current()?;
    Ok(match versions.probation()? {
        None => current,
        Some(probation) => format!(
            "{current}，试用中，之前是 {} (being tried; {} was before)",
            probation.before, probation.before
        ),
    })
}

fn install(
    args: &Args,
    versions: &Versions,
    file: &Path,
    now: Timestamp,
) -> Result<Vec<String>, Failure> {
    let other = Failure::Other;
    let before = versions.current().map_err(other)?;
    if let Some(probation) = versions.probation().map_err(other)? {
        return Err(other(format!(
            "{} 还在试用：先 --confirm 或 --roll-back ({} is still being tried: --confirm or --roll-back first)",
            probation.version, probation.version
        )));
    }
    let signed = archive::read(file, &args.key).map_err(other)?;
    let version = signed.manifest.version.clone();
    may_be_taken(args, &signed.manifest, &before).map_err(other)?;
    let config = load(&args.config)?;
    reads_the_data(&signed.manifest, &config.data.path).map_err(other)?;
    versions.put(&version, &signed.bytes).map_err(other)?;
    if let Err(why) = accepts(&versions.program(&version), &args.config) {
        versions.remove(&version);
        return Err(other(format!(
            "{version} 用不了这份配置，没有安装：{why} ({version} cannot use this configuration; nothing was changed)"
        )));
    }
    let facts = how_it_runs(&config.data.path).and_then(Result::ok);
    let probation = Probation {
        version: version.clone(),
        before: before.clone(),
        before_reads: store::FORMAT,
        since: now,
        ready_since: None,
        ill_before: facts.map(|facts| parts(&facts.reasons)).unwrap_or_default(),
        away: 0,
    };
    versions.note(&probation).map_err(other)?;
    // The one that runs may have migrated it until now; from the note on it does not.
    if let Err(why) = reads_the_data(&signed.manifest, &config.data.path) {
        versions.settle().map_err(other)?;
        versions.remove(&version);
        return Err(other(why));
    }
    versions.switch(&version).map_err(other)?;
    restart(args)?;
    let mut said = vec![
        format!("{before} → {version}，就绪满 10 分钟自动确认，否则自动退回"),
        format!(
            "{before} → {version}: confirmed after 10 min ready (or --confirm), else rolled back"
        ),
    ];
    let format = signed.manifest.store_format;
    if format > store::FORMAT && signed.manifest.leaves_a_way_back(store::FORMAT) {
        said.push(format!("确认后数据升级到格式 {format}，{before} 就读不了了 (the data folder is migrated to format {format} when it is confirmed; from then on {before} cannot read it)"));
    }
    Ok(said)
}

/// Newer, unless somebody wants an older one, and with a way back, unless somebody goes without.
fn may_be_taken(args: &Args, manifest: &Manifest, before: &str) -> Result<(), String> {
    let Manifest { version, store_format, .. } = manifest;
    if version == before || !(args.older || is_newer(version, before)) {
        return Err(format!(
            "{version} 不比正在用的 {before} 新 ({version} is not newer than {before}, which runs; --older takes an older one)"
        ));
    }
    if !manifest.leaves_a_way_back(store::FORMAT) && !args.no_way_back {
        return Err(format!(
            "{version} 一启动就把数据升级到格式 {store_format}，{before} 读不了，装了就回不来：先备份，再加 --no-way-back ({version} migrates the data folder to format {store_format} at its start, which {before} cannot read: back up first, then --no-way-back)"
        ));
    }
    Ok(())
}

/// A program refuses a data folder of a newer format than its own: with it this box would have no gateway.
fn reads_the_data(manifest: &Manifest, data: &Path) -> Result<(), String> {
    let Manifest { version, store_format, .. } = manifest;
    let format = store::format_of(data).unwrap_or_default();
    if format > *store_format {
        return Err(format!(
            "数据是格式 {format}，{version} 最多读格式 {store_format}，没有安装：要用它，先用当时的备份 `gridpost store restore` ({version} reads format {store_format} at most, and the data folder has format {format}; nothing was changed: to use it, `gridpost store restore` a backup of that time first)"
        ));
    }
    Ok(())
}

/// Whether the new program takes the configuration of this box.
fn accepts(program: &Path, config: &Path) -> Result<(), String> {
    let mut check = Command::new(program);
    check.arg("check").arg("-c").arg(config).stdin(Stdio::null());
    let done = check.output().map_err(|error| error.to_string())?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let wrong = said.lines().find(|line| line.contains(": error: "));
    Err(wrong.unwrap_or("check failed").to_owned())
}

fn confirm(versions: &Versions) -> Result<Vec<String>, String> {
    let probation = on_probation(versions)?;
    versions.settle()?;
    versions.keep_only(&[&probation.version, &probation.before]);
    Ok(vec![format!("已确认 {} (confirmed)", probation.version)])
}

/// Refused where the store was migrated: what the old program cannot read it would not serve.
fn roll_back(
    args: &Args,
    versions: &Versions,
    probation: &Probation,
    why: &str,
) -> Result<Vec<String>, Failure> {
    let Probation { version, before, before_reads, .. } = probation;
    let data = load(&args.config)?.data.path;
    let format = store::format_of(&data).unwrap_or_default();
    if format > *before_reads {
        return Err(Failure::Other(format!(
            "数据已升级到格式 {format}，{before} 读不了：继续用 {version}，或用更新前的备份 `gridpost store restore` (the data folder was migrated to format {format}, which {before} cannot read: go on with {version}, or `gridpost store restore` the backup from before the update)"
        )));
    }
    versions.switch(before).map_err(Failure::Other)?;
    versions.settle().map_err(Failure::Other)?;
    restart(args)?;
    versions.keep_only(&[version, before]);
    Ok(vec![format!("{version} → {before}：{why} (rolled back)")])
}

/// One look of the watch.
fn watch(args: &Args, versions: &Versions, now: Timestamp) -> Result<Vec<String>, Failure> {
    let Some(mut probation) = versions.probation().map_err(Failure::Other)? else {
        return Ok(Vec::new());
    };
    let data = load(&args.config)?.data.path;
    let facts = how_it_runs(&data);
    let program = versions.program(&probation.version);
    match judge(&mut probation, facts.as_ref(), &program, now) {
        Outlook::Wait => {
            versions.note(&probation).map_err(Failure::Other)?;
            Ok(Vec::new())
        }
        Outlook::Confirm => confirm(versions).map_err(Failure::Other),
        Outlook::Back(why) => roll_back(args, versions, &probation, why),
    }
}

fn restart(args: &Args) -> Result<(), Failure> {
    if args.no_restart {
        return Ok(());
    }
    let asked = Command::new("systemctl").args(["restart", "gridpost.service"]).status();
    match asked {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Failure::Other(
            "程序已切换，但服务没有重启：systemctl restart gridpost (switched, and the service was not restarted)".into(),
        )),
    }
}
