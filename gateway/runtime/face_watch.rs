//! Faces of near people in a picture that is about to be stored, where the small model for it is here; without it heads
//! are blurred by the boxes of people alone, and that is said once.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Mutex,
};

use crate::{
    base::lock,
    domain::{Bbox, Shot},
    vision::FaceFinder,
};

/// The finder, loaded by the first picture with somebody in it.
enum Finder {
    Unasked,
    Ready(Box<FaceFinder>),
    /// There is none, and that was said.
    Absent,
}

/// Whom the evidence worker asks; it is asked by one thread.
pub(super) struct FaceWatch {
    models: PathBuf,
    library: Option<PathBuf>,
    finder: Mutex<Finder>,
}

impl FaceWatch {
    /// With the model of this folder; nothing is loaded yet.
    pub(super) fn new(models: PathBuf, library: Option<PathBuf>) -> Self {
        Self { models, library, finder: Mutex::new(Finder::Unasked) }
    }

    /// Faces of near people; none where that cannot be said, for whatever reason: the picture is made all the same.
    pub(super) fn find(&self, shot: &Shot) -> Vec<Bbox> {
        if shot.people.is_empty() {
            return Vec::new();
        }
        let mut finder = lock(&self.finder);
        if matches!(*finder, Finder::Unasked) {
            *finder = match FaceFinder::load(&self.models, self.library.as_deref()) {
                Ok(ready) => {
                    tracing::info!("faces of near people widen the blur of stored pictures");
                    Finder::Ready(Box::new(ready))
                }
                Err(reason) => {
                    tracing::warn!(reason, "heads are blurred by the boxes of people alone");
                    Finder::Absent
                }
            };
        }
        let Finder::Ready(ready) = &mut *finder else { return Vec::new() };
        let found = catch_unwind(AssertUnwindSafe(|| ready.find(&shot.picture, &shot.people)));
        match found {
            Ok(Ok(faces)) => faces,
            Ok(Err(error)) => {
                tracing::warn!(%error, "no faces were looked for in a picture: heads are blurred by boxes alone");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!(
                    "a fault while faces were looked for: from now on heads are blurred by boxes alone"
                );
                *finder = Finder::Absent;
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Picture;

    #[test]
    fn without_a_model_or_with_a_wrong_one_no_face_is_told_and_nothing_fails() {
        let picture =
            Picture::of_rgb(320, 240, vec![90; 320 * 240 * 3], jiff::Timestamp::UNIX_EPOCH);
        let people = vec![Bbox::new(0.2, 0.1, 0.6, 0.9)];
        let shot = Shot { picture, boxes: Vec::new(), people, others: Vec::new(), quality: 1.0 };
        let kept = tempfile::tempdir().unwrap();
        let folder = kept.path().to_path_buf();
        let cache = folder.join("cache");
        std::fs::create_dir_all(&cache).unwrap();
        assert!(FaceWatch::new(folder.clone(), None).find(&shot).is_empty(), "no catalogue");
        std::fs::write(folder.join("catalog.toml"), include_str!("../../models/catalog.toml"))
            .unwrap();
        assert!(FaceWatch::new(folder.clone(), None).find(&shot).is_empty(), "no file");
        let file = cache.join("face_detection_front_128x128_barracuda.onnx");
        std::fs::write(file, b"<html>").unwrap();
        let watch = FaceWatch::new(folder.clone(), None);
        assert!(watch.find(&shot).is_empty() && watch.find(&shot).is_empty(), "wrong bytes");
        assert!(matches!(*lock(&watch.finder), Finder::Absent));
    }
}
