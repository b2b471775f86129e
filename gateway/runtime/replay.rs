//! Recorded input through the same pipeline, one step at a time, on a simulated clock.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    core::Core,
    evidence_worker::EvidenceWorker,
    face_watch::FaceWatch,
    from_config::{dialects, event_context, look_areas, wake_plan},
    plate_seals::PlateSeals,
};
use crate::{
    base::{Registry, SimulatedClock, lock},
    camera::{Nudges, PlateWatch, Player, Rings, WakePlan, camera_ring},
    config::Config,
    domain::{
        Body, Clock, DeviceTable, Entry, EventContext, IdMint, Look, Meter, Metric, Observation,
        SourceId, Stamp, Track,
    },
    incident::Effects,
    media::Pool,
    sources::{camera, codecs::Codecs, presence::PresenceTally, recorded::RecordedMessage},
    store::{self, Batch, Store},
    vision::{Detector, load},
};

/// As the running gateway ticks.
const TICK: SignedDuration = SignedDuration::from_millis(250);
/// After the last input the clock goes on for so long beyond the longest clip, so that incidents end and
/// their clips are cut.
const AFTER: SignedDuration = SignedDuration::from_secs(60);
/// Where the clock starts when nothing says otherwise: noon of this day at the site.
const START: jiff::civil::DateTime = jiff::civil::datetime(2026, 1, 1, 12, 0, 0, 0);

/// What to replay and how.
pub struct Replay {
    /// Cameras that have a clip as their `url` are played; all others stay dark.
    pub config: Config,
    /// By time.
    pub signals: Vec<RecordedMessage>,
    /// Default: the first signal's time, else a fixed noon.
    pub start: Option<Timestamp>,
    /// Times real; absent, as fast as it goes.
    pub speed: Option<f64>,
    /// The camera whose every look is explained.
    pub explain: Option<SourceId>,
}

/// Where events and explanations go.
pub struct ReplayOutput<'t> {
    /// A line of JSON for each event. Its error ends the replay.
    pub event: &'t mut dyn FnMut(&str) -> Result<(), String>,
    /// A line for each explanation.
    pub explanation: &'t mut dyn FnMut(&str),
    /// Who is there, look by look, where somebody asks for it.
    pub tracks: Option<&'t mut dyn FnMut(&TrackedLook<'_>)>,
}

/// What a look at a recorded camera made of it.
pub struct TrackedLook<'t> {
    /// Which camera.
    pub camera: &'t SourceId,
    /// The picture of the clip, from 1.
    pub frame: u64,
    /// On the replay's clock.
    pub at: Timestamp,
    /// The same, seconds since the clip's first picture.
    pub since_s: f64,
    /// Width and height of the picture, pixels.
    pub size: (u32, u32),
    /// All of this moment: who was seen, who is known to stand there, who is only predicted.
    pub tracks: &'t [Track],
}

/// What was played.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Recordings of which next to nothing was seen, a sentence each.
    pub poor: Vec<String>,
    /// Shown to the detector.
    pub pictures: u64,
    /// Recorded messages.
    pub signals: u64,
    /// Recorded messages that no dialect could read.
    pub unreadable: u64,
    /// Written.
    pub events: u64,
}

/// Plays everything to its end. The data folder of the configuration is used as it is.
pub fn replay(replay: Replay, output: ReplayOutput<'_>) -> Result<Played, String> {
    let Replay { config, signals, start, speed, explain } = replay;
    let config = Arc::new(config);
    let context = event_context(&config);
    let first = signals.first().map(RecordedMessage::at);
    let start = start.or(first).unwrap_or_else(|| noon(&context.timezone));
    let clock = SimulatedClock::at(start);
    let registry = Registry::new();
    let meter: Arc<dyn Meter> = registry.clone();
    let rings = Rings::default();
    let mut players = players(&config, &rings, start, &meter, explain.as_ref())?;
    if output.tracks.is_some() {
        players.iter_mut().for_each(Player::number_frames);
    }
    let detector = match players.is_empty() {
        true => None,
        false => Some(load(&config.model, &config.models_dir, config.library.as_deref())?),
    };
    // After all that may be refused: an open store has a writer, which outlives a folder that goes with its guard.
    let opened =
        store::open(&config.data, &[], meter.clone()).map_err(|error| error.to_string())?;
    let mut run = ReplayRun {
        core: Core::new(&config, &context, clock.now(), IdMint::new(seed(&opened.store))),
        dialects: dialects(&config).with_presence(PresenceTally::of(&config.presence, clock.now())),
        evidence_worker: EvidenceWorker {
            store: opened.store.clone(),
            rings,
            meter,
            running: Arc::new(Mutex::new(config.clone())),
            faces: FaceWatch::new(config.models_dir.clone(), config.library.clone()),
        },
        store: opened.store.clone(),
        context,
        next_tick: start,
        pace: speed.map(|speed| (Instant::now(), start, speed)),
        clock,
        detector,
        plates: PlateWatch::new(config.models_dir.clone(), config.library.clone()),
        wakes: wake_plan(&config),
        explain,
        output,
        played: Played::default(),
    };
    run.core.seals = PlateSeals::of(&opened.store, &config);
    run.core.desk.without_limits();
    run.core.desk.restore_devices(run.clock.now(), DeviceTable::default());
    let all_played = run
        .play(&mut players, &signals)
        .and_then(|()| run.advance(run.clock.now().wall + AFTER + longest_clip(&config)));
    let mut played = std::mem::take(&mut run.played);
    let trouble = run.plates.trouble().map(str::to_owned);
    drop(run);
    played.poor = players.iter().filter_map(|player| poverty(player, &registry)).collect();
    played.poor.extend(trouble);
    let closed = opened.store.close_blocking().map_err(|error| error.to_string());
    all_played.and(closed)?;
    Ok(played)
}

fn poverty(player: &Player, figures: &Registry) -> Option<String> {
    let of = |metric| figures.get(metric, player.id.as_str());
    player.poverty(of(Metric::CameraFrames), of(Metric::CameraBadPackets))
}

fn is_played(camera: &&camera::Config) -> bool {
    camera.is_clip()
}

/// A player for each camera that has a clip as its `url`.
fn players(
    config: &Config,
    rings: &Rings,
    start: Timestamp,
    meter: &Arc<dyn Meter>,
    explain: Option<&SourceId>,
) -> Result<Vec<Player>, String> {
    let pool = Arc::new(Pool::new(1));
    let (mut players, mut areas) = (Vec::new(), look_areas(config));
    for camera in config.cameras.iter().filter(is_played) {
        let ring = camera_ring(camera);
        lock(rings).insert(camera.id.as_str().into(), (ring.clone(), camera.pre_roll_s));
        let mut player = Player::open(camera, ring, start, pool.clone(), meter.clone())?;
        player.look_where(areas.remove(&player.id));
        if explain == Some(&player.id) {
            player.explain();
        }
        players.push(player);
    }
    Ok(players)
}

fn longest_clip(config: &Config) -> SignedDuration {
    let cameras = config.cameras.iter().filter(is_played);
    let longest = cameras.map(|camera| camera.clip_max_s.saturating_add(camera.post_roll_s));
    let longest = longest.max().unwrap_or(0);
    SignedDuration::from_secs(i64::try_from(longest).unwrap_or(0))
}

/// The same input makes the same ids; a folder that holds an earlier replay gets others, so that
/// nothing of it is overwritten.
fn seed(store: &Store) -> [u8; 32] {
    let held: u64 = store.ledger().accepted.values().sum();
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&held.to_be_bytes());
    seed
}

fn noon(zone: &TimeZone) -> Timestamp {
    START.to_zoned(zone.clone()).map_or(Timestamp::UNIX_EPOCH, |noon| noon.timestamp())
}

fn nudge(players: &mut [Player], cameras: &[SourceId], nudges: Nudges) {
    let named = players.iter_mut().filter(|player| cameras.contains(&player.id));
    named.for_each(|player| player.nudge(nudges));
}

/// A replay that is going on.
struct ReplayRun<'t> {
    core: Core,
    dialects: Codecs,
    evidence_worker: EvidenceWorker,
    store: Store,
    context: EventContext,
    clock: Arc<SimulatedClock>,
    next_tick: Timestamp,
    /// Real start, simulated start, and how many times real.
    pace: Option<(Instant, Timestamp, f64)>,
    detector: Option<Detector>,
    plates: PlateWatch,
    wakes: WakePlan,
    explain: Option<SourceId>,
    output: ReplayOutput<'t>,
    played: Played,
}

impl ReplayRun<'_> {
    /// All inputs, merged by their time; a signal goes before a picture of the same time.
    fn play(&mut self, players: &mut [Player], signals: &[RecordedMessage]) -> Result<(), String> {
        let mut signals = signals.iter().peekable();
        loop {
            let player =
                players.iter_mut().filter(|player| !player.is_over()).min_by_key(|one| one.due());
            let due = player.as_ref().map(|player| player.due());
            if let Some(signal) = signals.next_if(|signal| due.is_none_or(|due| signal.at() <= due))
            {
                self.advance(signal.at())?;
                self.played.signals += 1;
                if let Some(camera) = signal.camera() {
                    nudge(players, &[camera.into()], Nudges::EVENT);
                }
                for observation in signal.observations(&self.dialects, self.clock.now()) {
                    self.signal(signal, &observation)?;
                    if matches!(observation.body, Body::Press(_)) {
                        let cameras = self.wakes.pressed(&observation.source);
                        nudge(players, &cameras, Nudges::PRESS);
                    }
                }
                continue;
            }
            let Some(player) = player else { return Ok(()) };
            self.advance(player.due())?;
            player.step()?;
            while let Some(look) = player.look() {
                self.look(player, look)?;
            }
            for observation in player.faults(self.clock.now()) {
                self.apply(&observation)?;
            }
            for (at, note) in player.notes() {
                let since = at.duration_since(player.began_at).as_secs_f64();
                (self.output.explanation)(&format!("{} {since:8.3} s: gate {note}", player.id));
            }
            if let Some(at) = player.take_found() {
                let neighbours = self.wakes.found(&player.id, at);
                nudge(players, &neighbours, Nudges::NEIGHBOUR);
            }
        }
    }

    fn signal(
        &mut self,
        signal: &RecordedMessage,
        observation: &Observation,
    ) -> Result<(), String> {
        if let Body::Unreadable(unreadable) = &observation.body {
            self.played.unreadable += 1;
            let (origin, reason) = (&unreadable.origin, &unreadable.reason);
            tracing::warn!(origin, reason, at = %signal.at(), "unreadable payload, quarantined");
        }
        self.apply(observation)
    }

    fn look(&mut self, player: &mut Player, look: Look) -> Result<(), String> {
        let Some(detector) = &mut self.detector else { return Ok(()) };
        self.played.pictures += u64::from(look.picture.is_some());
        let observation = player
            .observe(look, (detector, &mut self.plates), self.clock.now())
            .map_err(|error| error.to_string())?;
        let Some(observation) = observation else { return Ok(()) };
        self.tell_tracks(player, &observation);
        self.apply(&observation)?;
        if self.explain.as_ref() == Some(&player.id) {
            let since = observation.stamp.at.duration_since(player.began_at).as_secs_f64();
            for line in self.core.rules.explain(&observation) {
                (self.output.explanation)(&format!("{} {since:8.3} s: {line}", player.id));
            }
        }
        Ok(())
    }

    fn tell_tracks(&mut self, player: &Player, observation: &Observation) {
        let (Some(tell), Body::Tracks(frame)) = (&mut self.output.tracks, &observation.body) else {
            return;
        };
        let at = observation.stamp.at;
        tell(&TrackedLook {
            camera: &player.id,
            frame: player.frame_number(at),
            at,
            since_s: at.duration_since(player.began_at).as_secs_f64(),
            size: player.picture_size(),
            tracks: &frame.tracks,
        });
    }

    /// The clock goes on to `until`, with a tick wherever the running gateway has one.
    fn advance(&mut self, until: Timestamp) -> Result<(), String> {
        while self.next_tick <= until {
            self.clock.advance_to(self.next_tick);
            self.next_tick += TICK;
            let effects = self.core.tick(self.clock.now());
            self.commit(effects)?;
        }
        self.clock.advance_to(until);
        if let Some((began, from, speed)) = self.pace {
            let real = until.duration_since(from).as_secs_f64().max(0.0) / speed;
            thread::sleep(Duration::from_secs_f64(real).saturating_sub(began.elapsed()));
        }
        Ok(())
    }

    fn apply(&mut self, observation: &Observation) -> Result<(), String> {
        let effects = self.core.apply(self.clock.now(), observation);
        self.commit(effects)
    }

    /// On disk, then on stdout; the evidence it asks for is made at once.
    fn commit(&mut self, mut effects: Effects) -> Result<(), String> {
        loop {
            let mut jobs = std::mem::take(&mut effects.jobs).into_iter();
            let records: Vec<_> = effects
                .entries
                .iter()
                .filter_map(|entry| match entry {
                    Entry::Change(record) => Some(record.clone()),
                    _ => None,
                })
                .collect();
            if !effects.entries.is_empty() {
                let batch = Batch { entries: effects.entries, receipts: Vec::new() };
                self.store.commit_blocking(batch).map_err(|error| error.to_string())?;
            }
            for record in records {
                let event = self.context.event(&record);
                let line = serde_json::to_string(&event).map_err(|error| error.to_string())?;
                (self.output.event)(&line)?;
                self.played.events += 1;
            }
            effects = Effects::default();
            for job in jobs.by_ref() {
                let (source, body) = self.evidence_worker.make(job);
                let now = self.clock.now();
                let stamp = Stamp::of_gateway(now);
                let more = self.core.apply(now, &Observation { source, stamp, body });
                effects.entries.extend(more.entries);
                effects.jobs.extend(more.jobs);
            }
            if effects.entries.is_empty() && effects.jobs.is_empty() {
                return Ok(());
            }
        }
    }
}
