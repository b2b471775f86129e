//! The configuration file becomes a checked `Config` of each part's own section; the only reader of the environment.

mod button;
mod button_list;
mod calendar_file;
mod categories;
mod check;
mod clashes;
mod datums;
mod devices;
mod diff;
mod doors;
mod drones;
mod duty_strength;
pub mod env;
mod faces;
mod fall_back;
mod grids;
mod id_text;
mod links;
mod list_rows;
mod list_text;
mod looks;
mod neighbours;
mod numbers;
mod place;
mod presence;
mod problem;
mod read;
mod removal;
mod retention;
mod roster;
mod routing;
mod rule_names;
mod secret_files;
mod sections;
mod senders;
mod sink_kinds;
mod site;
mod site_d;
mod speakers;
mod support;
mod used_ids;
mod vehicles;
mod weather;

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use crate::{
    console,
    domain::{Calendar, SourceInfo},
    incident,
    rules::{self, rain},
    sinks,
    sources::{camera, codecs::ModelConfig, drone, intake, mqtt, presence as counted, sl651},
    store, vision,
};

pub use button::ButtonConfig;
pub use diff::{ConfigChange, Difference, Item};
pub use duty_strength::duty_strength;
pub use fall_back::load_to_run;
pub use grids::{Grids, Outline, ReadGrids};
pub use problem::Problem;
pub use read::Origin;
pub use roster::{DutyConfig, duty_doubts};
pub use routing::{Routing, RoutingConfig};
pub use senders::unbounded_senders;
pub use site::SiteConfig;
pub use site_d::{
    Change, Changes, Refusal, Undo, Version, apply, is_named, note, seen, try_out, undo, unnoted,
    versions,
};
pub use support::{SupportView, support_view};
pub use vehicles::{KeepPlates, Vehicles, VehiclesConfig};
pub use weather::Weather;

/// A checked configuration.
pub struct Config {
    pub site: SiteConfig,
    pub data: store::Config,
    pub tracks: store::TracksConfig,
    pub evidence: store::EvidenceConfig,
    pub web: console::Config,
    /// What lies under the map of the page.
    pub map: console::MapConfig,
    /// The public page; absent, there is none.
    pub reports: Option<console::reports::Config>,
    /// Absent: nobody answers a case by a link.
    pub links: Option<console::LinksConfig>,
    /// Absent: devices come through brokers only.
    pub intake: Option<intake::Config>,
    /// Brokers that devices report to.
    pub mqtt: Vec<mqtt::Config>,
    pub sinks: Vec<sinks::Config>,
    pub model: vision::Config,
    pub cameras: Vec<camera::Config>,
    pub drones: Vec<drone::Config>,
    pub rules: Vec<rules::Config>,
    /// Folder of the catalogue and `cache/`.
    pub models_dir: PathBuf,
    /// From the environment; the configuration's own goes first.
    pub library: Option<PathBuf>,
    pub weather: Weather,
    pub buttons: Vec<ButtonConfig>,
    /// How devices are watched over.
    pub devices: incident::Config,
    /// Who may take which step of a case, and within what time.
    pub life: incident::LifeConfig,
    pub routing: Routing,
    /// Absent: no plate is read.
    pub vehicles: Option<Vehicles>,
    /// Working days, of the file that `life` names.
    pub calendar: Arc<Calendar>,
    pub device_models: Vec<ModelConfig>,
    /// Places at which devices are counted.
    pub presence: Vec<counted::Config>,
    /// Button → cameras whose clips go with its presses; empty where the site does not allow it.
    pub press_cameras: HashMap<String, Vec<String>>,
    /// Button → cameras that wake at its presses.
    pub wake_cameras: HashMap<String, Vec<String>>,
    pub grids: Arc<Grids>,
    /// Every source that the configuration knows, with its place and grid.
    pub sources: Vec<SourceInfo>,
    /// What of `site.d` counts.
    pub in_effect: InEffect,
    /// For [`Difference`].
    contents: diff::Contents,
}

/// What was applied over the hand-written file, as far as it counts.
#[derive(Clone, Debug, Default)]
pub struct InEffect {
    /// The hand-written file; none: there is none.
    pub file: Option<PathBuf>,
    /// The version; none: nothing is applied.
    pub version: Option<Version>,
    /// The number of what was applied when it was read, whether it counts or not; 0: nothing. Whoever
    /// changes what he sees changes this one.
    pub seen: u32,
    /// What of it does not count, and why: one sentence.
    pub set_aside: Option<String>,
}

impl Config {
    /// Its `[web]` cannot be had: the running one's stays, and differs again the next time.
    pub fn keep_web(&mut self, running: &Self) {
        self.web.clone_from(&running.web);
        self.contents.keep("web", &running.contents);
    }

    /// As [`Self::keep_web`], for `[reports]`.
    pub fn keep_reports(&mut self, running: &Self) {
        self.reports.clone_from(&running.reports);
        self.contents.keep("reports", &running.contents);
    }

    /// As [`Self::keep_web`], for `[intake]`.
    pub fn keep_intake(&mut self, running: &Self) {
        self.intake.clone_from(&running.intake);
        self.contents.keep("intake", &running.contents);
    }

    /// As [`Self::keep_web`], for `[links]`.
    pub fn keep_links(&mut self, running: &Self) {
        self.links.clone_from(&running.links);
        self.contents.keep("links", &running.contents);
    }

    /// As [`Self::keep_web`], for `[sl651]`.
    pub fn keep_sl651(&mut self, running: &Self) {
        self.weather.sl651.clone_from(&running.weather.sl651);
        self.contents.keep("sl651", &running.contents);
    }
}

/// The file as a whole, for its JSON Schema.
#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read section by section; this is its shape for the schema")]
struct Shape {
    /// One police room and where it is.
    site: SiteConfig,
    /// Where everything is kept.
    #[serde(default)]
    data: store::Config,
    /// Who was where, as boxes without pictures.
    #[serde(default)]
    tracks: store::TracksConfig,
    /// What is blurred, and how long evidence is kept.
    #[serde(default)]
    evidence: store::EvidenceConfig,
    /// Where the API listens.
    #[serde(default)]
    web: console::Config,
    /// What lies under the map of the page.
    #[serde(default)]
    map: console::MapConfig,
    /// The public page 邹全办 on which residents report; absent, there is none.
    #[serde(default)]
    reports: Option<console::reports::Config>,
    /// Pages by which one person answers one case, for who has its link; absent, there are none.
    #[serde(default)]
    links: Option<console::LinksConfig>,
    /// The built-in MQTT listener; absent, there is none.
    #[serde(default)]
    intake: Option<intake::Config>,
    /// What looks at the pictures.
    #[serde(default)]
    model: vision::Config,
    /// Cameras and recorded clips.
    #[serde(default)]
    camera: Vec<camera::Config>,
    /// Drones: feeds that come and go, and move.
    #[serde(default)]
    drone: Vec<drone::Config>,
    /// What is an incident.
    #[serde(default)]
    rule: Vec<rules::Config>,
    /// Brokers that devices report to.
    #[serde(default)]
    mqtt: Vec<mqtt::Config>,
    /// Where events go.
    #[serde(default)]
    sink: Vec<sinks::Config>,
    /// Loudspeakers 云广播.
    #[serde(default)]
    speaker: Vec<sinks::SpeakerConfig>,
    /// What is said there.
    #[serde(default)]
    announce: Vec<sinks::AnnounceConfig>,
    /// How texts become sound.
    #[serde(default)]
    voice: sinks::VoiceConfig,
    /// Emergency buttons.
    #[serde(default)]
    button: Vec<ButtonConfig>,
    /// How devices are watched over.
    #[serde(default)]
    devices: incident::Config,
    /// Who may take which step of a case, and within what time.
    #[serde(default)]
    life: incident::LifeConfig,
    /// Whose business an incident is.
    #[serde(default)]
    routing: RoutingConfig,
    /// That plates are read, whose vehicles are known; absent, no plate is read.
    #[serde(default)]
    vehicles: Option<VehiclesConfig>,
    /// Who is on duty.
    #[serde(default)]
    duty: DutyConfig,
    /// Models of devices, and how a foreign JSON is read.
    #[serde(default)]
    device_model: Vec<ModelConfig>,
    /// How many devices are where, by Wi-Fi sensors: numbers alone.
    #[serde(default)]
    presence: Vec<counted::Config>,
    /// Rain and water-level gauges.
    #[serde(default)]
    gauge: Vec<rain::GaugeConfig>,
    /// When rain is an incident.
    #[serde(default)]
    rain: rain::Config,
    /// Flood season 汛期 and key periods 重点时段.
    #[serde(default)]
    posture: rain::PostureConfig,
    /// Where hydrological stations connect (SL 651-2014); absent, nothing listens.
    #[serde(default)]
    sl651: Option<sl651::Config>,
}

/// JSON Schema of the configuration.
pub fn schema() -> Schema {
    schemars::schema_for!(Shape)
}

/// Reads and checks a configuration with what was applied over it (`site.d`): all problems at once, and
/// the configuration unless one of them is an error.
pub fn load(path: &Path, environment: &dyn env::Environment) -> (Option<Config>, Vec<Problem>) {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let found = site_d::Folder::of(&data_path(&file, &text, environment)).read();
            load_found(&file, &text, found, (environment, Tolerance::Nothing))
        }
        Err(error) => (None, vec![unreadable(file, &error)]),
    }
}

/// What may be wrong in a configuration that counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tolerance {
    /// Nothing.
    Nothing,
    /// The profile of a sink: all else goes on, and the sink owes what it cannot say. And lines of the list of
    /// vehicles: the others count.
    FilesThatAreNamed,
}

fn load_found(
    file: &str,
    text: &str,
    found: site_d::Found,
    how: (&dyn env::Environment, Tolerance),
) -> (Option<Config>, Vec<Problem>) {
    let (config, mut problems) = parse_how(file, text, &found.layers, how);
    let wrong = found.problems.iter().any(|problem| !problem.warning);
    problems.extend(found.problems);
    let config = config.filter(|_| !wrong).map(|mut config| {
        config.in_effect.version = found.applied;
        config.in_effect.seen = found.current;
        config.in_effect.file = Some(file.into());
        config
    });
    (config, problems)
}

fn unreadable(file: String, error: &std::io::Error) -> Problem {
    let message = format!("cannot be read: {error}");
    Problem { file, line: 0, key: String::new(), message, hint: None, warning: false }
}

/// Every key with its value, as typed, and the file and line that it comes from; secrets are not shown.
pub fn origins(path: &Path, environment: &dyn env::Environment) -> Result<Vec<Origin>, Problem> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(file.clone(), &error))?;
    let layers = site_d::Folder::of(&data_path(&file, &text, environment)).read().layers;
    let mut document = read::Document::parse(&file, &text, environment)?;
    layers.iter().for_each(|layer| document.lay(layer));
    Ok(document.origins())
}

/// The data folder, which the hand-written file alone names.
fn data_path(file: &str, text: &str, environment: &dyn env::Environment) -> PathBuf {
    let document = read::Document::parse(file, text, environment).ok();
    let data = document.and_then(|mut document| document.section::<store::Config>(&["data"], &[]));
    data.unwrap_or_default().path
}

/// Between two looks at a file that somebody may be writing.
const SETTLED_AFTER: Duration = Duration::from_millis(200);
const SETTLE_LOOKS_MAX: usize = 25;

/// As [`load`], for a gateway that runs: a file that is being written is no configuration yet. It is
/// read until two looks agree; waits for at most five seconds. Blocks.
pub fn load_settled(
    path: &Path,
    environment: &dyn env::Environment,
) -> (Option<Config>, Vec<Problem>) {
    let file = path.display().to_string();
    let unusable = |message: &str| {
        let message = message.to_owned();
        let file = file.clone();
        (
            None,
            vec![Problem {
                file,
                line: 0,
                key: String::new(),
                message,
                hint: None,
                warning: false,
            }],
        )
    };
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return unusable("is no regular file");
    }
    let mut before = std::fs::read(path).ok();
    for _ in 0..SETTLE_LOOKS_MAX {
        std::thread::sleep(SETTLED_AFTER);
        let now = std::fs::read(path).ok();
        if now == before {
            return load(path, environment);
        }
        before = now;
    }
    unusable("is being written again and again: reload when it is whole")
}

/// The files of profiles that could not be read, or are wrong; and a list of vehicles with wrong lines.
fn wrong_files(config: &Config) -> impl Iterator<Item = String> {
    let profiles =
        config.sinks.iter().filter_map(|sink| Some(sink.wrong_profile()?.display().to_string()));
    profiles.chain(config.vehicles.iter().filter_map(Vehicles::wrong_list))
}

/// The button list as bytes, for the fuzzer: how many rows were good, how many bad.
#[doc(hidden)]
pub fn fuzz_buttons(bytes: &[u8]) -> (usize, usize) {
    let (good, bad) = button_list::parse_buttons(bytes);
    (good.len(), bad.len())
}

/// As [`load`], from a text with nothing over it; relative paths are relative to the folder of `file`.
pub fn parse(
    file: &str,
    text: &str,
    environment: &dyn env::Environment,
) -> (Option<Config>, Vec<Problem>) {
    parse_laid(file, text, &[], environment)
}

/// As [`parse`], with layers over it.
fn parse_laid(
    file: &str,
    text: &str,
    layers: &[read::Layer],
    environment: &dyn env::Environment,
) -> (Option<Config>, Vec<Problem>) {
    parse_how(file, text, layers, (environment, Tolerance::Nothing))
}

fn parse_how(
    file: &str,
    text: &str,
    layers: &[read::Layer],
    (environment, counts): (&dyn env::Environment, Tolerance),
) -> (Option<Config>, Vec<Problem>) {
    let mut document = match read::Document::parse(file, text, environment) {
        Ok(document) => document,
        Err(problem) => return (None, vec![problem]),
    };
    layers.iter().for_each(|layer| document.lay(layer));
    let config = check::check(&mut document);
    if let Some(config) = &config {
        clashes::check(&mut document, config);
        links::check(&mut document, config);
        secret_files::check(&mut document, config);
    }
    secret_files::check_layers(&mut document);
    let mut problems = document.into_problems();
    problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    let spared: BTreeSet<String> = match counts {
        Tolerance::Nothing => BTreeSet::new(),
        Tolerance::FilesThatAreNamed => config.iter().flat_map(wrong_files).collect(),
    };
    let wrong = problems.iter().any(|one| !one.warning && !spared.contains(&one.file));
    let config = config.filter(|_| !wrong).map(|mut config| {
        config.contents = diff::Contents::of(&config);
        config
    });
    (config, problems)
}
