//! A moment that was seen in a small stream, as a larger one in a ring shows it: a snapshot in all pixels.

use std::sync::Mutex;

use jiff::SignedDuration;

use super::{
    decode::{ColorConverter, Decoder, Frame},
    ring::{Cut, Ring},
};
use crate::domain::Picture;

/// A picture from so long before the moment on is of that moment.
const EARLY: SignedDuration = SignedDuration::from_millis(25);
/// And packets up to so long after it are decoded, for one that B-frames hold back.
const LATE: SignedDuration = SignedDuration::from_secs(1);
/// A picture that is missing is not replaced by one from longer after it.
const NEAR: SignedDuration = SignedDuration::from_millis(300);
/// No more than this is decoded for it, beginning at a key frame.
const LONGEST: SignedDuration = SignedDuration::from_secs(5);

/// The same moment from the ring, if its stream has larger pictures and holds that moment.
pub fn larger_picture(ring: &Mutex<Ring>, than: &Picture) -> Option<Picture> {
    let cut = ring.lock().ok()?.cut(than.at, than.at, than.at + LATE)?;
    let (width, _) = cut.format.size();
    if u32::try_from(width).ok()? <= than.width {
        return None;
    }
    let frame = frame_of(&cut, than).filter(|frame| frame.at <= than.at + NEAR)?;
    let mut picture = ColorConverter::default().picture(&frame).ok()?;
    (picture.at, picture.device) = (than.at, than.device);
    Some(picture)
}

fn frame_of(cut: &Cut, than: &Picture) -> Option<Frame> {
    let first = cut.packets.first()?;
    if first.at > than.at + EARLY || than.at.duration_since(first.at) > LONGEST {
        return None;
    }
    let mut decoder = Decoder::of(first).ok()?;
    let receive = |decoder: &mut Decoder| {
        std::iter::from_fn(|| decoder.receive()).find(|frame| frame.at >= than.at - EARLY)
    };
    for packet in &cut.packets {
        // What cannot be decoded is missing, and what comes after it may do.
        let _ = decoder.send(packet);
        if let Some(frame) = receive(&mut decoder) {
            return Some(frame);
        }
    }
    decoder.end();
    receive(&mut decoder)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::media::{Session, SessionRequest};

    /// Ten pictures a second, each 10 levels brighter than the one before, key frames 2 s apart.
    fn ring(size: &str, more: &[&str]) -> (Mutex<Ring>, jiff::Timestamp) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mp4");
        let source = format!("color=black:size={size}:rate=10:duration=4,format=yuv420p");
        let brighter = "geq=lum='20+5*N':cb=128:cr=128";
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-vf", brighter])
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-g", "20"])
            .args(more)
            .arg(&path)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let start: jiff::Timestamp = "2026-07-01T03:00:00Z".parse().unwrap();
        let mut session = Session::open(&SessionRequest::of_clip(&path)).unwrap();
        let mut ring = Ring::new(60, 64 << 20);
        while let Some(packet) = session.next(|| start).unwrap() {
            ring.push(packet);
        }
        (Mutex::new(ring), start)
    }

    fn small(at: jiff::Timestamp) -> Picture {
        Picture::of_rgb(160, 120, vec![0; 160 * 120 * 3], at)
    }

    #[test]
    fn v9_the_larger_picture_is_of_the_same_moment_and_comes_only_where_there_is_one() {
        for more in [&["-bf", "0"][..], &["-bf", "3", "-x264-params", "b-adapt=0"]] {
            let (ring, start) = ring("320x240", more);
            for n in [0i64, 1, 7, 19, 20, 21, 33, 39] {
                let at = start + SignedDuration::from_millis(n * 100);
                let picture = larger_picture(&ring, &small(at)).unwrap();
                assert_eq!((picture.width, picture.height, picture.at), (320, 240, at));
                let grey = f64::from(picture.rgb()[160 * 120 * 3]);
                let wanted = (20.0 + 5.0 * n as f64 - 16.0) * 255.0 / 219.0;
                assert!((grey - wanted).abs() < 4.0, "picture {n}: {grey}, not {wanted}");
            }
            let outside = [-2_000, 4_500, 3_600_000];
            for ms in outside {
                let at = start + SignedDuration::from_millis(ms);
                assert!(larger_picture(&ring, &small(at)).is_none(), "{ms} ms");
            }
            let as_large = Picture::of_rgb(320, 240, vec![0; 320 * 240 * 3], start);
            assert!(larger_picture(&ring, &as_large).is_none());
        }
        assert!(
            larger_picture(&Mutex::new(Ring::new(9, 9)), &small(jiff::Timestamp::UNIX_EPOCH))
                .is_none()
        );
    }
}
