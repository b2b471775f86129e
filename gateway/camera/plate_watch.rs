//! Reads the plates of vehicles that are followed, where a rule asks for them; without its models all else goes on.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
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
    loaded: Loaded,
    /// Of cameras with a rule that asks for plates.
    sights: HashMap<SourceId, PlateSights>,
    /// Of the trouble, what was told.
    told: Option<String>,
}

/// The models, where a rule asks for plates.
#[derive(Default)]
struct Loaded {
    reader: Option<PlateReader>,
    /// When loading is tried again; none: it has not been tried.
    next_try: Option<Instant>,
    /// Why no plate can be read.
    trouble: Option<String>,
}

impl PlateWatch {
    /// Nothing is loaded before a camera asks for it.
    pub fn new(models: PathBuf, library: Option<PathBuf>) -> Self {
        let (loaded, sights, told) = (Loaded::default(), HashMap::new(), None);
        Self { models, library, loaded, sights, told }
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
            self.retain(|other| other != camera);
            return (Vec::new(), 0);
        }
        let sights = self.sights.entry(camera.clone()).or_default();
        load_if_due((&self.models, self.library.as_deref()), &mut self.loaded);
        let Some(reader) = &mut self.loaded.reader else { return (Vec::new(), 0) };
        match sights.look(reader, look.picture.as_ref(), look.at, tracks) {
            Ok(known) => known,
            Err(error) => {
                // The next try loads them anew.
                self.loaded =
                    Loaded { next_try: Some(Instant::now() + RETRY_EVERY), ..Loaded::default() };
                self.loaded.trouble = Some(error.to_string());
                (Vec::new(), 0)
            }
        }
    }

    /// That a camera has left, or its rule. With the last one the models leave memory, and what they lack is no
    /// trouble any more.
    pub(super) fn retain(&mut self, holds: impl Fn(&SourceId) -> bool) {
        self.sights.retain(|camera, _| holds(camera));
        if self.sights.is_empty() {
            self.loaded = Loaded::default();
        }
    }

    /// Since it was last asked: plates cannot be read, and why; or they can again.
    pub(super) fn news(&mut self) -> Option<Option<String>> {
        if self.loaded.trouble == self.told {
            return None;
        }
        self.told.clone_from(&self.loaded.trouble);
        Some(self.told.clone())
    }

    /// Why no plate can be read, if that is so.
    pub fn trouble(&self) -> Option<&str> {
        self.loaded.trouble.as_deref()
    }
}

fn load_if_due((models, library): (&Path, Option<&Path>), loaded: &mut Loaded) {
    let now = Instant::now();
    if loaded.reader.is_some() || loaded.next_try.is_some_and(|next| now < next) {
        return;
    }
    loaded.next_try = Some(now + RETRY_EVERY);
    match PlateReader::load(models, library, THREADS) {
        Ok(reader) => (loaded.reader, loaded.trouble) = (Some(reader), None),
        Err(why) => loaded.trouble = Some(format!("plates cannot be read: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::domain::LookArea;

    fn look(area: Option<LookArea>) -> Look {
        Look {
            at: Timestamp::UNIX_EPOCH,
            device: None,
            picture: None,
            regions: Vec::new(),
            still: Vec::new(),
            whole: true,
            verify: false,
            probe: false,
            area: area.map(Arc::new),
            in_flight: false,
        }
    }

    #[test]
    fn nothing_is_loaded_until_a_rule_asks_and_what_is_missing_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = PlateWatch::new(folder.path().into(), None);
        let (off, on) =
            (look(Some(LookArea::everywhere())), look(Some(LookArea::everywhere().with_plates())));
        for off in [&off, &look(None)] {
            assert_eq!(watch.look(&"gate".into(), off, &[]), (Vec::new(), 0));
            assert!(watch.loaded.next_try.is_none(), "nobody has looked for a model");
            assert_eq!((watch.news(), watch.trouble()), (None, None));
        }
        assert_eq!(watch.look(&"gate".into(), &on, &[]), (Vec::new(), 0));
        let told = watch.news().unwrap().unwrap();
        assert!(told.starts_with("plates cannot be read: "), "{told}");
        watch.look(&"yard".into(), &on, &[]);
        assert_eq!(watch.news(), None, "told once");
        // One rule goes, and then the other: with it what it lacked.
        watch.look(&"gate".into(), &off, &[]);
        assert_eq!((watch.news(), watch.trouble().is_some()), (None, true));
        watch.retain(|camera| camera.as_str() != "yard");
        assert_eq!((watch.news(), watch.trouble()), (Some(None), None));
    }
}
