//! Pictures of strangers, good and bad: what comes out is a picture, and nothing else that was in it.

use std::io::Cursor;

use image::{
    DynamicImage, ImageEncoder, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::jpeg::JpegEncoder,
};

use super::{super::segments::is_bare_jpeg, *};

fn coded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// Red at the left, green at the right, blue below.
fn flag(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb(match (x * 2 < width, y * 2 < height) {
            (_, false) => [0, 0, 250],
            (true, true) => [250, 0, 0],
            (false, true) => [0, 250, 0],
        })
    })
}

fn good(bytes: &[u8]) -> (CleanPicture, RgbImage) {
    let clean = cleaned_here(bytes).unwrap();
    assert!(is_bare_jpeg(&clean.jpeg, clean.width, clean.height));
    let read = image::load_from_memory(&clean.jpeg).unwrap().to_rgb8();
    assert_eq!(read.dimensions(), (clean.width, clean.height));
    (clean, read)
}

fn is_near(read: &RgbImage, x: u32, y: u32, colour: [u8; 3]) {
    let seen = read.get_pixel(x, y).0;
    assert!(seen.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 20), "{seen:?} at {x}, {y}");
}

/// A segment of a JPEG.
fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker], &length[..], body].concat()
}

/// EXIF with an orientation, a position, a maker and a thumbnail's bytes.
fn exif(orientation: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x03\0".to_vec();
    tiff.extend([0x0f, 1, 2, 0, 12, 0, 0, 0, 50, 0, 0, 0]); // maker, 12 characters at 50
    tiff.extend([0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0]);
    tiff.extend([0x25, 0x88, 4, 0, 1, 0, 0, 0, 62, 0, 0, 0]); // where the position is
    tiff.extend([0, 0, 0, 0]);
    tiff.extend(b"SECRETMAKER\0");
    tiff.extend(b"\x01\0\x01\0\x02\0\x02\0\0\0N\0\0\0\0\0\0\0SECRETPLACE31.1234N");
    [b"Exif\0\0".as_slice(), &tiff].concat()
}

fn with_secrets(orientation: u8) -> Vec<u8> {
    let plain = coded(flag(64, 32), ImageFormat::Jpeg);
    let xmp = [b"http://ns.adobe.com/xap/1.0/\0".as_slice(), b"<x:xmpmeta>SECRETXMP"].concat();
    let icc = [b"ICC_PROFILE\0\x01\x01".as_slice(), b"SECRETPROFILE"].concat();
    let added = [
        segment(0xe1, &exif(orientation)),
        segment(0xe1, &xmp),
        segment(0xe2, &icc),
        segment(0xed, b"Photoshop 3.0\0SECRETCAPTION"),
        segment(0xfe, b"<script>SECRETCOMMENT</script>"),
    ];
    let mut bytes = plain[..2].to_vec();
    added.iter().for_each(|one| bytes.extend(one));
    bytes.extend(&plain[2..]);
    bytes.extend(b"PK\x03\x04SECRETZIP<html>");
    bytes
}

#[test]
fn of_a_photo_only_its_pixels_are_left_and_they_are_upright() {
    for orientation in 1..=8u8 {
        let (clean, read) = good(&with_secrets(orientation));
        let text = String::from_utf8_lossy(&clean.jpeg);
        assert!(!text.contains("SECRET") && !text.contains("Exif") && !text.contains("script"));
        let turned = orientation > 4;
        assert_eq!((clean.width, clean.height), if turned { (32, 64) } else { (64, 32) });
        // Where the red quarter has come to.
        let (x, y) = match orientation {
            1 | 5 => (4, 4),
            2 | 6 => (clean.width - 5, 4),
            3 | 7 => (clean.width - 5, clean.height - 5),
            _ => (4, clean.height - 5),
        };
        is_near(&read, x, y, [250, 0, 0]);
    }
    for orientation in [0, 9, 255] {
        assert_eq!(good(&with_secrets(orientation)).0.width, 64, "no orientation that there is");
    }
}

#[test]
fn every_kind_that_is_taken_comes_out_as_the_same_picture() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let (clean, read) = good(&coded(flag(200, 100), format));
        assert_eq!((clean.width, clean.height), (200, 100), "{format:?}");
        is_near(&read, 10, 10, [250, 0, 0]);
        is_near(&read, 190, 10, [0, 250, 0]);
        is_near(&read, 100, 90, [0, 0, 250]);
    }
    let glass = RgbaImage::from_fn(9, 9, |x, _| Rgba([0, 0, 0, if x < 5 { 0 } else { 255 }]));
    let (_, read) = good(&coded(glass, ImageFormat::Png));
    is_near(&read, 1, 1, [255, 255, 255]);
    is_near(&read, 8, 1, [0, 0, 0]);
    let deep = image::ImageBuffer::from_pixel(9, 9, image::Luma([0x8000u16]));
    is_near(&good(&coded(DynamicImage::ImageLuma16(deep), ImageFormat::Png)).1, 4, 4, [128; 3]);
}

#[test]
fn large_ones_are_made_smaller_and_keep_their_shape() {
    let size = |w, h| {
        let (clean, _) = good(&coded(RgbImage::new(w, h), ImageFormat::Png));
        (clean.width, clean.height)
    };
    assert_eq!(size(1, 1), (1, 1));
    assert_eq!(size(1920, 1080), (1920, 1080));
    assert_eq!(size(1921, 1081), (1920, 1080));
    assert_eq!(size(3000, 4000), (1440, 1920));
    assert_eq!(size(30_000, 2), (1920, 1));
}

/// A PNG that claims a size, with a few bytes of zeros behind it.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]);
    let chunk = |name: &[u8], body: &[u8]| {
        let checked = [name, body].concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&length[..], &checked, &crc(&checked).to_be_bytes()].concat()
    };
    let zeros = [0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0, 1];
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, body) in [(&b"IHDR"[..], &header[..]), (b"IDAT", &zeros), (b"IEND", b"")] {
        bytes.extend(chunk(name, body));
    }
    bytes
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

#[test]
fn p11_bombs_are_known_before_they_are_opened() {
    let refused = |bytes: &[u8]| cleaned_here(bytes).unwrap_err();
    assert_eq!(refused(&claiming(60_000, 60_000)), Refused::TooManyPixels(60_000, 60_000));
    assert_eq!(refused(&claiming(7_100, 7_100)), Refused::TooManyPixels(7_100, 7_100));
    assert_eq!(refused(&claiming(7_000, 7_000)), Refused::Broken, "small enough, and then empty");
    let sharp = claiming(u32::MAX >> 1, u32::MAX >> 1);
    assert_eq!(refused(&sharp), Refused::TooCostly, "the decoder itself gives up");
    let mut tall = coded(flag(64, 64), ImageFormat::Jpeg);
    let at = tall.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    tall[at + 5..at + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    assert_eq!(refused(&tall), Refused::TooManyPixels(65_535, 65_535));
}

#[test]
fn what_is_no_picture_or_broken_is_refused_by_its_name() {
    let refused = |bytes: &[u8]| cleaned_here(bytes).unwrap_err();
    assert_eq!(refused(b""), Refused::Empty);
    let mut large = coded(flag(64, 64), ImageFormat::Jpeg);
    large.resize(FOREIGN_PICTURE_BYTES_MAX, 0);
    assert_eq!(good(&large).0.width, 64, "5 MB, of which most is nothing");
    large.push(0);
    assert_eq!(refused(&large), Refused::TooLarge);
    let names: [(&[u8], &str); 8] = [
        (b"GIF89a\x01\0\x01\0", "GIF"),
        (b"<?xml version='1.0'?><SVG onload='alert(1)'>", "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "MP4"),
        (b"%PDF-1.7", "PDF"),
        (b"II*\0", "TIFF"),
        (b"BM", "BMP"),
    ];
    for (bytes, name) in names {
        assert_eq!(refused(bytes), Refused::Unsupported(name.into()));
    }
    assert_eq!(refused(b"hello"), Refused::NoPicture);
    assert_eq!(refused(b"<html><img src=x onerror=alert(1)>"), Refused::NoPicture);
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let whole = coded(flag(99, 77), format);
        for cut in [13, 40, whole.len() / 2] {
            // Half a photo of a broken connection may be shown as half a photo; it never panics.
            if let Ok(clean) = cleaned_here(&whole[..cut.min(whole.len())]) {
                assert!(is_bare_jpeg(&clean.jpeg, 99, 77), "{format:?} cut at {cut}");
            }
        }
        let seed = rand::random::<u64>();
        println!("seed {seed}");
        let mut chance = seed | 1;
        for _ in 0..300 {
            let mut bent = whole.clone();
            for _ in 0..4 {
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (chance >> 33) as usize % bent.len();
                bent[at] = (chance >> 24) as u8;
            }
            if let Ok(clean) = cleaned_here(&bent) {
                assert!(is_bare_jpeg(&clean.jpeg, clean.width, clean.height));
            }
        }
    }
}

#[test]
fn of_a_moving_picture_the_first_one_counts() {
    let still = |colour| coded(RgbImage::from_pixel(16, 16, Rgb(colour)), ImageFormat::WebP);
    let chunk = |name: &[u8], body: &[u8]| {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        let mut bytes = [name, &length[..], body].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    };
    let frame = |colour| {
        let place = [0, 0, 0, 0, 0, 0, 15, 0, 0, 15, 0, 0, 100, 0, 0, 0];
        chunk(b"ANMF", &[&place[..], &still(colour)[12..]].concat())
    };
    let body = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", &[2, 0, 0, 0, 15, 0, 0, 15, 0, 0]),
        chunk(b"ANIM", &[0; 6]),
        frame([250, 0, 0]),
        frame([0, 250, 0]),
    ];
    let (_, read) = good(&chunk(b"RIFF", &body.concat()));
    is_near(&read, 8, 8, [250, 0, 0]);
}

#[test]
fn a_picture_that_is_coded_well_is_not_larger_than_before_by_much() {
    let noise = RgbImage::from_fn(1600, 1200, |x, y| Rgb([(x * y % 251) as u8, x as u8, y as u8]));
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
    encoder.write_image(&noise, 1600, 1200, image::ExtendedColorType::Rgb8).unwrap();
    assert!(good(&bytes).0.jpeg.len() < 3 << 20);
}
