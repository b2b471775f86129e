//! A snapshot: a copy of the picture with heads and other people's plates blurred, what is private black, and boxes drawn, as JPEG.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::blur::{blacken, faces, heads, plates};
use crate::domain::{Bbox, Shot};

/// Good enough to recognise a coat, small enough for a phone.
const QUALITY: u8 = 85;

/// What is not shown of a camera's pictures.
#[derive(Clone, Debug, Default)]
pub struct Hidden {
    /// Heads, and plates that the incident is not about, are blurred in what is shown to everybody.
    pub blur: bool,
    /// Black in every picture: polygons in 0..1.
    pub private: Vec<Vec<[f32; 2]>>,
    /// Faces that were found in this picture, 0..1: blurred beside the heads of people where `blur` is set.
    pub faces: Vec<Bbox>,
}

/// A snapshot as JPEG, and what it was before anything was blurred, where anything was.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// To be shown.
    pub general: Vec<u8>,
    /// To be sealed.
    pub original: Option<Vec<u8>>,
}

/// Draws it; the picture itself is never changed.
pub fn snapshot(shot: &Shot, hidden: &Hidden) -> Result<Snapshot, String> {
    let (width, height) = (shot.picture.width, shot.picture.height);
    let size = (width as usize, height as usize);
    let mut rgb = shot.picture.rgb();
    blacken(&mut rgb, size, &hidden.private);
    let plain = hidden.blur.then(|| rgb.clone());
    let mut blurred = 0;
    if hidden.blur {
        let told = shot.boxes.iter().map(|track| track.bbox);
        // Whoever stands before a car is shown, and then his head is not.
        blurred = plates(&mut rgb, size, &shot.others, told);
        blurred += heads(&mut rgb, size, &shot.people);
        blurred += faces(&mut rgb, size, &hidden.faces);
    }
    draw_boxes(&mut rgb, size, shot);
    let general = jpeg(&rgb, width, height)?;
    let original = plain.filter(|_| blurred > 0).map(|mut rgb| {
        draw_boxes(&mut rgb, size, shot);
        jpeg(&rgb, width, height)
    });
    Ok(Snapshot { general, original: original.transpose()? })
}

fn draw_boxes(rgb: &mut [u8], (w, h): (usize, usize), shot: &Shot) {
    let thick = (w.min(h) / 240).max(2);
    for track in &shot.boxes {
        let colour: [u8; 3] = if &*track.label == "person" { [255, 196, 0] } else { [0, 200, 255] };
        let x = |v: f32| ((v * w as f32) as usize).min(w.saturating_sub(1));
        let y = |v: f32| ((v * h as f32) as usize).min(h.saturating_sub(1));
        let (x0, x1, y0, y1) =
            (x(track.bbox.x0), x(track.bbox.x1), y(track.bbox.y0), y(track.bbox.y1));
        for py in y0..=y1 {
            for px in x0..=x1 {
                let edge = px < x0 + thick || px + thick > x1 || py < y0 + thick || py + thick > y1;
                if edge {
                    rgb[(py * w + px) * 3..][..3].copy_from_slice(&colour);
                }
            }
        }
    }
}

/// RGB, three bytes a pixel, as a JPEG that says nothing but the picture.
pub(super) fn jpeg(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    let side = |pixels: u32| {
        u16::try_from(pixels)
            .map_err(|_| format!("a picture {width} x {height} is too large for JPEG"))
    };
    let (width, height) = (side(width)?, side(height)?);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, QUALITY);
    // Colours at half the size, as the camera sent them.
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode(rgb, width, height, ColorType::Rgb)
        .map_err(|error| format!("snapshot cannot be coded: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Picture, Track};

    const SIZE: (u32, u32) = (322, 182);

    fn shot() -> Shot {
        let (w, h) = SIZE;
        let rgb: Vec<u8> = (0..w * h).flat_map(|at| [(at % w / 2) as u8, 90, 160]).collect();
        let at = jiff::Timestamp::UNIX_EPOCH;
        let bbox = Bbox::new(0.25, 0.25, 0.75, 0.75);
        let track = Track {
            id: 1,
            label: "person".into(),
            score: 0.9,
            bbox,
            seen: true,
            since: at,
            origin: bbox.foot(),
            shown_in_crop: false,
        };
        let picture = Picture::of_rgb(w, h, rgb, at);
        Shot { picture, boxes: vec![track], people: vec![bbox], others: Vec::new(), quality: 1.0 }
    }

    fn read(jpeg: &[u8]) -> image::RgbImage {
        image::load_from_memory(jpeg).unwrap().to_rgb8()
    }

    #[test]
    fn another_hand_reads_the_colours_and_the_box_that_were_drawn() {
        let (shot, nothing) = (shot(), Hidden::default());
        let seen = snapshot(&shot, &nothing).unwrap();
        assert!(seen.original.is_none(), "nothing was blurred");
        let seen = read(&seen.general);
        assert_eq!((seen.width(), seen.height()), SIZE);
        let near = |x: u32, y: u32, colour: [u8; 3]| {
            let seen = seen.get_pixel(x, y).0;
            assert!(seen.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 12), "{seen:?} {x} {y}");
        };
        near(40, 20, [20, 90, 160]);
        near(161, 91, [80, 90, 160]);
        let empty = Shot { boxes: Vec::new(), ..shot };
        let plain = read(&snapshot(&empty, &nothing).unwrap().general);
        let edge = |read: &image::RgbImage| i32::from(read.get_pixel(81, 91).0[0]);
        assert!(edge(&seen) > edge(&plain) + 60, "the left edge of the box is drawn");
    }

    #[test]
    fn p10_heads_are_blurred_in_what_is_shown_and_the_original_is_what_it_was() {
        let mut shot = shot();
        // A face: fine stripes, which any blur that counts takes away.
        let (w, h) = SIZE;
        let striped = (0..w * h).flat_map(|at| [if at % 4 < 2 { 0 } else { 255 }; 3]).collect();
        shot.picture = Picture::of_rgb(w, h, striped, shot.picture.at);
        let hidden = Hidden { blur: true, ..Hidden::default() };
        shot.people = vec![Bbox::new(0.35, 0.1, 0.6, 0.95)];
        let made = snapshot(&shot, &hidden).unwrap();
        let (general, original) = (read(&made.general), read(&made.original.unwrap()));
        let contrast = |of: &image::RgbImage, y: u32| {
            let row = (120..200).map(|x| of.get_pixel(x, y).0[0]);
            row.clone().max().unwrap() - row.min().unwrap()
        };
        assert!(contrast(&general, 60) < 40, "{}", contrast(&general, 60));
        assert!(contrast(&original, 60) > 200);
        assert!(contrast(&general, 125) > 200, "the coat is shown");
        // Somebody else in the picture, whom no rule is about, has no face either.
        shot.boxes.clear();
        assert!(contrast(&read(&snapshot(&shot, &hidden).unwrap().general), 60) < 40);
        // Nobody in it: there is nothing to blur, and no second file.
        shot.people.clear();
        assert!(snapshot(&shot, &hidden).unwrap().original.is_none());
    }

    #[test]
    fn p10_a_face_that_was_found_beside_its_box_is_blurred_and_nothing_is_shown_for_it() {
        let mut shot = shot();
        let (w, h) = SIZE;
        let noise = |at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8;
        let rgb = (0..w * h).flat_map(|at| [noise(at); 3]).collect();
        shot.picture = Picture::of_rgb(w, h, rgb, shot.picture.at);
        shot.boxes.clear();
        // Drawn too tight: the head is above and left of what the box says.
        shot.people = vec![Bbox::new(0.55, 0.6, 0.65, 0.95)];
        let face = Bbox::new(0.3, 0.3, 0.4, 0.45);
        let with = Hidden { blur: true, faces: vec![face], ..Hidden::default() };
        let without = Hidden { blur: true, ..Hidden::default() };
        let made = |hidden: &Hidden| snapshot(&shot, hidden).unwrap();
        let (wide, narrow) = (read(&made(&with).general), read(&made(&without).general));
        let contrast = |of: &image::RgbImage, xs: std::ops::Range<u32>, y: u32| {
            let row = xs.map(|x| of.get_pixel(x, y).0[0]);
            row.clone().max().unwrap() - row.min().unwrap()
        };
        // Face, hair above it and ear beside it.
        for (xs, y) in [(98..127, 68), (98..127, 44), (88..96, 68)] {
            assert!(contrast(&wide, xs.clone(), y) < 60, "{xs:?} {y}");
            assert!(contrast(&narrow, xs.clone(), y) > 100, "{xs:?} {y}");
        }
        // What was blurred without it is blurred with it.
        assert!(contrast(&wide, 180..206, 118) < 90 && contrast(&narrow, 180..206, 118) < 90);
        // Where nothing may be blurred a face changes nothing; and a face alone makes an original to seal.
        let open = Hidden { faces: vec![face], ..Hidden::default() };
        assert!(made(&open).original.is_none());
        shot.people.clear();
        let alone = snapshot(&shot, &with).unwrap();
        assert!(contrast(&read(&alone.original.unwrap()), 98..127, 68) > 100);
    }

    #[test]
    fn p10_the_plate_of_another_car_is_blurred_and_that_of_the_one_that_is_told_is_not() {
        let mut shot = shot();
        let (w, h) = SIZE;
        let striped = (0..w * h).flat_map(|at| [if at % 4 < 2 { 0 } else { 255 }; 3]).collect();
        shot.picture = Picture::of_rgb(w, h, striped, shot.picture.at);
        shot.people.clear();
        shot.boxes[0].label = "car".into();
        shot.boxes[0].bbox = Bbox::new(0.05, 0.2, 0.4, 0.9);
        shot.others = vec![Bbox::new(0.55, 0.2, 0.95, 0.9)];
        let hidden = Hidden { blur: true, ..Hidden::default() };
        let made = snapshot(&shot, &hidden).unwrap();
        let (general, original) = (read(&made.general), read(&made.original.unwrap()));
        let contrast = |of: &image::RgbImage, from: u32| {
            let row = (from..from + 50).map(|x| of.get_pixel(x, 130).0[0]);
            row.clone().max().unwrap() - row.min().unwrap()
        };
        assert!(contrast(&general, 210) < 40, "{}", contrast(&general, 210));
        assert!(contrast(&general, 50) > 200 && contrast(&original, 210) > 200);
        let open = snapshot(&shot, &Hidden::default()).unwrap();
        assert!(open.original.is_none() && contrast(&read(&open.general), 210) > 200);
    }

    #[test]
    fn p10_what_is_private_is_black_in_the_original_too() {
        let private = vec![vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]];
        for blur in [true, false] {
            let made =
                snapshot(&shot(), &Hidden { blur, private: private.clone(), faces: Vec::new() })
                    .unwrap();
            for jpeg in [Some(made.general), made.original].into_iter().flatten() {
                let seen = read(&jpeg);
                assert!(seen.get_pixel(30, 170).0.iter().all(|&value| value < 12));
                assert!(seen.get_pixel(310, 170).0.iter().any(|&value| value > 60));
            }
        }
    }
}
