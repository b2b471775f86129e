//! Pixels out of a stranger's file, and a JPEG of them: what the child does. Pure: bytes in, bytes out.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, metadata::Orientation,
};

use super::{CleanPicture, FOREIGN_PICTURE_BYTES_MAX, Refused};
use crate::media::snapshot::jpeg;

/// The longer side of what comes out, pixels.
pub(in crate::media) const SIDE_MAX: u32 = 1920;
/// Of what comes in: more than any telephone's camera at its usual setting.
const PIXELS_MAX: u64 = 50_000_000;
/// What a decoder may allocate, bytes.
const DECODER_BYTES_MAX: u64 = 420 << 20;

/// What is opened here, by its first bytes; its name and what a browser calls it count for nothing.
pub(super) fn format_of(bytes: &[u8]) -> Result<ImageFormat, Refused> {
    if bytes.is_empty() {
        return Err(Refused::Empty);
    }
    if bytes.len() > FOREIGN_PICTURE_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    let after = |at: usize| bytes.get(at..).unwrap_or_default();
    let known = [
        (bytes.starts_with(&[0xff, 0xd8, 0xff]), ImageFormat::Jpeg),
        (bytes.starts_with(b"\x89PNG\r\n\x1a\n"), ImageFormat::Png),
        (bytes.starts_with(b"RIFF") && after(8).starts_with(b"WEBP"), ImageFormat::WebP),
    ];
    if let Some((_, format)) = known.into_iter().find(|(fits, _)| *fits) {
        return Ok(format);
    }
    Err(known_by_name(bytes).map_or(Refused::NoPicture, |name| Refused::Unsupported(name.into())))
}

/// Kinds of files that people send and that are not opened, by name.
pub(super) const NAMES: [&str; 8] = ["GIF", "BMP", "TIFF", "PDF", "AVIF", "HEIC", "MP4", "SVG"];

/// Kinds of files that people send and that are not opened.
fn known_by_name(bytes: &[u8]) -> Option<&'static str> {
    let brand = bytes.get(4..12).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1_024)]).to_ascii_lowercase();
    match bytes {
        [b'G', b'I', b'F', b'8', ..] => Some("GIF"),
        [b'B', b'M', ..] => Some("BMP"),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some("TIFF"),
        [b'%', b'P', b'D', b'F', ..] => Some("PDF"),
        _ if brand.starts_with(b"ftypavif") => Some("AVIF"),
        _ if [&b"ftyphe"[..], b"ftypmif1", b"ftypmsf1"].iter().any(|b| brand.starts_with(b)) => {
            Some("HEIC")
        }
        _ if brand.starts_with(b"ftyp") => Some("MP4"),
        _ if text.contains("<svg") => Some("SVG"),
        _ => None,
    }
}

/// The picture made anew, in this very process: for the child alone, which has confined itself before.
pub fn cleaned_here(bytes: &[u8]) -> Result<CleanPicture, Refused> {
    let format = format_of(bytes)?;
    let reader = || {
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        reader.limits(limits());
        reader
    };
    let (width, height) = reader().into_dimensions().map_err(|error| refused(&error))?;
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(Refused::TooManyPixels(width, height));
    }
    let mut decoder = reader().into_decoder().map_err(|error| refused(&error))?;
    // Read before the pixels are; one that is none turns nothing.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(|error| refused(&error))?;
    let mut picture = if picture.width().max(picture.height()) > SIDE_MAX {
        picture.thumbnail(SIDE_MAX, SIDE_MAX)
    } else {
        picture
    };
    picture.apply_orientation(orientation);
    let (width, height) = (picture.width(), picture.height());
    let jpeg = jpeg(&on_white(&picture), width, height).map_err(|_| Refused::Broken)?;
    Ok(CleanPicture { jpeg, width, height })
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    limits
}

fn refused(error: &ImageError) -> Refused {
    match error {
        ImageError::Limits(_) => Refused::TooCostly,
        _ => Refused::Broken,
    }
}

/// Three bytes a pixel; what can be seen through is white behind.
fn on_white(picture: &DynamicImage) -> Vec<u8> {
    if !picture.color().has_alpha() {
        return picture.to_rgb8().into_raw();
    }
    let over = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        u8::try_from((value * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
    };
    let rgba = picture.to_rgba8();
    rgba.pixels().flat_map(|pixel| [0, 1, 2].map(|c| over(pixel.0[c], pixel.0[3]))).collect()
}

#[cfg(test)]
#[path = "tests_decode.rs"]
mod tests;
