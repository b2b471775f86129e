//! What a picture shows about its camera: covered, turned, frozen, out of focus. Pure.
//!
//! Each look is checked for every kind of [`KINDS`], on [`Luma`] blocks, against what this camera
//! usually shows. A fault is reported when a check fails for [`SURE_AFTER`] (a picture that does not
//! change: [`FROZEN_AFTER`]), and as over when it has been good for [`SURE_AFTER`]. The view is
//! compared by the correlation (Pearson) of blocks from which the mean of their surroundings was
//! taken: light changes these little, another view changes them all.
//!
//! What is usual is learnt from good looks ([`RENEW`]): what comes slowly, such as dirt, is learnt
//! as usual, and no check that compares with the usual finds it.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Kind, Luma};

/// A check that fails for less is no fault.
const SURE_AFTER: SignedDuration = SignedDuration::from_secs(8);
/// No sensor gives the same picture twice for so long.
const FROZEN_AFTER: SignedDuration = SignedDuration::from_secs(12);
/// Blocks of a covered lens differ by less than this (standard deviation, levels).
const FLAT: f32 = 4.0;
/// Two pictures of one sensor differ by more than this somewhere (levels of a block).
const SAME: f32 = 0.02;
/// Below this correlation with what it usually shows, a camera looks elsewhere.
const ELSEWHERE: f32 = 0.4;
/// Above this correlation with the look before, the camera does not turn any more.
const STILL: f32 = 0.8;
/// Fine detail below this share of the usual is a blur.
const BLURRED: f32 = 0.5;
/// Looks before the usual view is believed.
const LOOKS_MIN: u32 = 3;
/// Share of the usual view that each good look renews.
const RENEW: f32 = 0.02;
/// Blocks around, whose mean is taken out.
const AROUND: usize = 4;

/// A fault that began or is over.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraFault {
    /// Of the incident.
    pub kind: Kind,
    /// False: it is over.
    pub broken: bool,
    /// For people.
    pub text: String,
}

#[derive(Clone, Copy, Default)]
struct Doubt {
    /// Since when the check has answered otherwise than was reported.
    since: Option<Timestamp>,
    reported: bool,
}

/// What one camera usually shows, and what is wrong with it now.
#[derive(Default)]
pub struct ViewCheck {
    /// Usual view: blocks less their surroundings.
    usual: Vec<f32>,
    sharpness: f32,
    looks: u32,
    before: Option<Luma>,
    doubts: [Doubt; 4],
}

const KINDS: [Kind; 4] =
    [Kind::CameraBlind, Kind::CameraMoved, Kind::CameraFrozen, Kind::CameraUnfocused];

/// Whether a picture shows nothing at all: one brightness everywhere.
pub fn is_blank(luma: &Luma) -> bool {
    deviation(&luma.mean) < FLAT
}

impl ViewCheck {
    /// What is usual is learnt anew: another stream of the camera is looked at, or the first whole picture
    /// has come. Faults that were reported are still reported when they are over.
    pub fn forget_usual(&mut self) {
        (self.usual, self.before) = (Vec::new(), None);
    }

    /// Checks one look; returns the faults that began or are over.
    pub fn look(&mut self, luma: &Luma) -> Vec<CameraFault> {
        let detail = less_surroundings(luma);
        let before = self.before.replace(luma.clone()).filter(|before| before.fits(luma));
        if self.usual.len() != detail.len() {
            // The first look, or another size of picture: nothing is usual yet.
            (self.usual, self.looks, self.sharpness) = (detail, 1, luma.sharpness);
            return Vec::new();
        }
        let spread = deviation(&luma.mean);
        let blind = spread < FLAT;
        let same = before.as_ref().is_some_and(|before| {
            before.mean.iter().zip(&luma.mean).all(|(was, now)| (was - now).abs() < SAME)
        });
        let alike = correlation(&self.usual, &detail);
        let still = before.map_or(0.0, |before| correlation(&less_surroundings(&before), &detail));
        let has_usual = self.looks >= LOOKS_MIN;
        let blurred = luma.sharpness < self.sharpness * BLURRED;
        // A blur takes fine detail and leaves the view; a covered lens takes both.
        let moved = has_usual && !blind && !blurred && alike < ELSEWHERE && still > STILL;
        let unfocused = has_usual && !blind && blurred;
        let answers = [blind, moved, same, unfocused];
        if !answers.iter().any(|bad| *bad) {
            let renew = if has_usual { RENEW } else { 1.0 / (self.looks + 1) as f32 };
            for (usual, now) in self.usual.iter_mut().zip(&detail) {
                *usual += (now - *usual) * renew;
            }
            self.sharpness += (luma.sharpness - self.sharpness) * renew;
            self.looks = self.looks.saturating_add(1);
        }
        let texts = [
            format!("the picture is blank: its blocks differ by {spread:.1} levels of 255"),
            format!("it looks elsewhere: likeness to its usual view {alike:.2} of 1"),
            "it sends the same picture again and again".to_owned(),
            format!(
                "out of focus: fine detail {:.0} % of the usual",
                luma.sharpness / self.sharpness.max(0.01) * 100.0
            ),
        ];
        let mut faults = Vec::new();
        for (n, (bad, text)) in answers.into_iter().zip(texts).enumerate() {
            let doubt = &mut self.doubts[n];
            if bad == doubt.reported {
                doubt.since = None;
                continue;
            }
            let since = *doubt.since.get_or_insert(luma.at);
            let sure =
                if KINDS[n] == Kind::CameraFrozen && bad { FROZEN_AFTER } else { SURE_AFTER };
            if luma.at.duration_since(since) >= sure {
                (doubt.reported, doubt.since) = (bad, None);
                let text = if bad { text } else { "it shows its usual view again".into() };
                faults.push(CameraFault { kind: KINDS[n], broken: bad, text });
            }
        }
        faults
    }
}

pub(super) fn less_surroundings(luma: &Luma) -> Vec<f32> {
    let (w, h) = (luma.columns, luma.rows);
    // Sums of all that lies above and to the left: the mean of a window is four of them.
    let mut sums = vec![0.0f64; (w + 1) * (h + 1)];
    for y in 0..h {
        let mut row = 0.0;
        for x in 0..w {
            row += f64::from(luma.mean[y * w + x]);
            sums[(y + 1) * (w + 1) + x + 1] = sums[y * (w + 1) + x + 1] + row;
        }
    }
    let mut detail = Vec::with_capacity(w * h);
    for y in 0..h {
        let (top, bottom) = (y.saturating_sub(AROUND), (y + AROUND + 1).min(h));
        for x in 0..w {
            let (left, right) = (x.saturating_sub(AROUND), (x + AROUND + 1).min(w));
            let sum = sums[bottom * (w + 1) + right]
                - sums[top * (w + 1) + right]
                - sums[bottom * (w + 1) + left]
                + sums[top * (w + 1) + left];
            let mean = sum / ((bottom - top) * (right - left)) as f64;
            detail.push(luma.mean[y * w + x] - mean as f32);
        }
    }
    detail
}

pub(super) fn deviation(values: &[f32]) -> f32 {
    let n = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / n).sqrt()
}

/// Of two fields whose mean is nearly zero; 1 where one of them is empty of detail.
pub(super) fn correlation(one: &[f32], other: &[f32]) -> f32 {
    let (mut both, mut a, mut b) = (0.0f64, 0.0f64, 0.0f64);
    for (x, y) in one.iter().zip(other) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        both += x * y;
        a += x * x;
        b += y * y;
    }
    if a * b > 0.0 { (both / (a * b).sqrt()) as f32 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    struct Camera {
        random: StdRng,
        scene: Vec<f32>,
        at: Timestamp,
    }

    impl Camera {
        fn new() -> Self {
            let mut random = StdRng::seed_from_u64(crate::domain::seed());
            let scene = (0..80 * 45).map(|_| random.random_range(20.0..220.0)).collect();
            Self { random, scene, at: Timestamp::UNIX_EPOCH }
        }

        fn show(
            &mut self,
            view_check: &mut ViewCheck,
            seconds: i64,
            of: impl Fn(&[f32], usize) -> f32,
            sharpness: f32,
            noise: f32,
        ) -> Vec<(Kind, bool)> {
            let mut faults = Vec::new();
            for _ in 0..seconds / 2 {
                self.at += SignedDuration::from_secs(2);
                let mean = (0..self.scene.len())
                    .map(|n| of(&self.scene, n) + self.random.random_range(-noise..=noise))
                    .collect();
                let luma = Luma { columns: 80, rows: 45, mean, sharpness, at: self.at };
                faults.extend(
                    view_check.look(&luma).into_iter().map(|word| (word.kind, word.broken)),
                );
            }
            faults
        }
    }

    #[test]
    fn p7_each_fault_is_told_once_and_mended_and_light_is_none() {
        let (mut camera, mut view_check) = (Camera::new(), ViewCheck::default());
        let usual = |scene: &[f32], n: usize| scene[n];
        assert!(camera.show(&mut view_check, 40, usual, 6.0, 0.4).is_empty());
        let darker = |scene: &[f32], n: usize| scene[n] * 0.4 + 20.0;
        assert!(camera.show(&mut view_check, 40, darker, 4.0, 0.4).is_empty(), "only the light");
        assert!(camera.show(&mut view_check, 20, usual, 6.0, 0.4).is_empty());
        let covered = |_: &[f32], _: usize| 12.0;
        let faults = camera.show(&mut view_check, 20, covered, 0.5, 0.4);
        assert_eq!(faults, [(Kind::CameraBlind, true)]);
        assert_eq!(camera.show(&mut view_check, 20, usual, 6.0, 0.4), [(Kind::CameraBlind, false)]);
        let turned = |scene: &[f32], n: usize| scene[(n + 31) % scene.len()];
        assert_eq!(camera.show(&mut view_check, 20, turned, 6.0, 0.4), [(Kind::CameraMoved, true)]);
        assert_eq!(camera.show(&mut view_check, 20, usual, 6.0, 0.4), [(Kind::CameraMoved, false)]);
        assert_eq!(
            camera.show(&mut view_check, 20, usual, 2.0, 0.4),
            [(Kind::CameraUnfocused, true)]
        );
        assert_eq!(
            camera.show(&mut view_check, 20, usual, 6.0, 0.4),
            [(Kind::CameraUnfocused, false)]
        );
        assert_eq!(camera.show(&mut view_check, 30, usual, 6.0, 0.0), [(Kind::CameraFrozen, true)]);
        assert_eq!(
            camera.show(&mut view_check, 20, usual, 6.0, 0.4),
            [(Kind::CameraFrozen, false)]
        );
    }

    #[test]
    fn a_crowd_that_passes_and_a_short_blink_are_no_fault() {
        let (mut camera, mut view_check) = (Camera::new(), ViewCheck::default());
        let usual = |scene: &[f32], n: usize| scene[n];
        camera.show(&mut view_check, 20, usual, 6.0, 0.4);
        let crowd = |scene: &[f32], n: usize| if n % 5 < 2 { 30.0 } else { scene[n] };
        assert!(camera.show(&mut view_check, 30, crowd, 6.0, 0.4).is_empty());
        assert!(camera.show(&mut view_check, 6, |_, _| 12.0, 0.5, 0.4).is_empty());
        assert!(camera.show(&mut view_check, 20, usual, 6.0, 0.4).is_empty());
    }
}
