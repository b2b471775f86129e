//! One look at one vehicle: its part of the picture goes through the finder, what lies between the corners through both readers.

use std::path::Path;

use super::{
    find::{self, FinderOutput, FoundPlate},
    parts::{part, verify},
    read::Alphabet,
    vote::PlateReading,
};
use crate::{
    domain::{Area, Bbox, Picture, Plate, PlateKind},
    vision::{
        catalog::{Catalog, Color, Dtype, Input, Layout, PlateRole, Resize},
        detect::{DetectError, library, network::Network},
        preprocess::{self, Buffers, Fit, Quad, Strip, warp},
    },
};

/// A plate may stand out of the box of its vehicle by so much of the box.
const MARGIN: f32 = 0.04;
/// What is narrower has no plate that can be read, pixels.
const VEHICLE_MIN: usize = 48;
/// The longer side of what the finder is shown: smaller parts are enlarged, larger ones shrunk.
const FINDER_SIDE: f32 = 480.0;
/// Mean colours that it was trained with: blue, green, red.
const FINDER_MEAN: [f32; 3] = [104.0, 117.0, 123.0];
/// Corners are a little too tight.
const LOOSER: f32 = 0.02;
/// A plate that is narrower is not read, pixels: readers err about it, and most of all about its province.
const PLATE_MIN: f32 = 56.0;
/// A plate is so wide at most, beside its vehicle; what is wider is painted on it, or a poster.
const WIDTH_MAX: f32 = 0.55;
/// And does not hang in the upper part of it.
const TOP_MIN: f32 = 0.3;
/// Of a plate's width and height. Below the second it has two rows.
const ASPECTS: std::ops::Range<f32> = 1.1..6.0;
const TWO_ROWS_BELOW: f32 = 2.5;
/// Of a reader's input: columns for one row of text.
const STRIP_WIDTH: usize = 320;
/// Rows of pixels that the two readers take.
const READER_HEIGHT: usize = 32;
const SECOND_HEIGHT: usize = 48;
/// What a reader is less sure of is nothing.
const SURE_MIN: f32 = 0.25;
/// Nor is what the second reader alone can read, and is less sure of.
const ALONE_SURE: f32 = 0.5;

/// What one look brought.
pub(super) struct Looked {
    pub(super) readings: Vec<PlateReading>,
    /// Runs of the three models.
    pub(super) runs: u64,
}

/// One of the two readers.
struct TextReader {
    network: Network,
    letters: Alphabet,
    height: usize,
}

/// The three models, loaded.
pub struct PlateReader {
    finder: Network,
    reader: TextReader,
    second: TextReader,
    buffers: Buffers,
    rgb: Vec<u8>,
}

impl PlateReader {
    /// Verifies the files and loads them. The error is one sentence.
    pub fn load(models: &Path, library: Option<&Path>, threads: usize) -> Result<Self, String> {
        let catalog = Catalog::read(models)?;
        let library = library::file(models, library);
        let network = |role| {
            let part = part(&catalog, role)?;
            let file = verify(part, models)?;
            let network = Network::load(&file, &library, threads);
            network.map(|one| (one, part)).map_err(|error| error.to_string())
        };
        let reader = |role, height| {
            let (network, part) = network(role)?;
            let letters = match part.characters.as_str() {
                "" => network.property("character").map(|lines| Alphabet::of_lines(&lines)),
                characters => Some(Alphabet::of_characters(characters)),
            };
            let letters =
                letters.ok_or_else(|| format!("{} does not say what it reads", part.name))?;
            Ok::<_, String>(TextReader { network, letters, height })
        };
        Ok(Self {
            finder: network(PlateRole::Finder)?.0,
            reader: reader(PlateRole::Reader, READER_HEIGHT)?,
            second: reader(PlateRole::SecondReader, SECOND_HEIGHT)?,
            buffers: Buffers::default(),
            rgb: Vec::new(),
        })
    }

    /// Looks for the plate of the vehicle in this box, and reads it.
    pub(super) fn look(&mut self, picture: &Picture, vehicle: Bbox) -> Result<Looked, DetectError> {
        let mut looked = Looked { readings: Vec::new(), runs: 0 };
        let area = part_of(picture, vehicle);
        if area.width < VEHICLE_MIN || area.height < VEHICLE_MIN / 2 {
            return Ok(looked);
        }
        let found = self.find(picture, area)?;
        looked.runs += 1;
        let Some(plate) = found.iter().find(|one| hangs_on(one, area)) else { return Ok(looked) };
        let Some((quad, aspect)) = plane(&plate.corners) else { return Ok(looked) };
        let size = picture.rgb_of(area, 1, &mut self.rgb);
        let mut texts = Vec::new();
        for reader in [&mut self.reader, &mut self.second] {
            let strip = strip_of(&self.rgb, size, &quad, aspect, reader.height);
            let shape = [1, 3, strip.height, strip.width];
            let said = reader.network.run(shape, &strip.numbers)?;
            looked.runs += 1;
            let columns = said.first().ok_or_else(|| wrong("a reader of plates says nothing"))?;
            let read = reader.letters.read(&columns.numbers, columns.width());
            let read = read.map_err(DetectError::Run)?;
            texts.push(
                (read.sure >= SURE_MIN)
                    .then(|| Plate::parse(&read.text))
                    .flatten()
                    .map(|plate| PlateReading { plate, sure: read.sure, agreed: false }),
            );
        }
        let second = texts.pop().flatten();
        looked.readings = together(texts.pop().flatten(), second);
        Ok(looked)
    }

    /// Plates in this part of the picture, in its own pixels.
    fn find(&mut self, picture: &Picture, area: Area) -> Result<Vec<FoundPlate>, DetectError> {
        let scale = FINDER_SIDE / area.width.max(area.height) as f32;
        let side = |pixels: usize| ((pixels as f32 * scale / 8.0).round().max(4.0) * 8.0) as u32;
        let (width, height) = (side(area.width), side(area.height));
        let input = Input {
            name: String::new(),
            width,
            height,
            layout: Layout::Nchw,
            dtype: Dtype::F32,
            color: Color::Bgr,
            resize: Resize::Stretch,
            mean: FINDER_MEAN,
            std: [1.0; 3],
        };
        let whole = Fit { width: 1.0, height: 1.0, x: 0.0, y: 0.0 };
        preprocess::fill(picture, area, &input, (whole, false), &mut self.buffers);
        let size = (width as usize, height as usize);
        let said = self.finder.run([1, 3, size.1, size.0], &self.buffers.input)?;
        let of_width = |width: usize| {
            let found = said.iter().find(|one| one.width() == width);
            found.map(|one| one.numbers.as_slice()).ok_or_else(|| {
                wrong(&format!("the finder of plates has no output of {width} columns"))
            })
        };
        let said =
            FinderOutput { places: of_width(4)?, scores: of_width(2)?, corners: of_width(8)? };
        let mut found = find::decode(size, &said).map_err(DetectError::Run)?;
        let (x, y) = (area.width as f32 / width as f32, area.height as f32 / height as f32);
        for one in &mut found {
            one.corners = one.corners.map(|corner| (corner.0 * x, corner.1 * y));
            let [left, top, right, bottom] = one.edges;
            one.edges = [left * x, top * y, right * x, bottom * y];
        }
        Ok(found)
    }
}

fn wrong(what: &str) -> DetectError {
    DetectError::Run(what.to_owned())
}

/// The box with a margin.
fn part_of(picture: &Picture, vehicle: Bbox) -> Area {
    let (w, h) = ((vehicle.x1 - vehicle.x0) * MARGIN, (vehicle.y1 - vehicle.y0) * MARGIN);
    let with = Bbox::new(vehicle.x0 - w, vehicle.y0 - h, vehicle.x1 + w, vehicle.y1 + h);
    preprocess::area(picture, with)
}

/// Whether it is where a plate hangs on a vehicle that fills this part, and of a size that one has.
fn hangs_on(plate: &FoundPlate, vehicle: Area) -> bool {
    let [left, top, right, bottom] = plate.edges;
    (PLATE_MIN..=vehicle.width as f32 * WIDTH_MAX).contains(&(right - left))
        && (top + bottom) / 2.0 >= vehicle.height as f32 * TOP_MIN
}

/// The plane of a plate, and its width by its height. None: no plate is of that shape.
fn plane(corners: &[(f32, f32); 4]) -> Option<(Quad, f32)> {
    let far = |a: usize, b: usize| (corners[a].0 - corners[b].0).hypot(corners[a].1 - corners[b].1);
    let aspect = (far(0, 1) + far(3, 2)) / (far(0, 3) + far(1, 2)).max(1.0);
    let (x, y) = corners.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let middle = (x / 4.0, y / 4.0);
    let looser = |at: f32, middle: f32| middle + (at - middle) * (1.0 + LOOSER);
    let corners = corners.map(|one| (looser(one.0, middle.0), looser(one.1, middle.1)));
    let quad = Quad::of(corners).filter(|_| ASPECTS.contains(&aspect))?;
    Some((quad, aspect))
}

/// The plate as one row of text of this height; of one with two rows the upper stands before the lower.
fn strip_of(rgb: &[u8], size: (usize, usize), quad: &Quad, aspect: f32, height: usize) -> Strip {
    let mut strip = Strip::new(STRIP_WIDTH, height);
    let columns = |share: f32| (height as f32 * share).round() as usize;
    if aspect < TWO_ROWS_BELOW {
        let (upper, both) = (columns(1.6), columns(5.0));
        warp(rgb, size, quad, [0.15, 0.0, 0.85, 0.4], 0..upper, &mut strip);
        warp(rgb, size, quad, [0.0, 0.36, 1.0, 1.0], upper..both, &mut strip);
    } else {
        warp(rgb, size, quad, [0.0, 0.0, 1.0, 1.0], 0..columns(aspect), &mut strip);
    }
    strip
}

/// What two readers say in one look. The first has no character for what special plates end with, and takes
/// it for a digit or for nothing: there only the second counts.
fn together(first: Option<PlateReading>, second: Option<PlateReading>) -> Vec<PlateReading> {
    match (first, second) {
        (Some(first), Some(second)) if first.plate == second.plate => {
            vec![PlateReading { sure: first.sure + second.sure, plate: first.plate, agreed: true }]
        }
        (_, Some(second)) if is_special(&second.plate) => {
            vec![PlateReading { agreed: second.sure >= ALONE_SURE, ..second }]
        }
        (first, second) => first.into_iter().chain(second).collect(),
    }
}

fn is_special(plate: &Plate) -> bool {
    !matches!(plate.kind(), PlateKind::Ordinary | PlateKind::NewEnergy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str, sure: f32) -> Option<PlateReading> {
        Some(PlateReading { plate: Plate::parse(text).unwrap(), sure, agreed: false })
    }

    fn said(first: Option<PlateReading>, second: Option<PlateReading>) -> Vec<(String, f32)> {
        let all = together(first, second).into_iter();
        all.map(|one| (one.plate.whole().to_owned(), one.sure)).collect()
    }

    #[test]
    fn two_readers_that_agree_count_twice_and_special_plates_are_the_second_ones() {
        let ordinary = || reading("苏E0K129", 0.5);
        assert_eq!(said(ordinary(), reading("苏E0K129", 0.75)), [("苏E0K129".into(), 1.25)]);
        assert_eq!(said(ordinary(), reading("苏E0K12学", 0.5)), [("苏E0K12学".into(), 0.5)]);
        assert_eq!(said(ordinary(), None), [("苏E0K129".into(), 0.5)]);
        assert_eq!(said(None, None), []);
        let differ = said(ordinary(), reading("苏E0K128", 0.5));
        assert_eq!(differ, [("苏E0K129".into(), 0.5), ("苏E0K128".into(), 0.5)]);
    }

    #[test]
    fn what_is_too_wide_too_high_up_or_of_no_plate_s_shape_is_none() {
        let vehicle = Area { x: 0, y: 0, width: 200, height: 150 };
        let found = |left: f32, top: f32, w: f32, h: f32| FoundPlate {
            score: 0.9,
            corners: [(left, top), (left + w, top), (left + w, top + h), (left, top + h)],
            edges: [left, top, left + w, top + h],
        };
        assert!(hangs_on(&found(60.0, 100.0, 60.0, 19.0), vehicle));
        assert!(!hangs_on(&found(60.0, 100.0, 50.0, 16.0), vehicle), "too small to be read right");
        assert!(!hangs_on(&found(10.0, 100.0, 150.0, 40.0), vehicle), "a number on its side");
        assert!(!hangs_on(&found(60.0, 10.0, 60.0, 19.0), vehicle), "a sign on its roof");
        let aspect = |w: f32, h: f32| plane(&found(0.0, 0.0, w, h).corners).map(|one| one.1);
        assert_eq!(aspect(60.0, 20.0), Some(3.0));
        assert_eq!(aspect(60.0, 30.0), Some(2.0));
        assert_eq!(aspect(60.0, 5.0), None);
        assert_eq!(aspect(20.0, 40.0), None);
        assert_eq!(aspect(0.0, 0.0), None);
    }
}
