//! What is known of the vehicles of one camera, by track: which are looked at now, and what the looks have brought.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{colour, reader::PlateReader, vote::Vote};
use crate::{
    domain::{Bbox, Colour, Picture, PlateState, Track, Vehicle, has_plate},
    vision::{detect::DetectError, preprocess},
};

/// Vehicles of one picture that are looked at: the others have their turn in the next ones.
const VEHICLES_MAX: usize = 2;
/// Two looks at a vehicle show the same within this.
const LOOKS_APART: SignedDuration = SignedDuration::from_millis(150);
/// A vehicle whose plate could not be read is looked at again when its box is so much wider.
const NEARER: f32 = 1.3;
/// A track that was not told for so long is forgotten.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_secs(60);
/// Of a box: its middle, which is neither street nor tyres.
const MIDDLE: [f32; 4] = [0.25, 0.25, 0.75, 0.6];
/// A weak detection may be half a vehicle.
const SCORE_MIN: f32 = 0.4;

struct Sight {
    vote: Vote,
    colour: Colour,
    looked_at: Option<Timestamp>,
    /// Width of the widest box that was looked at, in 0..1 of the picture.
    widest: f32,
    told_at: Timestamp,
}

/// Of one camera.
#[derive(Default)]
pub struct PlateSights {
    of: BTreeMap<u64, Sight>,
}

impl PlateSights {
    /// What is known of each vehicle among these tracks, after at most so many looks at those of this
    /// picture as `VEHICLES_MAX`; and how often a model ran.
    pub fn look(
        &mut self,
        reader: &mut PlateReader,
        picture: Option<&Picture>,
        at: Timestamp,
        tracks: &[Track],
    ) -> Result<(Vec<Vehicle>, u64), DetectError> {
        self.of.retain(|_, one| at.duration_since(one.told_at).abs() <= REMEMBERED_FOR);
        let vehicles: Vec<&Track> = tracks.iter().filter(|one| has_plate(&one.label)).collect();
        for track in &vehicles {
            let new = || Sight {
                vote: Vote::default(),
                colour: Colour::Unknown,
                looked_at: None,
                widest: 0.0,
                told_at: at,
            };
            self.of.entry(track.id).or_insert_with(new).told_at = at;
        }
        let mut runs = 0;
        if let Some(picture) = picture {
            for track in self.turns(&vehicles, at) {
                let looked = reader.look(picture, track.bbox)?;
                runs += looked.runs;
                let Some(sight) = self.of.get_mut(&track.id) else { continue };
                sight.vote.take(&looked.readings);
                sight.looked_at = Some(at);
                sight.widest = sight.widest.max(width(&track.bbox));
                if sight.colour == Colour::Unknown {
                    sight.colour = colour_of(picture, track.bbox);
                }
            }
        }
        Ok((vehicles.into_iter().filter_map(|track| self.known(track)).collect(), runs))
    }

    /// Those that are looked at now: whoever has waited longest.
    fn turns<'t>(&mut self, vehicles: &[&'t Track], at: Timestamp) -> Vec<&'t Track> {
        let mut due: Vec<(Option<Timestamp>, &Track)> = Vec::new();
        for track in vehicles.iter().filter(|one| one.seen && one.score >= SCORE_MIN) {
            let Some(sight) = self.of.get_mut(&track.id) else { continue };
            if sight.vote.state() == PlateState::Unread
                && width(&track.bbox) >= sight.widest * NEARER
            {
                sight.vote.begin_anew();
            }
            let rests = sight.looked_at.is_some_and(|last| at.duration_since(last) < LOOKS_APART);
            if sight.vote.state() == PlateState::Open && !rests {
                due.push((sight.looked_at, track));
            }
        }
        due.sort_by_key(|(looked_at, _)| *looked_at);
        due.into_iter().take(VEHICLES_MAX).map(|(_, track)| track).collect()
    }

    fn known(&self, track: &Track) -> Option<Vehicle> {
        let sight = self.of.get(&track.id)?;
        Some(Vehicle { track: track.id, colour: sight.colour, plate: sight.vote.state() })
    }
}

fn width(bbox: &Bbox) -> f32 {
    bbox.x1 - bbox.x0
}

fn colour_of(picture: &Picture, bbox: Bbox) -> Colour {
    let (w, h) = (bbox.x1 - bbox.x0, bbox.y1 - bbox.y0);
    let [x0, y0, x1, y1] = MIDDLE;
    let middle = Bbox::new(bbox.x0 + w * x0, bbox.y0 + h * y0, bbox.x0 + w * x1, bbox.y0 + h * y1);
    let mut rgb = Vec::new();
    picture.rgb_of(preprocess::area(picture, middle), 2, &mut rgb);
    colour::of(&rgb)
}
