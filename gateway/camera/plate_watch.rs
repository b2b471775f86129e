//! Reads the plates of vehicles that are followed, where a rule asks for them; without its models all else goes on.

use std::{
    collections::HashMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    domain::{Look, SourceId, Track, Vehicle},
    vision::{PlateReader, PlateSights},
};

/// Missing models are looked for this often.
const RETRY_EVERY: Duration = Duration::from_secs(30);
/// Of one look at a vehicle.
const THREADS: usize = 1;

/// The models, and what they have seen of each camera.
pub struct PlateWatch {
    models: PathBuf,
    library: Option<PathBuf>,
    reader: Option<PlateReader>,
    /// When loading is tried again; none: it has not been tried.
    next_try: Option<Instant>,
    sights: HashMap<SourceId, PlateSights>,
    /// Why no plate can be read, and whether that was told.
    trouble: Option<String>,
    told: Option<String>,
}

impl PlateWatch {
    /// Nothing is loaded before a camera asks for it.
    pub fn new(models: PathBuf, library: Option<PathBuf>) -> Self {
        let (reader, next_try, trouble, told) = (None, None, None, None);
        Self { models, library, reader, next_try, sights: HashMap::new(), trouble, told }
    }

    /// What is known of the vehicles of this look, and how often a model ran for it. Nothing, where no rule of
    /// the camera asks for plates.
    pub fn look(
        &mut self,
        camera: &SourceId,
        look: &Look,
        tracks: &[Track],
    ) -> (Vec<Vehicle>, u64) {
        if !look.area.as_ref().is_some_and(|area| area.wants_plates()) {
            self.sights.remove(camera);
            return (Vec::new(), 0);
        }
        self.load_if_due();
        let Some(reader) = &mut self.reader else { return (Vec::new(), 0) };
        let sights = self.sights.entry(camera.clone()).or_default();
        match sights.look(reader, look.picture.as_ref(), look.at, tracks) {
            Ok(known) => known,
            Err(error) => {
                // The next try loads them anew.
                (self.reader, self.next_try) = (None, Some(Instant::now() + RETRY_EVERY));
                self.trouble = Some(error.to_string());
                (Vec::new(), 0)
            }
        }
    }

    /// That a camera has left.
    pub(super) fn retain(&mut self, holds: impl Fn(&SourceId) -> bool) {
        self.sights.retain(|camera, _| holds(camera));
    }

    /// Since it was last asked: plates cannot be read, and why; or they can again.
    pub(super) fn news(&mut self) -> Option<Option<String>> {
        if self.trouble == self.told {
            return None;
        }
        self.told.clone_from(&self.trouble);
        Some(self.trouble.clone())
    }

    /// Why no plate can be read, if that is so.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    fn load_if_due(&mut self) {
        let now = Instant::now();
        if self.reader.is_some() || self.next_try.is_some_and(|next| now < next) {
            return;
        }
        self.next_try = Some(now + RETRY_EVERY);
        match PlateReader::load(&self.models, self.library.as_deref(), THREADS) {
            Ok(reader) => (self.reader, self.trouble) = (Some(reader), None),
            Err(why) => self.trouble = Some(format!("plates cannot be read: {why}")),
        }
    }
}
