//! The command line: one file a subcommand; exit 0 fine, 2 bad usage or config, 1 anything else.

mod announce;
mod bundle;
mod cameras;
mod check;
mod clean_picture;
mod config;
mod devices;
mod discover;
mod doctor;
mod doctor_words;
mod doubts;
mod export;
mod figures;
mod incidents;
mod incidents_table;
mod keys;
mod links;
mod log_budget;
mod log_fields;
mod models;
mod models_report;
mod replay;
mod rules;
mod run;
mod schema;
mod store;
mod store_report;
mod test_event;
mod track_file;
mod update;
mod user;
mod verify;
mod watch;

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use clap::{Parser, Subcommand};
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use log_budget::BudgetedLines;

use crate::{
    config::{
        Config, Problem,
        env::{Environment, ProcessEnvironment},
        load_to_run,
    },
    domain::clean,
    media::leave,
};

/// gridpost 网格哨所: the edge gateway of a community police room.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// More on stderr: -v debug, -vv trace. `GRIDPOST_LOG` takes a tracing filter instead.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway until SIGINT or SIGTERM.
    Run(run::Args),
    /// Watch cameras with no configuration at all; events as JSON lines on stdout.
    Watch(watch::Args),
    /// Play recordings through the same pipeline on a simulated clock; events on stdout.
    Replay(replay::Args),
    /// What each camera does and costs: asleep or awake, wakes by cause, looks that were skipped.
    Cameras(cameras::Args),
    /// The models of the catalogue: list, fetch, verify.
    Models(models::Args),
    /// Find every mistake in a configuration; touches nothing.
    Check(check::Args),
    /// Where each key comes from, what was applied over the file, and back.
    Config(config::Args),
    /// A stranger's picture on stdin, under limits; the gateway starts it for itself.
    #[command(hide = true)]
    CleanPicture,
    /// Every button and what is wrong with it.
    Devices(devices::Args),
    /// Which cameras are on the network, what they offer, and the lines to paste.
    Discover(discover::Args),
    /// How every part is: cameras, sinks, brokers, disk, time, model; what to do; a bundle for support.
    Doctor(doctor::Args),
    /// What happened since yesterday, who accepted it and when.
    Incidents(incidents::Args),
    /// What a district counts of the cases of a month: closed, in time, by grid, kind and department.
    Figures(figures::Args),
    /// How each rule does, and what could be changed of it, with what that would save and cost.
    Rules(rules::Args),
    /// Take signed links back: of one person, or all.
    Links(links::Args),
    /// Accounts of persons and tokens of programs: the first one, others, roles, passwords.
    User(user::Args),
    /// Say something at loudspeakers, in your own words.
    Announce(announce::Args),
    /// An incident with its evidence as one signed file that any machine can prove.
    Export(export::Args),
    /// Prove such a file, on any machine, with no configuration.
    Verify(verify::Args),
    /// The public key of the site, by which its files are proved.
    Keys(keys::Args),
    /// A drill through every sink, route and limit: what arrived where, and how soon.
    TestEvent(test_event::Args),
    /// JSON Schema of the configuration and of the event.
    Schema(schema::Args),
    /// A new version of the program, signed, from a stick: tried, then confirmed or taken back.
    Update(update::Args),
    /// A data folder: check, ledger, list, retry (send refused records again), backup, restore.
    Store(store::Args),
}

/// What a command ends with.
pub(crate) enum Failure {
    /// Exit 2: bad usage, config, model or library.
    Usage(String),
    /// Exit 1.
    Other(String),
}

/// Reads the command line, runs the command, and ends the process with its exit code: threads of C libraries may
/// still work, so nothing is taken down beneath them.
pub fn main() -> ! {
    let args = Args::parse();
    log_to_stderr(args.verbose);
    let outcome = match args.command {
        Command::Run(args) => run::main(&args),
        Command::Watch(args) => watch::main(&args),
        Command::Replay(args) => replay::main(&args),
        Command::Cameras(args) => cameras::main(&args),
        Command::Models(args) => models::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Config(args) => config::main(&args),
        Command::CleanPicture => clean_picture::main(),
        Command::Devices(args) => devices::main(&args),
        Command::Discover(args) => discover::main(&args),
        Command::Doctor(args) => doctor::main(&args),
        Command::Incidents(args) => incidents::main(&args),
        Command::Figures(args) => figures::main(&args),
        Command::Rules(args) => rules::main(&args),
        Command::Links(args) => links::main(&args),
        Command::User(args) => user::main(&args),
        Command::Announce(args) => announce::main(&args),
        Command::Export(args) => export::main(&args),
        Command::Verify(args) => verify::main(&args),
        Command::Keys(args) => keys::main(&args),
        Command::TestEvent(args) => test_event::main(&args),
        Command::Schema(args) => schema::main(&args),
        Command::Store(args) => store::main(&args),
        Command::Update(args) => update::main(&args),
    };
    let (message, code) = match outcome {
        Ok(()) => (None, 0),
        Err(Failure::Usage(message)) => (Some(message), 2),
        Err(Failure::Other(message)) => (Some(message), 1),
    };
    if let Some(message) = message {
        eprintln!("gridpost: {message}");
    }
    // A reader that is gone is not told.
    let _ = io::stdout().flush();
    leave(code)
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "gridpost=info,warn",
        1 => "gridpost=debug,info",
        _ => "trace",
    };
    let wanted = ProcessEnvironment.get("GRIDPOST_LOG").unwrap_or_else(|| level.into());
    let (filter, wrong) = log_filter(&wanted);
    let coloured = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(BudgetedLines::new(io::stderr, coloured))
        .with_ansi(coloured)
        .with_target(false);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    for part in wrong {
        tracing::warn!(part, "GRIDPOST_LOG: not understood; expected e.g. gridpost=debug,warn");
    }
}

/// Parts like `gridpost=debug` or `warn`, and those that are none: they cost only themselves.
fn log_filter(wanted: &str) -> (Targets, Vec<&str>) {
    let mut filter = Targets::new();
    let mut wrong = Vec::new();
    for part in wanted.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.parse::<Targets>() {
            // A part without `=` and without the name of a level is a target, as in `env_logger`.
            Ok(one) => {
                filter = match one.default_level() {
                    Some(level) => filter.with_default(level),
                    None => filter.with_targets(one),
                }
            }
            Err(_) => wrong.push(part),
        }
    }
    (filter, wrong)
}

/// Reads and checks a configuration; every problem goes to stderr, and errors end the command, but for
/// those of what was applied over the hand-written file: that is set aside.
pub(crate) fn load(path: &Path) -> Result<Config, Failure> {
    let (config, problems) = load_to_run(path, &ProcessEnvironment);
    for problem in &problems {
        eprintln!("{problem}");
    }
    if let Some(why) = config.as_ref().and_then(|config| config.in_effect.set_aside.as_ref()) {
        eprintln!("site.d: {why}");
    }
    config.ok_or_else(|| Failure::Usage(summary(path, &problems)))
}

/// One line after the problems: how many there are.
pub(crate) fn summary(path: &Path, problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| !problem.warning).count();
    let warnings = problems.len() - errors;
    format!("{}: {errors} error(s), {warnings} warning(s)", path.display())
}

/// One line of data on stdout.
pub(crate) fn print_line(line: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout().lock(), "{line}")
        .map_err(|error| Failure::Other(format!("cannot write to stdout: {error}")))
}

/// One row of a list on stdout: whatever devices call themselves, it is one row, and moves nothing.
pub(crate) fn print_row(row: &str) -> Result<(), Failure> {
    print_line(&clean(row))
}

/// A time as the site's clock shows it.
pub(crate) fn clock_of(at: jiff::Timestamp, zone: &jiff::tz::TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Writes a line of the log as one line: what a device or camera says in it cannot begin another.
struct OneLine<W> {
    to: W,
    /// Its colours are escapes; those in a value were escaped by the formatter.
    coloured: bool,
    /// Of the same place, before this line.
    left_out: u64,
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let (line, end) = match text.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (&*text, ""),
        };
        let line = if self.coloured {
            line.split('\x1b').map(clean).collect::<Vec<_>>().join("\x1b")
        } else {
            clean(line).into_owned()
        };
        let more = match std::mem::take(&mut self.left_out) {
            0 => String::new(),
            more => format!(" ({more} like it were left out before)"),
        };
        self.to.write_all(format!("{line}{more}{end}").as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_one_line() {
        let mut out = Vec::new();
        let said = "INFO failed failure=no\nERROR forged by a camera\u{9b}31m \u{202e}x\n";
        OneLine { to: &mut out, coloured: false, left_out: 0 }.write_all(said.as_bytes()).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out, "INFO failed failure=no␊ERROR forged by a camera⟨U+009B⟩31m ⟨U+202E⟩x\n");
    }

    #[test]
    fn parts_of_a_log_filter_count_whatever_stands_beside_them() {
        let of = |text: &'static str| {
            let (filter, wrong) = log_filter(text);
            (filter.to_string(), wrong)
        };
        assert_eq!(of("gridpost=debug, info,"), of("gridpost=debug,info"));
        assert_eq!(of("warn").0, "warn");
        let (filter, wrong) = of("gridpost=debug,rumqttc=loud,warn");
        assert_eq!((filter, wrong), (of("gridpost=debug,warn").0, vec!["rumqttc=loud"]));
    }
}
