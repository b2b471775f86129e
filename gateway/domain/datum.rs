//! Datums of coordinates: what maps in China say (GCJ-02, BD-09), brought to WGS 84. Pure.
//!
//! The way from WGS 84 to GCJ-02 and on to BD-09 is known as a formula that was worked out from maps and
//! published; here it is turned round by iteration, to better than a millimetre of the formula. How far
//! the formula itself is from the shift that a map was really given is not known here; one published pair
//! of BD-09 lies 10 m beside it. CGCS2000 differs from WGS 84 by centimetres and is taken as the same.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What coordinates refer to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Datum {
    /// As GNSS says it.
    #[default]
    Wgs84,
    /// 2000 国家大地坐标系, as surveyors in China say it: within centimetres of WGS 84.
    Cgcs2000,
    /// 火星坐标, as Amap 高德 and Tencent 腾讯 show it: some 500 m beside WGS 84.
    Gcj02,
    /// As Baidu 百度 shows it: GCJ-02, and about 1 km more.
    Bd09,
}

/// Krasovsky's ellipsoid, which the formula is made with.
const SEMI_MAJOR_M: f64 = 6_378_245.0;
/// See [`SEMI_MAJOR_M`].
const ECCENTRICITY_2: f64 = 0.006_693_421_622_965_943;
/// Each round leaves less than a fiftieth of the error.
const ROUNDS_MAX: usize = 20;
/// A hundredth of a millimetre.
const NEAR_ENOUGH_DEG: f64 = 1e-10;

impl Datum {
    /// `[lon, lat]` in degrees of this datum, in WGS 84. Outside the rectangle around China in which the
    /// formula shifts (72.004 to 137.8347 east, 0.8293 to 55.8271 north) nothing is moved.
    pub fn to_wgs84(self, place: [f64; 2]) -> [f64; 2] {
        match self {
            Self::Wgs84 | Self::Cgcs2000 => place,
            Self::Gcj02 => turned_round(gcj02, place),
            Self::Bd09 => turned_round(|place| bd09(gcj02(place)), place),
        }
    }
}

fn is_shifted([lon, lat]: [f64; 2]) -> bool {
    (72.004..=137.8347).contains(&lon) && (0.8293..=55.8271).contains(&lat)
}

/// The place that `forward` brings to `shifted`.
fn turned_round(forward: impl Fn([f64; 2]) -> [f64; 2], shifted: [f64; 2]) -> [f64; 2] {
    if !is_shifted(shifted) {
        return shifted;
    }
    let mut place = shifted;
    for _ in 0..ROUNDS_MAX {
        let there = forward(place);
        let off = [there[0] - shifted[0], there[1] - shifted[1]];
        place = [place[0] - off[0], place[1] - off[1]];
        if off[0].abs().max(off[1].abs()) < NEAR_ENOUGH_DEG {
            break;
        }
    }
    place
}

/// WGS 84 to GCJ-02.
fn gcj02([lon, lat]: [f64; 2]) -> [f64; 2] {
    let (x, y) = (lon - 105.0, lat - 35.0);
    let wave = |amplitude: f64, angle: f64| amplitude * (angle * PI).sin();
    let fine = wave(20.0, 6.0 * x) + wave(20.0, 2.0 * x);
    let east = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + (fine
            + wave(20.0, x)
            + wave(40.0, x / 3.0)
            + wave(150.0, x / 12.0)
            + wave(300.0, x / 30.0))
            * 2.0
            / 3.0;
    let north = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + (fine
            + wave(20.0, y)
            + wave(40.0, y / 3.0)
            + wave(160.0, y / 12.0)
            + wave(320.0, y / 30.0))
            * 2.0
            / 3.0;
    let latitude = lat.to_radians();
    let bend = 1.0 - ECCENTRICITY_2 * latitude.sin().powi(2);
    let metres_east = SEMI_MAJOR_M / bend.sqrt() * latitude.cos();
    let metres_north = SEMI_MAJOR_M * (1.0 - ECCENTRICITY_2) / (bend * bend.sqrt());
    [lon + (east / metres_east).to_degrees(), lat + (north / metres_north).to_degrees()]
}

/// GCJ-02 to BD-09.
fn bd09([lon, lat]: [f64; 2]) -> [f64; 2] {
    let fast = PI * 3000.0 / 180.0;
    let length = lon.hypot(lat) + 0.000_02 * (lat * fast).sin();
    let angle = lat.atan2(lon) + 0.000_003 * (lon * fast).cos();
    [length * angle.cos() + 0.0065, length * angle.sin() + 0.006]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off_by(a: [f64; 2], b: [f64; 2]) -> f64 {
        (a[0] - b[0]).abs().max((a[1] - b[1]).abs())
    }

    /// Vectors of the tests of eviltransform (Shanghai, Shenzhen, Beijing), and of the page of gcoord.
    #[test]
    fn published_vectors_are_met_in_both_directions() {
        for (wgs84, shifted) in [
            ([121.5272106, 31.1774276], [121.531541859215, 31.17530398364597]),
            ([113.912316, 22.543847], [113.9171764808363, 22.540796131694766]),
            ([116.377817, 39.911954], [116.38404722455657, 39.91334545536069]),
        ] {
            assert!(off_by(gcj02(wgs84), shifted) < 1e-9, "{wgs84:?}: {:?}", gcj02(wgs84));
            let back = Datum::Gcj02.to_wgs84(shifted);
            assert!(off_by(back, wgs84) < 1e-9, "{back:?} is not {wgs84:?}");
        }
        let baidu = [116.41661560068297, 39.92196580126834];
        let back = Datum::Bd09.to_wgs84(baidu);
        assert!(off_by(back, [116.403988, 39.914266]) < 1e-9, "{back:?}");
        // Another pair of eviltransform's tests, which its formula does not make either: 10 m off.
        let back = Datum::Bd09.to_wgs84([120.019809, 29.199786]);
        assert!(off_by(back, [120.00877901149691, 29.196131605295484]) < 1e-4, "{back:?}");
    }

    #[test]
    fn all_over_china_the_way_there_and_back_ends_where_it_began() {
        let mut shifts: Vec<f64> = Vec::new();
        for n in 0..=60 {
            for m in 0..=34 {
                let place = [73.5 + f64::from(n) * 1.017, 3.8 + f64::from(m) * 1.469];
                let mars = gcj02(place);
                assert!(off_by(Datum::Gcj02.to_wgs84(mars), place) < 1e-9, "{place:?}");
                assert!(off_by(Datum::Bd09.to_wgs84(bd09(mars)), place) < 1e-9, "{place:?}");
                shifts.push(off_by(mars, place));
            }
        }
        shifts.sort_by(f64::total_cmp);
        assert!(shifts[0] > 0.0001 && shifts[shifts.len() - 1] < 0.03, "of the known size");
    }

    #[test]
    fn outside_and_where_the_datum_is_the_same_nothing_moves() {
        // New York, Sydney, Paris, the edge, and what is no place at all.
        for place in [
            [-74.0, 40.7],
            [151.2, -33.9],
            [2.35, 48.86],
            [72.003, 30.0],
            [113.9, 91.0],
            [f64::NAN, 1.0],
        ] {
            for datum in [Datum::Gcj02, Datum::Bd09] {
                assert_eq!(datum.to_wgs84(place).map(f64::to_bits), place.map(f64::to_bits));
            }
        }
        assert_eq!(Datum::Cgcs2000.to_wgs84([113.9, 30.9]), [113.9, 30.9]);
        assert_eq!(Datum::Wgs84.to_wgs84([113.9, 30.9]), [113.9, 30.9]);
    }
}
