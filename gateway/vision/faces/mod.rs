//! Faces of near people, found so that the blur of a stored picture covers them too. Nobody is recognised: a place
//! comes out, and nothing of whose face it is.
//!
//! It looks only where a picture is about to be stored, at the largest twenty people of it and no more, and what
//! it says is added to what is blurred without it.

mod find;

use std::path::Path;

use super::{
    catalog::{Catalog, right_file},
    detect::{DetectError, library, network::Network},
    preprocess,
};
use crate::domain::{Bbox, Picture};

/// So many people of a picture are looked at, the largest first.
const PEOPLE_MAX: usize = 20;

/// The small model that finds faces, loaded.
pub struct FaceFinder {
    network: Network,
}

impl FaceFinder {
    /// Verifies the file and loads it. The error is one sentence.
    pub fn load(models: &Path, library: Option<&Path>) -> Result<Self, String> {
        let catalog = Catalog::read(models)?;
        let file = verified(&catalog, models)?;
        let library = library::file(models, library);
        let network = Network::load(&file, &library, 1).map_err(|error| error.to_string())?;
        Ok(Self { network })
    }

    /// Faces of near people, and of who stands close to them: boxes in 0..1 of the picture, without a margin.
    pub fn find(&mut self, picture: &Picture, people: &[Bbox]) -> Result<Vec<Bbox>, DetectError> {
        let size = (picture.width as usize, picture.height as usize);
        let mut near: Vec<find::Square> =
            people.iter().filter_map(|bbox| find::square(bbox, size)).collect();
        if near.is_empty() {
            return Ok(Vec::new());
        }
        near.sort_by(|a, b| b.side.total_cmp(&a.side));
        let rgb = picture.rgb();
        let mut found = Vec::new();
        for square in near.into_iter().take(PEOPLE_MAX) {
            let from = (square.x, square.y);
            let numbers = preprocess::square(&rgb, size, from, square.side, find::SIDE);
            let said = self.network.run([1, find::SIDE, find::SIDE, 3], &numbers)?;
            let [fine, coarse, fine_places, coarse_places] = said.as_slice() else {
                return Err(DetectError::Run(format!(
                    "the finder of faces has {} outputs: expected 4",
                    said.len()
                )));
            };
            let scores = [&fine.numbers[..], &coarse.numbers[..]];
            let places = [&fine_places.numbers[..], &coarse_places.numbers[..]];
            let faces = find::decode(scores, places).map_err(DetectError::Run)?;
            found.extend(faces.iter().map(|(_, face)| find::back(face, square, size)));
        }
        Ok(found)
    }
}

fn verified(catalog: &Catalog, models: &Path) -> Result<std::path::PathBuf, String> {
    let part = catalog.face_finder.as_ref();
    let part = part.ok_or("the catalogue of models has no [face_finder]")?;
    let path = models.join("cache").join(&part.file);
    right_file(&part.name, &path, &[&part.sha256], "gridpost models fetch")?;
    Ok(path)
}

/// Why faces do not widen the blur with what is in this models folder, in a sentence; `None`: they do.
pub fn missing(models: &Path) -> Option<String> {
    Catalog::read(models).and_then(|catalog| verified(&catalog, models)).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The model itself, as `make models` brings it: it loads, gives what is expected of it, and sees no face in none.
    #[test]
    fn p10_the_model_of_faces_loads_and_sees_none_where_there_is_none() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let mut finder = FaceFinder::load(&models, None).unwrap();
        let (width, height) = (640_u32, 480_u32);
        let people = vec![Bbox::new(0.3, 0.1, 0.6, 0.95), Bbox::new(0.0, 0.5, 0.9, 1.0)];
        let of = |level: fn(u32) -> u8| {
            let rgb = (0..width * height).flat_map(|at| [level(at); 3]).collect();
            Picture::of_rgb(width, height, rgb, jiff::Timestamp::UNIX_EPOCH)
        };
        for level in [|_| 90, |at: u32| (at % 640 / 3) as u8, |at: u32| (at / 640 / 2) as u8] {
            assert!(finder.find(&of(level), &people).unwrap().is_empty());
        }
    }
}
