//! A point of an aerial picture on the ground, and how far off that may be. Pure geometry.
//!
//! A pinhole camera over flat ground: the ray through the point is turned by roll, elevation and
//! azimuth into north, east, down, and followed until it has fallen by the height. The curve of
//! the earth is left out: 0.08 m at 1 km, 2 m at 5 km (d²/2R), against errors of metres.
//!
//! **F1** A point of an aerial picture has a place only together with its error: in 95 of 100 cases
//! the truth is not farther away. The error is reckoned from the standard deviations in
//! `[[drone]]`. A pose that is only held widens it; one older than 4 s (`incident/flight.rs`), the
//! sky and an unknown height have no place at all.

use geo::{Bearing, Destination, Distance, Geodesic, Point};

/// A ray flatter than this hits the ground anywhere: such a point is not placed. Degrees.
const GRAZING_DEG_MIN: f64 = 3.0;
/// Farther than this a box has only a few pixels, and the ground is not flat. Metres.
const SLANT_M_MAX: f64 = 5_000.0;

/// Where a camera looks, as three turns of a camera that looks north along the horizon: to the
/// right about the vertical, up, then clockwise about its own line of sight. Degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaze {
    /// From true north, clockwise, 0..360.
    pub azimuth_deg: f64,
    /// Above the horizon; straight down is −90.
    pub elevation_deg: f64,
    /// Clockwise about its own line of sight.
    pub roll_deg: f64,
}

/// Standard deviations (1 σ) of what a view is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Errors {
    /// Of the drone, north and east, metres each.
    pub position_m: f64,
    /// Of the height above the ground: barometer, and ground that is not flat. Metres.
    pub height_m: f64,
    /// Of azimuth, elevation and roll, degrees each.
    pub attitude_deg: f64,
    /// Of the field of view, as a share of it.
    pub fov: f64,
    /// Of the point in the picture, as a share of its width and height.
    pub pixel: f64,
}

impl Default for Errors {
    /// A drone with GNSS and a compass over ground that is flat within metres. Guesses, chosen
    /// to be too large rather than too small; the configuration has the site's own.
    fn default() -> Self {
        Self { position_m: 2.0, height_m: 3.0, attitude_deg: 1.0, fov: 0.02, pixel: 0.01 }
    }
}

/// Where a camera is and what it sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// `[lon, lat]`, degrees, WGS 84.
    pub position: [f64; 2],
    /// Above the ground it looks at, metres.
    pub height_m: f64,
    /// Where the camera looks.
    pub look: Gaze,
    /// Horizontal and vertical, degrees.
    pub fov_deg: [f64; 2],
}

/// A place on the ground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    /// `[lon, lat]`, degrees, WGS 84.
    pub position: [f64; 2],
    /// From the camera, metres.
    pub slant_m: f64,
    /// In 95 of 100 cases the truth is not farther away than this, metres.
    pub error_m: f64,
}

/// Rows of a rotation matrix: a vector of the camera (forward, right, down) becomes one of the
/// world (north, east, down).
type Rotation = [[f64; 3]; 3];

/// Turned by yaw, then pitch, then roll, each about the axis as it then is (as aircraft are).
fn rotation(look: Gaze) -> Rotation {
    let (sy, cy) = look.azimuth_deg.to_radians().sin_cos();
    let (sp, cp) = look.elevation_deg.to_radians().sin_cos();
    let (sr, cr) = look.roll_deg.to_radians().sin_cos();
    [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
}

/// `inner` is seen from a body that is itself turned by `outer` (a gimbal under an airframe).
pub fn turned(outer: Gaze, inner: Gaze) -> Gaze {
    let (a, b) = (rotation(outer), rotation(inner));
    let r = |i: usize, j: usize| (0..3).map(|k| a[i][k] * b[k][j]).sum::<f64>();
    let elevation = (-r(2, 0)).clamp(-1.0, 1.0).asin();
    // Straight up or down, azimuth and roll are one turn: all of it is given to the azimuth.
    let (azimuth, roll) = if r(2, 0).abs() > 1.0 - 1e-9 {
        ((-r(0, 1)).atan2(r(1, 1)), 0.0)
    } else {
        (r(1, 0).atan2(r(0, 0)), r(2, 1).atan2(r(2, 2)))
    };
    Gaze {
        azimuth_deg: azimuth.to_degrees().rem_euclid(360.0),
        elevation_deg: elevation.to_degrees(),
        roll_deg: roll.to_degrees(),
    }
}

impl View {
    /// North and east of the drone, and the way of the ray, metres; None where it does not reach
    /// the ground near enough.
    fn offset(&self, x: f64, y: f64) -> Option<[f64; 3]> {
        let half = |deg: f64| (deg.to_radians() / 2.0).tan();
        let ray =
            [1.0, half(self.fov_deg[0]) * (2.0 * x - 1.0), half(self.fov_deg[1]) * (2.0 * y - 1.0)];
        let turn = rotation(self.look);
        let world: [f64; 3] =
            std::array::from_fn(|row| (0..3).map(|k| turn[row][k] * ray[k]).sum::<f64>());
        let length = world.iter().map(|one| one * one).sum::<f64>().sqrt();
        if world[2] / length < GRAZING_DEG_MIN.to_radians().sin() {
            return None;
        }
        let t = self.height_m / world[2];
        Some([t * world[0], t * world[1], t * length])
    }

    /// The place of a point of the picture (0..1 from its left and top), with its error. None
    /// where the ray, or one that is off by a standard deviation, does not reach the ground.
    pub fn spot(&self, (x, y): (f64, f64), errors: &Errors) -> Option<Spot> {
        if self.height_m.is_nan() || self.height_m <= 0.0 {
            return None;
        }
        let [north, east, slant_m] = self.offset(x, y)?;
        if slant_m > SLANT_M_MAX {
            return None;
        }
        let mut variance = 2.0 * errors.position_m.powi(2);
        for parameter in 0..7 {
            let [n1, e1, _] = self.offset_with(parameter, 1.0, (x, y), errors)?;
            let [n0, e0, _] = self.offset_with(parameter, -1.0, (x, y), errors)?;
            variance += ((n1 - n0) / 2.0).powi(2) + ((e1 - e0) / 2.0).powi(2);
        }
        Some(Spot {
            position: moved(self.position, north, east),
            slant_m,
            // Twice the root of the summed variances: 95 of 100 if all of it lies along one
            // line (1.96), and more if it is round (1.73 would do).
            error_m: 2.0 * variance.sqrt(),
        })
    }

    /// [`Self::offset`] with one of its seven parameters off by `sign` standard deviations.
    fn offset_with(
        &self,
        parameter: usize,
        sign: f64,
        (x, y): (f64, f64),
        errors: &Errors,
    ) -> Option<[f64; 3]> {
        let (mut view, mut x, mut y) = (*self, x, y);
        match parameter {
            0 => view.height_m += sign * errors.height_m.min(0.9 * self.height_m),
            1 => view.look.azimuth_deg += sign * errors.attitude_deg,
            2 => view.look.elevation_deg += sign * errors.attitude_deg,
            3 => view.look.roll_deg += sign * errors.attitude_deg,
            4 => view.fov_deg = self.fov_deg.map(|deg| deg * (1.0 + sign * errors.fov)),
            5 => x += sign * errors.pixel,
            _ => y += sign * errors.pixel,
        }
        view.offset(x, y)
    }
}

/// A place so many metres north and east of another, along the ellipsoid.
pub fn moved([lon, lat]: [f64; 2], north_m: f64, east_m: f64) -> [f64; 2] {
    let bearing = east_m.atan2(north_m).to_degrees();
    let to = Geodesic.destination(Point::new(lon, lat), bearing, north_m.hypot(east_m));
    [to.x(), to.y()]
}

/// Metres between two places, along the ellipsoid.
pub fn distance_m(a: [f64; 2], b: [f64; 2]) -> f64 {
    Geodesic.distance(Point::new(a[0], a[1]), Point::new(b[0], b[1]))
}

/// From true north, clockwise, degrees.
pub fn bearing_deg(from: [f64; 2], to: [f64; 2]) -> f64 {
    Geodesic.bearing(Point::new(from[0], from[1]), Point::new(to[0], to[1])).rem_euclid(360.0)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    const HERE: [f64; 2] = [113.9131, 30.9263];

    fn view(azimuth: f64, elevation: f64, height_m: f64) -> View {
        let look = Gaze { azimuth_deg: azimuth, elevation_deg: elevation, roll_deg: 0.0 };
        View { position: HERE, height_m, look, fov_deg: [60.0, 40.0] }
    }

    /// Where in the picture a place on the ground is: the way back, by the transposed rotation.
    fn pixel(view: &View, place: [f64; 2]) -> Option<(f64, f64)> {
        let (away, bearing) =
            (distance_m(view.position, place), bearing_deg(view.position, place).to_radians());
        let world = [away * bearing.cos(), away * bearing.sin(), view.height_m];
        let turn = rotation(view.look);
        let ray: [f64; 3] =
            std::array::from_fn(|col| (0..3).map(|row| turn[row][col] * world[row]).sum::<f64>());
        if ray[0] <= 0.0 {
            return None;
        }
        let half = |deg: f64| (deg.to_radians() / 2.0).tan();
        let x = (ray[1] / ray[0] / half(view.fov_deg[0]) + 1.0) / 2.0;
        let y = (ray[2] / ray[0] / half(view.fov_deg[1]) + 1.0) / 2.0;
        let inside = |v: f64| (0.0..=1.0).contains(&v);
        (inside(x) && inside(y)).then_some((x, y))
    }

    #[test]
    fn known_views_hit_known_places() {
        // Straight down: below. North at 45° from 100 m: 100 m north. East likewise.
        let errors = Errors::default();
        let down = view(0.0, -90.0, 100.0).spot((0.5, 0.5), &errors).unwrap();
        assert!(distance_m(down.position, HERE) < 1e-6, "{down:?}");
        let north = view(0.0, -45.0, 100.0).spot((0.5, 0.5), &errors).unwrap();
        assert!((distance_m(north.position, HERE) - 100.0).abs() < 1e-6, "{north:?}");
        assert!(north.position[1] > HERE[1] && (north.position[0] - HERE[0]).abs() < 1e-9);
        assert!((north.slant_m - 100.0 * 2f64.sqrt()).abs() < 1e-6);
        let east = view(90.0, -45.0, 100.0).spot((0.5, 0.5), &errors).unwrap();
        assert!(east.position[0] > HERE[0] && bearing_deg(HERE, east.position) - 90.0 < 0.001);
        // Looking down with north above: the right edge is east, by tan 30° of the height.
        let right = view(0.0, -90.0, 100.0).spot((1.0, 0.5), &errors).unwrap();
        assert!((distance_m(right.position, HERE) - 57.735).abs() < 0.01, "{right:?}");
        assert!((bearing_deg(HERE, right.position) - 90.0).abs() < 0.01);
        // 1° at 141 m slant along the ground is 2.5 m across and 4.9 m along: the error says so.
        assert!((8.0..25.0).contains(&north.error_m), "{north:?}");
    }

    #[test]
    fn the_sky_the_horizon_and_a_drone_on_the_ground_have_no_place() {
        let errors = Errors::default();
        assert_eq!(view(0.0, 10.0, 100.0).spot((0.5, 0.5), &errors), None);
        assert_eq!(view(0.0, -2.0, 100.0).spot((0.5, 0.5), &errors), None);
        assert_eq!(view(0.0, -15.0, 100.0).spot((0.5, 0.1), &errors), None, "above its middle");
        assert_eq!(view(0.0, -45.0, 0.0).spot((0.5, 0.5), &errors), None);
        assert_eq!(view(0.0, -45.0, f64::NAN).spot((0.5, 0.5), &errors), None);
    }

    #[test]
    fn a_gimbal_under_a_banking_airframe_looks_where_the_matrices_say() {
        let level = Gaze { azimuth_deg: 30.0, elevation_deg: 0.0, roll_deg: 0.0 };
        let gimbal = Gaze { azimuth_deg: 350.0, elevation_deg: -40.0, roll_deg: 5.0 };
        let both = turned(level, gimbal);
        assert!((both.azimuth_deg - 20.0).abs() < 1e-9 && (both.elevation_deg + 40.0).abs() < 1e-9);
        // A bank of 90° to the right turns a gimbal that looks right into one that looks down.
        let bank = Gaze { azimuth_deg: 0.0, elevation_deg: 0.0, roll_deg: 90.0 };
        let right = Gaze { azimuth_deg: 90.0, elevation_deg: 0.0, roll_deg: 0.0 };
        assert!((turned(bank, right).elevation_deg + 90.0).abs() < 1e-6);
    }

    /// A flight whose truth is known: people at known places, telemetry and boxes with the noise
    /// that is stated. Without noise the place is right to a millimetre; with it, the stated
    /// error holds in at least 95 of 100 sightings, and is not idle talk either.
    #[test]
    fn f1_a_synthetic_flight_finds_its_people_and_the_stated_error_holds() {
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        let errors = Errors::default();
        // A normal deviate by twelve uniform ones: ±6 σ at most, as no sensor is worse than its data sheet.
        let mut normal = move || (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
        let (mut seen, mut held, mut sum_off, mut sum_stated, mut worst) = (0, 0, 0.0, 0.0, 0.0f64);
        for second in 0..4_000 {
            let along = f64::from(second % 200);
            let truth = View {
                position: moved(HERE, along * 5.0 - 500.0, 40.0 * normal()),
                height_m: 80.0 + 10.0 * normal(),
                look: Gaze {
                    azimuth_deg: 90.0 * normal(),
                    elevation_deg: -55.0 + 7.0 * normal(),
                    roll_deg: 2.0 * normal(),
                },
                fov_deg: [66.0, 40.0],
            };
            let center = truth.spot((0.5, 0.5), &errors).unwrap().position;
            let person = moved(center, 8.0 * normal(), 8.0 * normal());
            let Some((x, y)) = pixel(&truth, person) else { continue };
            let exact = truth.spot((x, y), &errors).unwrap();
            assert!(distance_m(exact.position, person) < 0.001, "{exact:?} {person:?}");
            let fov = 1.0 + errors.fov * normal();
            let stated = View {
                position: moved(
                    truth.position,
                    errors.position_m * normal(),
                    errors.position_m * normal(),
                ),
                height_m: truth.height_m + errors.height_m * normal(),
                look: Gaze {
                    azimuth_deg: truth.look.azimuth_deg + errors.attitude_deg * normal(),
                    elevation_deg: truth.look.elevation_deg + errors.attitude_deg * normal(),
                    roll_deg: truth.look.roll_deg + errors.attitude_deg * normal(),
                },
                fov_deg: truth.fov_deg.map(|deg| deg * fov),
            };
            let at = (x + errors.pixel * normal(), y + errors.pixel * normal());
            let Some(spot) = stated.spot(at, &errors) else { continue };
            let off = distance_m(spot.position, person);
            seen += 1;
            held += u32::from(off <= spot.error_m);
            (sum_off, sum_stated) = (sum_off + off, sum_stated + spot.error_m);
            worst = worst.max(off);
        }
        let share = f64::from(held) / f64::from(seen);
        let (off, stated) = (sum_off / f64::from(seen), sum_stated / f64::from(seen));
        println!(
            "{seen} sightings from about 80 m: off by {off:.1} m on average, {worst:.1} m at worst; stated {stated:.1} m, held in {:.1} %",
            share * 100.0
        );
        assert!(seen > 1_000);
        assert!(share >= 0.95, "the stated error held in {share}");
        assert!(share <= 0.999 && stated < 4.0 * off, "stated {stated} m for {off} m");
    }

    /// Each of the seven that a view is made of, alone: the stated error is twice what it does.
    #[test]
    fn f1_each_error_alone_is_reckoned_as_large_as_it_is() {
        let none =
            Errors { position_m: 0.0, height_m: 0.0, attitude_deg: 0.0, fov: 0.0, pixel: 0.0 };
        let mut view = view(20.0, -50.0, 80.0);
        view.look.roll_deg = 3.0;
        let at = (0.8, 0.7);
        let stated = |errors: Errors| view.spot(at, &errors).unwrap().error_m;
        let exact = view.spot(at, &none).unwrap();
        assert!(exact.error_m < 1e-9, "{exact:?}");
        let off = |other: View, at: (f64, f64)| {
            distance_m(other.spot(at, &none).unwrap().position, exact.position)
        };
        let turned = |azimuth_deg: f64, elevation_deg: f64, roll_deg: f64| {
            let look = Gaze {
                azimuth_deg: 20.0 + azimuth_deg,
                elevation_deg: -50.0 + elevation_deg,
                roll_deg: 3.0 + roll_deg,
            };
            off(View { look, ..view }, at)
        };
        let root = |parts: &[f64]| parts.iter().map(|part| part * part).sum::<f64>().sqrt();
        let cases = [
            (Errors { position_m: 2.0, ..none }, root(&[2.0, 2.0])),
            (Errors { height_m: 3.0, ..none }, off(View { height_m: 83.0, ..view }, at)),
            (
                Errors { attitude_deg: 1.0, ..none },
                root(&[turned(1.0, 0.0, 0.0), turned(0.0, 1.0, 0.0), turned(0.0, 0.0, 1.0)]),
            ),
            (
                Errors { fov: 0.02, ..none },
                off(View { fov_deg: view.fov_deg.map(|deg| deg * 1.02), ..view }, at),
            ),
            (
                Errors { pixel: 0.01, ..none },
                root(&[off(view, (at.0 + 0.01, at.1)), off(view, (at.0, at.1 + 0.01))]),
            ),
        ];
        for (errors, alone) in cases {
            let stated_m = stated(errors);
            assert!(
                (stated_m / (2.0 * alone) - 1.0).abs() < 0.06,
                "{errors:?}: {stated_m} for {alone}"
            );
        }
    }
}
