//! A snapshot: boxes drawn on a copy of the picture, as JPEG.

use image::codecs::jpeg::JpegEncoder;

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
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(&rgb, picture.width, picture.height, image::ExtendedColorType::Rgb8)
        .map_err(|error| format!("snapshot cannot be coded: {error}"))?;
    Ok(bytes)
}
