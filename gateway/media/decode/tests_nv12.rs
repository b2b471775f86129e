//! A picture as a device gives it, NV12 or P010, is the same picture.

use std::path::Path;

use super::*;
use crate::{domain::Area, media::SessionRequest};

/// The tenth frame of the street, as the processor decodes it.
fn street() -> Frame {
    let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/rig/vtest-h264.mp4");
    let mut session = Session::open(&SessionRequest::of_clip(&clip)).unwrap();
    let mut decoder = Decoder::new(&session).unwrap();
    let mut frames = 0;
    loop {
        let packet = session.next(|| Timestamp::UNIX_EPOCH).unwrap().unwrap();
        decoder.send(&packet).unwrap();
        while let Some(frame) = decoder.receive() {
            frames += 1;
            if frames == 10 {
                return frame;
            }
        }
    }
}

fn as_format(frame: &Frame, format: Pixel) -> Frame {
    let inner = &frame.inner.0;
    let (width, height) = (inner.width(), inner.height());
    let flags = scaling::Flags::POINT | scaling::Flags::ACCURATE_RND;
    let mut scaler =
        scaling::Context::get(inner.format(), width, height, format, width, height, flags).unwrap();
    let mut out = ffmpeg::frame::Video::empty();
    scaler.run(inner, &mut out).unwrap();
    out.set_color_range(inner.color_range());
    out.set_color_space(inner.color_space());
    Frame { inner: Arc::new(Planar(out)), at: frame.at, device: frame.device }
}

#[test]
fn nv12_is_looked_at_as_yuv420p_is() {
    let planar = street();
    let paired = as_format(&planar, Pixel::NV12);
    assert_eq!(paired.inner.0.format(), Pixel::NV12);
    assert_eq!(paired.luma(), planar.luma());
    let mut converter = ColorConverter::default();
    let (one, other) = (converter.picture(&planar).unwrap(), converter.picture(&paired).unwrap());
    assert!(matches!(other.pixels, Pixels::Planes(_)), "nothing is copied");
    assert_eq!(one.rgb(), other.rgb());
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for (x, y, width, height) in [(0, 0, 768, 576), (101, 33, 300, 201), (766, 575, 2, 1)] {
        for step in [1, 2] {
            let area = Area { x, y, width, height };
            assert_eq!(one.rgb_of(area, step, &mut a), other.rgb_of(area, step, &mut b));
            assert_eq!(a, b, "{area:?} {step}");
        }
    }
    // It is a picture, and not one grey.
    let grey = a.chunks(3).all(|pixel| pixel[0] == pixel[1]);
    assert!(!grey || one.rgb().chunks(3).any(|pixel| pixel[0] != pixel[1]));
}

#[test]
fn ten_bits_of_a_device_are_those_of_the_processor() {
    let planar = street();
    let ten = as_format(&planar, Pixel::YUV420P10LE);
    let device = as_format(&planar, Pixel::P010LE);
    let (eight, ten, device) = (planar.luma(), ten.luma(), device.luma());
    assert_eq!(device.mean, ten.mean);
    let near = eight.mean.iter().zip(&device.mean).all(|(a, b)| (a - b).abs() <= 1.0);
    assert!(near, "brightness of ten bits");
    let picture = ColorConverter::default().picture(&as_format(&planar, Pixel::P010LE)).unwrap();
    assert_eq!(picture.rgb().len(), 768 * 576 * 3);
}
