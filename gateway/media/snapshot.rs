//! A snapshot: boxes drawn on a copy of the picture, as JPEG.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::domain::Shot;

/// Good enough to recognise a coat, small enough for a phone.
const QUALITY: u8 = 85;

/// The JPEG bytes; the picture itself is never changed.
pub fn jpeg_with_boxes(shot: &Shot) -> Result<Vec<u8>, String> {
    let picture = &shot.picture;
    let (w, h) = (picture.width as usize, picture.height as usize);
    let mut rgb = picture.rgb();
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
    jpeg(&rgb, picture.width, picture.height)
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
    use crate::domain::{Bbox, Picture, Track};

    #[test]
    fn another_hand_reads_the_colours_and_the_box_that_were_drawn() {
        let (w, h) = (322, 182);
        let rgb: Vec<u8> = (0..w * h).flat_map(|at| [(at % w / 2) as u8, 90, 160]).collect();
        let at = jiff::Timestamp::UNIX_EPOCH;
        let picture = Picture::of_rgb(w, h, rgb, at);
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
        let shot = Shot { picture: picture.clone(), boxes: vec![track], quality: 1.0 };
        let read = image::load_from_memory(&jpeg_with_boxes(&shot).unwrap()).unwrap().to_rgb8();
        assert_eq!((read.width(), read.height()), (w, h));
        let near = |x: u32, y: u32, colour: [u8; 3]| {
            let seen = read.get_pixel(x, y).0;
            assert!(seen.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 12), "{seen:?} {x} {y}");
        };
        near(40, 20, [20, 90, 160]);
        near(161, 91, [80, 90, 160]);
        let empty = Shot { boxes: Vec::new(), ..shot };
        let plain = image::load_from_memory(&jpeg_with_boxes(&empty).unwrap()).unwrap().to_rgb8();
        let edge = |read: &image::RgbImage| i32::from(read.get_pixel(81, 91).0[0]);
        assert!(edge(&read) > edge(&plain) + 60, "the left edge of the box is drawn");
    }
}
