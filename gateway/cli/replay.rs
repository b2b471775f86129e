//! `gridpost replay`: the same pipeline over recorded input on a simulated clock; events as JSON lines.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{Failure, load, models_report, print_line, track_file::TrackFile};
use crate::{
    config::Config,
    runtime::{self, Recorded, Replay, ReplayOutput, TrackedLook},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration, TOML. Its sinks, listeners and live cameras are left alone.
    #[arg(short, long)]
    config: PathBuf,
    /// Play this clip as that camera. Cameras whose url is a file need none.
    #[arg(long, value_name = "ID=CLIP", value_parser = pair)]
    camera: Vec<(String, PathBuf)>,
    /// Recorded signals, a JSON line each: {"at":…,"via":"mqtt","topic":…,"payload":…}.
    #[arg(long, value_name = "FILE.jsonl")]
    signals: Option<PathBuf>,
    /// `max`, or how many times real time (1 is real time).
    #[arg(long, default_value = "max", value_parser = speed)]
    speed: PlaybackSpeed,
    /// Say on stderr, look by look, what was seen by this camera and what each rule made of it.
    #[arg(long, value_name = "CAMERA")]
    explain: Option<String>,
    /// Write who is where, look by look: MOTChallenge text, or a table with a header if the name
    /// ends with .csv. Where several cameras are played, `{camera}` in the name of the text is
    /// the id of each.
    #[arg(long, value_name = "FILE")]
    tracks: Option<PathBuf>,
    /// When the clock starts, RFC 3339: each clip's first frame. Default: the first signal's
    /// time, else noon of 2026-01-01 at the site.
    #[arg(long, value_name = "TIME")]
    start: Option<jiff::Timestamp>,
    /// Keep snapshots, clips and journal here. Default: a temporary folder, gone at the end.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((id, clip)) if !id.is_empty() && Path::new(clip).is_file() => {
            Ok((id.into(), clip.into()))
        }
        Some((_, clip)) => Err(format!("{clip}: no such file")),
        None => Err("expected ID=CLIP".into()),
    }
}

#[derive(Clone, Copy)]
struct PlaybackSpeed(Option<f64>);

fn speed(text: &str) -> Result<PlaybackSpeed, String> {
    match (text, text.parse::<f64>()) {
        ("max", _) => Ok(PlaybackSpeed(None)),
        (_, Ok(times)) if (0.01..=10_000.0).contains(&times) => Ok(PlaybackSpeed(Some(times))),
        _ => Err("expected max, or a number from 0.01 to 10000".into()),
    }
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let mut config = load(&args.config)?;
    for (id, clip) in &args.camera {
        let index = camera(&config, id)?;
        config.cameras[index].url = clip.to_string_lossy().into_owned();
    }
    if let Some(id) = &args.explain {
        camera(&config, id)?;
    }
    let recorded = recorded(args, &config)?;
    check_input(&config, &recorded)?;
    let mut track_file = track_file(args, &config)?;
    let (folder, _temporary) = data_folder(args)?;
    config.data.path = folder;
    let mut track_writer = track_file.as_mut().map(|file| |look: &TrackedLook<'_>| file.take(look));
    let output = ReplayOutput {
        tracks: track_writer.as_mut().map(|writer| writer as &mut dyn FnMut(&TrackedLook<'_>)),
        event: &mut |line| {
            print_line(line).map_err(|failure| match failure {
                Failure::Usage(message) | Failure::Other(message) => message,
            })
        },
        explanation: &mut |line| eprintln!("{line}"),
    };
    let replay = Replay {
        config,
        signals: recorded.messages,
        start: args.start,
        speed: args.speed.0,
        explain: args.explain.as_deref().map(Into::into),
    };
    let played = runtime::replay(replay, output).map_err(Failure::Other)?;
    tracing::info!(
        pictures = played.pictures,
        signals = played.signals,
        unreadable = played.unreadable,
        events = played.events,
        "replayed"
    );
    if let Some(file) = track_file {
        file.finish().map_err(Failure::Other)?;
    }
    let mut wrong = played.poor;
    let lines = recorded.unreadable.len();
    if lines > 0 {
        wrong.push(format!("{}: {lines} line(s) could not be read", signals_file(args)));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Other(wrong.join("; "))) }
}

/// Where tracks go. It must be none of the files that are played.
fn track_file(args: &Args, config: &Config) -> Result<Option<TrackFile>, Failure> {
    let Some(path) = &args.tracks else { return Ok(None) };
    let cameras: Vec<&str> =
        config.cameras.iter().filter(|one| one.is_clip()).map(|one| one.id.as_str()).collect();
    let clips = config.cameras.iter().map(|camera| Path::new(&camera.url));
    let inputs: Vec<&Path> =
        clips.chain([args.config.as_path()]).chain(args.signals.as_deref()).collect();
    TrackFile::create(path, &cameras, &inputs).map(Some).map_err(Failure::Usage)
}

/// The one that was asked for, or one that goes with its guard.
fn data_folder(args: &Args) -> Result<(PathBuf, Option<TempDir>), Failure> {
    if let Some(path) = &args.data {
        return Ok((path.clone(), None));
    }
    let temporary =
        tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| Failure::Other(format!("no temporary folder can be made: {error}")))?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

fn signals_file(args: &Args) -> std::path::Display<'_> {
    args.signals.as_deref().unwrap_or(Path::new("")).display()
}

/// The recorded messages; lines that cannot be read are said and passed over.
fn recorded(args: &Args, config: &Config) -> Result<Recorded, Failure> {
    let recorded = match &args.signals {
        Some(path) => read(path)?,
        None => Recorded::default(),
    };
    for id in recorded.messages.iter().filter_map(|message| message.camera()) {
        camera(config, id)?;
    }
    for (line, reason) in &recorded.unreadable {
        eprintln!("{}:{line}: {reason}", signals_file(args));
    }
    Ok(recorded)
}

/// There must be something to play, and a model for what is seen; live cameras stay dark.
fn check_input(config: &Config, recorded: &Recorded) -> Result<(), Failure> {
    for camera in config.cameras.iter().filter(|camera| !camera.is_clip()) {
        let hint = format!("--camera {}=CLIP plays a file", camera.id);
        tracing::warn!(camera = camera.id, hint, "not played: replay opens no live stream");
    }
    if config.cameras.iter().any(|camera| camera.is_clip()) {
        let library = config.library.as_deref();
        models_report::verify(
            &config.models_dir,
            config.model.name.clone(),
            config.model.library.as_deref().or(library),
        )
        .map_err(Failure::Usage)?;
    } else if recorded.messages.is_empty() {
        let hint = "give --camera ID=CLIP or --signals FILE.jsonl";
        return Err(Failure::Usage(format!("nothing to replay: {hint}")));
    }
    Ok(())
}

/// Where it stands in the configuration.
fn camera(config: &Config, id: &str) -> Result<usize, Failure> {
    config.cameras.iter().position(|camera| camera.id == id).ok_or_else(|| {
        let known: Vec<&str> = config.cameras.iter().map(|camera| camera.id.as_str()).collect();
        let known = known.join(", ");
        Failure::Usage(format!("no camera `{id}` in the configuration; it has: {known}"))
    })
}

fn read(path: &Path) -> Result<Recorded, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("{}: cannot be read: {error}", path.display())))?;
    Ok(Recorded::parse(&text))
}
