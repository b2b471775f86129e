//! `gridpost update`: a signed program from a stick, tried, and confirmed or taken back.
//!
//! The new program counts when it has been ready for ten minutes, or when somebody confirms it. Until then
//! the one before comes back by itself if the new one does not run, or is not ready in time. Nothing that was
//! acknowledged is lost by going back: both work on the same data folder, and going back past a store that the
//! old program cannot read is refused.

mod archive;
mod versions;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::{Failure, load, print_row};
use crate::{
    base::RealClock,
    domain::Clock,
    runtime::{RunningFacts, how_it_runs},
    store,
};
use versions::{Probation, Versions, is_newer};

/// Ready for so long without a break, it is confirmed.
const READY_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Not confirmed by then, it goes.
const TRIED_FOR: SignedDuration = SignedDuration::from_mins(30);
/// The watch looks each minute: one who was away three times does not come back.
const AWAY_MAX: u32 = 3;

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
    let done = match &args.file {
        Some(file) => install(args, &versions, file, now)?,
        None if args.confirm => confirm(&versions).map_err(Failure::Other)?,
        None if args.roll_back => {
            let probation = on_probation(&versions).map_err(Failure::Other)?;
            roll_back(args, &versions, &probation, "有人要求 (as asked)")?
        }
        None if args.watch => watch(args, &versions, now)?,
        None => status(&versions).map_err(Failure::Other)?,
    };
    done.iter().try_for_each(|line| print_row(line))
}

fn on_probation(versions: &Versions) -> Result<Probation, String> {
    let current = versions.current()?;
    versions.probation()?.ok_or_else(|| {
        format!("没有待确认的更新，正在用 {current} (no update is being tried: {current} is what counts)")
    })
}

fn status(versions: &Versions) -> Result<Vec<String>, String> {
    let current = versions.current()?;
    Ok(vec![match versions.probation()? {
        None => current.clone(),
        Some(probation) => format!(
            "{current}，试用中，之前是 {} (being tried; {} was before)",
            probation.before, probation.before
        ),
    }])
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
    if version == before || !(args.older || is_newer(&version, &before)) {
        return Err(other(format!(
            "{version} 不比正在用的 {before} 新 ({version} is not newer than {before}, which runs; --older takes an older one)"
        )));
    }
    if signed.manifest.store_format > store::FORMAT && !args.no_way_back {
        return Err(other(format!(
            "{version} 会把数据升级到格式 {}，{before} 读不了，装了就回不来：先备份，再加 --no-way-back ({version} migrates the data folder to format {}, which {before} cannot read: back up first, then --no-way-back)",
            signed.manifest.store_format, signed.manifest.store_format
        )));
    }
    let config = load(&args.config)?;
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
    versions.switch(&version).map_err(other)?;
    restart(args)?;
    Ok(vec![
        format!("{before} → {version}，就绪满 10 分钟自动确认，否则自动退回"),
        format!(
            "{before} → {version}: confirmed after 10 min ready (or --confirm), else rolled back"
        ),
    ])
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

/// What is to become of an update.
#[derive(Debug, PartialEq, Eq)]
enum Outlook {
    Wait,
    Confirm,
    Back(&'static str),
}

fn judge(
    probation: &mut Probation,
    facts: Option<&Result<RunningFacts, String>>,
    program: &Path,
    now: Timestamp,
) -> Outlook {
    let runs = facts.and_then(|facts| facts.as_ref().ok());
    let runs = runs.filter(|facts| Path::new(&facts.program) == program);
    probation.away = if runs.is_some() { 0 } else { probation.away + 1 };
    let ready = runs.is_some_and(|facts| {
        parts(&facts.reasons).iter().all(|part| probation.ill_before.contains(part))
    });
    // It may have ended and begun anew between two looks: then it is ready for as long as it runs.
    let began = runs.map(|facts| now - Duration::from_secs(facts.up_s.min(86_400)));
    probation.ready_since = match (ready, probation.ready_since) {
        (false, _) => None,
        (true, since) => Some(since.unwrap_or(now).max(began.unwrap_or(now))),
    };
    let ready_for = probation.ready_since.map(|since| now.duration_since(since));
    if ready_for.is_some_and(|time| time >= READY_FOR) {
        return Outlook::Confirm;
    }
    if probation.away >= AWAY_MAX {
        return Outlook::Back("新版本没有运行起来 (the new version does not run)");
    }
    // Backwards too: a clock that was set back would try it for ever.
    if now.duration_since(probation.since).abs() >= TRIED_FOR {
        return Outlook::Back("30 分钟内没有就绪满 10 分钟 (not ready for 10 min within 30)");
    }
    Outlook::Wait
}

/// `sink city: away` is of the part `sink city`.
fn parts(reasons: &[String]) -> Vec<String> {
    let part = |reason: &String| reason.split(": ").next().unwrap_or_default().to_owned();
    reasons.iter().map(part).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn probation() -> Probation {
        Probation {
            version: "2".into(),
            before: "1".into(),
            before_reads: 2,
            since: Timestamp::UNIX_EPOCH,
            ready_since: None,
            ill_before: vec!["sink city".into()],
            away: 0,
        }
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn runs(minutes: u64, program: &str, reasons: &[&str]) -> Result<RunningFacts, String> {
        Ok(RunningFacts {
            up_s: minutes * 60,
            program: program.into(),
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
            ..RunningFacts::default()
        })
    }

    fn look(
        probation: &mut Probation,
        facts: Option<&Result<RunningFacts, String>>,
        minutes: i64,
    ) -> Outlook {
        judge(probation, facts, Path::new("/new"), at(minutes))
    }

    #[test]
    fn ten_minutes_of_readiness_without_a_break_confirm() {
        let mut probation = probation();
        for minute in 1..=10 {
            let facts = runs(minute, "/new", &["sink city: away"]);
            assert_eq!(
                look(&mut probation, Some(&facts), minute as i64),
                Outlook::Wait,
                "{minute}"
            );
        }
        assert_eq!(look(&mut probation, Some(&runs(11, "/new", &[])), 11), Outlook::Confirm);
    }

    #[test]
    fn a_break_begins_the_ten_minutes_anew_and_thirty_are_the_end() {
        let mut probation = probation();
        look(&mut probation, Some(&runs(1, "/new", &[])), 1);
        assert_eq!(
            look(&mut probation, Some(&runs(9, "/new", &["sink new: away"])), 9),
            Outlook::Wait
        );
        assert_eq!(look(&mut probation, Some(&runs(12, "/new", &[])), 12), Outlook::Wait);
        // It was started anew meanwhile, and nobody saw it.
        assert_eq!(look(&mut probation, Some(&runs(1, "/new", &[])), 22), Outlook::Wait);
        assert_eq!(look(&mut probation, Some(&runs(8, "/new", &[])), 29), Outlook::Wait);
        assert!(matches!(look(&mut probation, Some(&runs(9, "/new", &[])), 30), Outlook::Back(_)));
        let mut early = self::probation();
        early.since = at(40);
        assert!(matches!(look(&mut early, Some(&runs(1, "/new", &[])), 5), Outlook::Back(_)));
    }

    #[test]
    fn one_that_does_not_run_goes_at_the_third_look() {
        let mut probation = probation();
        let (silent, old) = (Err("no answer".to_owned()), runs(90, "/old", &[]));
        assert_eq!(look(&mut probation, None, 1), Outlook::Wait);
        assert_eq!(look(&mut probation, Some(&silent), 2), Outlook::Wait);
        // The old program is not the new one, however well it is.
        assert!(matches!(look(&mut probation, Some(&old), 3), Outlook::Back(_)));
        let mut twice = self::probation();
        look(&mut twice, None, 1);
        look(&mut twice, None, 2);
        look(&mut twice, Some(&runs(1, "/new", &[])), 3);
        assert_eq!(look(&mut twice, None, 4), Outlook::Wait);
    }
}
