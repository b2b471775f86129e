//! Where a thing is and how fast it goes: a Kalman filter of its centre, of constant speed. Pure.
//!
//! Places are in heights of the picture; how sure they are, in sizes of the thing, because a
//! detector is as far off as the thing is large. The filter knows how much a detection says of a
//! speed: little after 40 ms, all after a second.

/// A detector is off by so much, sizes.
const NOISE: f32 = 0.06;
/// Speed of a thing that was seen once, sizes a second: whoever walks, or jogs.
const SPEED: f32 = 0.75;
/// And of one that was seen once and may run, or be a car that is not slow.
const RUN: f32 = 4.5;
/// How much its speed changes within a second, sizes a second.
const AGILITY: f32 = 0.3;
/// Nothing is known of a speed after so long; nobody is expected further on than he comes in it.
pub(super) const MAX_S: f32 = 4.0;

/// Whoever ran is anywhere after so long.
const RUN_FOR_S: f32 = 2.0;

/// What is known of the movement of one thing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    place: (f32, f32),
    speed: (f32, f32),
    /// Variances of place and speed, and their covariance; the same for both directions.
    sure: Variance,
}

#[derive(Clone, Copy, Debug)]
struct Variance {
    place: f32,
    both: f32,
    speed: f32,
}

impl Motion {
    /// Of a thing that was seen once.
    pub(super) fn new(place: (f32, f32)) -> Self {
        let sure = Variance { place: NOISE * NOISE, both: 0.0, speed: SPEED * SPEED };
        Self { place, speed: (0.0, 0.0), sure }
    }

    /// Of a thing that was seen once, and may be as fast as whoever runs.
    pub(super) fn of_a_run(place: (f32, f32)) -> Self {
        let mut motion = Self::new(place);
        motion.sure.speed = RUN * RUN;
        motion
    }

    /// How far such a one comes in so many seconds, sizes.
    pub(super) fn runs(seconds: f32) -> f32 {
        RUN * seconds.clamp(0.0, RUN_FOR_S)
    }

    /// After so many seconds without a sight of it.
    #[must_use]
    pub(super) fn after(&self, seconds: f32) -> Self {
        let dt = seconds.clamp(0.0, MAX_S);
        let (q, v) = (AGILITY * AGILITY, self.sure);
        let sure = Variance {
            place: v.place + 2.0 * dt * v.both + dt * dt * v.speed + q * dt.powi(3) / 3.0,
            both: v.both + dt * v.speed + q * dt * dt / 2.0,
            speed: v.speed + q * dt,
        };
        let place = (self.place.0 + self.speed.0 * dt, self.place.1 + self.speed.1 * dt);
        Self { place, sure, ..*self }
    }

    /// It was found there.
    pub(super) fn see(&mut self, found: (f32, f32)) {
        let v = self.sure;
        let total = v.place + NOISE * NOISE;
        let (of_place, of_speed) = (v.place / total, v.both / total);
        let off = (found.0 - self.place.0, found.1 - self.place.1);
        self.place = (self.place.0 + of_place * off.0, self.place.1 + of_place * off.1);
        self.speed = (self.speed.0 + of_speed * off.0, self.speed.1 + of_speed * off.1);
        self.sure = Variance {
            place: v.place * (1.0 - of_place),
            both: v.both * (1.0 - of_place),
            speed: (v.speed - of_speed * v.both).min(SPEED * SPEED),
        };
    }

    /// A picture is `by` times as wide for its height from now on.
    pub(super) fn reshape(&mut self, by: f32) {
        (self.place.0, self.speed.0) = (self.place.0 * by, self.speed.0 * by);
    }

    /// The middle of it, heights of the picture.
    pub(super) fn place(&self) -> (f32, f32) {
        self.place
    }

    /// Heights of the picture a second.
    pub(super) fn speed(&self) -> f32 {
        self.speed.0.hypot(self.speed.1)
    }

    /// How far off it may be: two standard deviations, sizes.
    pub(super) fn doubt(&self) -> f32 {
        2.0 * self.sure.place.max(0.0).sqrt()
    }
}
