//! MISB ST 0601 (UAS Datalink Local Set), as it lies in the packets of a KLV stream: bytes → poses.
//!
//! Read are tags 1, 2, 5–7, 13–20, 23–25, 75, 90 and 91; every other one is skipped by its length.
//! A set whose checksum is wrong, or which ends before it should, says where and is left out;
//! the search goes on behind it. Scales are those of ST 0601: unsigned `lo + raw·(hi−lo)/(2ⁿ−1)`,
//! signed `raw·(hi−lo)/(2ⁿ−2)`, and the least signed number means "out of range".

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{Gaze, Pose, Telemetry, bearing_deg, distance_m, turned};

/// The universal key of the set; a byte of version may differ (the last three).
const KEY: [u8; 13] = [6, 0x0E, 0x2B, 0x34, 2, 0x0B, 1, 1, 0x0E, 1, 3, 1, 1];
const KEY_BYTES: usize = 16;
/// All universal keys of SMPTE begin so; other sets than ours are stepped over.
const UNIVERSAL: [u8; 4] = [6, 0x0E, 0x2B, 0x34];
/// A set is some hundred bytes; a longer one is rubbish that looks like a length.
const SET_BYTES_MAX: usize = 64 * 1024;
/// Nearer to 0, 0 than this is a receiver without a fix, degrees.
const NULL_ISLAND_DEG: f64 = 0.001;

/// What one set holds.
#[derive(Clone, Debug, PartialEq)]
pub struct KlvSet {
    /// Tag 2, the drone's own clock.
    pub device: Option<Timestamp>,
    pub pose: Pose,
}

/// Every set in these bytes, or why it cannot be read; nothing where there is no KLV at all.
pub fn sets(bytes: &[u8]) -> Vec<Result<KlvSet, String>> {
    let (mut found, mut at, mut other) = (Vec::new(), 0, false);
    // What precedes the first key is an access-unit header (stream type 0x15: five bytes).
    while let Some(step) = bytes[at..].windows(4).position(|four| four == UNIVERSAL) {
        at += step;
        let ours = bytes[at..].starts_with(&KEY);
        match framed(bytes, at) {
            Ok((inside, end)) => {
                other |= !ours;
                let read = ours.then(|| set(&bytes[at..end], inside - at));
                // One that was cut short reaches into the next, which may be whole.
                let whole = !matches!(read, Some(Err(_)));
                found.extend(read.map(|set| set.map_err(|why| place(at, &why))));
                at = if whole { end } else { at + UNIVERSAL.len() };
            }
            Err(why) => {
                if ours {
                    found.push(Err(place(at, &why)));
                }
                at += UNIVERSAL.len();
            }
        }
    }
    if found.is_empty() && !other && !bytes.is_empty() {
        found.push(Err(format!(
            "{} bytes without the whole key of an ST 0601 set (06 0e 2b 34 02 0b 01 01 …)",
            bytes.len()
        )));
    }
    found
}

fn place(at: usize, why: &str) -> String {
    format!("ST 0601 set at byte {at}: {why}")
}

/// Where the items of the set at `at` begin, and where it ends.
fn framed(bytes: &[u8], at: usize) -> Result<(usize, usize), String> {
    let body = bytes.get(at + KEY_BYTES..).ok_or("truncated in its key")?;
    let (length, used) = ber(body).ok_or("its length cannot be read (BER, at most 4 bytes)")?;
    if length > SET_BYTES_MAX {
        return Err(format!("{length} bytes long; at most {SET_BYTES_MAX} are read"));
    }
    let inside = at + KEY_BYTES + used;
    if bytes.len() < inside + length {
        return Err(format!("truncated: {length} bytes, {} of them there", bytes.len() - inside));
    }
    Ok((inside, inside + length))
}

/// A BER length: its value, and how many bytes it took.
fn ber(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.first()?;
    let more = usize::from(first & 0x7F);
    if first < 0x80 {
        return Some((more, 1));
    }
    if more == 0 || more > 4 {
        return None;
    }
    let value = bytes.get(1..=more)?.iter().fold(0, |value, byte| value << 8 | usize::from(*byte));
    Some((value, 1 + more))
}

/// A BER-OID tag: seven bits a byte, the last one below 0x80.
fn tag(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0;
    for (n, byte) in bytes.iter().take(3).enumerate() {
        value = value << 7 | u32::from(byte & 0x7F);
        if *byte < 0x80 {
            return Some((value, n + 1));
        }
    }
    None
}

/// 16-bit sum over everything up to the checksum's own value, even bytes in the high half.
fn checksum(bytes: &[u8]) -> u16 {
    let add = |sum: u16, (n, byte): (usize, &u8)| {
        sum.wrapping_add(u16::from(*byte) << (8 * ((n + 1) % 2)))
    };
    bytes.iter().enumerate().fold(0, add)
}

struct Items<'b>(BTreeMap<u32, &'b [u8]>);

/// `whole` from its key on; its items begin at `inside`.
fn set(whole: &[u8], inside: usize) -> Result<KlvSet, String> {
    let mut items = BTreeMap::new();
    let mut at = inside;
    let mut last = 0;
    while at < whole.len() {
        let (tag, used) = tag(&whole[at..]).ok_or_else(|| format!("byte {at}: no tag"))?;
        at += used;
        let (length, used) =
            ber(&whole[at..]).ok_or_else(|| format!("byte {at}: no length of tag {tag}"))?;
        at += used;
        let Some(value) = whole.get(at..at.saturating_add(length)) else {
            let left = whole.len() - at;
            return Err(format!("byte {at}: tag {tag} has {length} bytes, {left} are left"));
        };
        at += length;
        last = tag;
        items.insert(tag, value);
    }
    let stated = match items.get(&1) {
        Some([high, low]) if last == 1 => u16::from_be_bytes([*high, *low]),
        Some(_) if last == 1 => return Err("tag 1 (checksum): expected 2 bytes".into()),
        _ => return Err("does not end with tag 1 (checksum)".into()),
    };
    let sum = checksum(&whole[..whole.len() - 2]);
    if sum != stated {
        return Err(format!("checksum {stated:04x}, its bytes sum up to {sum:04x}"));
    }
    Items(items).read()
}

impl Items<'_> {
    fn raw<const N: usize>(&self, tag: u32) -> Result<Option<[u8; N]>, String> {
        let Some(value) = self.0.get(&tag) else { return Ok(None) };
        let fits = <[u8; N]>::try_from(*value);
        fits.map(Some).map_err(|_| format!("tag {tag}: {} bytes, expected {N}", value.len()))
    }

    fn u16(&self, tag: u32, [lo, hi]: [f64; 2]) -> Result<Option<f64>, String> {
        let scaled = |raw| lo + f64::from(u16::from_be_bytes(raw)) * (hi - lo) / 65_535.0;
        Ok(self.raw(tag)?.map(scaled))
    }

    fn u32(&self, tag: u32, [lo, hi]: [f64; 2]) -> Result<Option<f64>, String> {
        let scaled = |raw| lo + f64::from(u32::from_be_bytes(raw)) * (hi - lo) / 4_294_967_295.0;
        Ok(self.raw(tag)?.map(scaled))
    }

    fn i16(&self, tag: u32, half: f64) -> Result<Option<f64>, String> {
        let raw = self.raw(tag)?.map(i16::from_be_bytes).filter(|raw| *raw != i16::MIN);
        Ok(raw.map(|raw| f64::from(raw) * 2.0 * half / 65_534.0))
    }

    fn i32(&self, tag: u32, half: f64) -> Result<Option<f64>, String> {
        let raw = self.raw(tag)?.map(i32::from_be_bytes).filter(|raw| *raw != i32::MIN);
        Ok(raw.map(|raw| f64::from(raw) * 2.0 * half / 4_294_967_294.0))
    }

    fn point(&self, lat: u32, lon: u32) -> Result<Option<[f64; 2]>, String> {
        let Some((lat, lon)) = self.i32(lat, 90.0)?.zip(self.i32(lon, 180.0)?) else {
            return Ok(None);
        };
        if lat.abs() < NULL_ISLAND_DEG && lon.abs() < NULL_ISLAND_DEG {
            return Err(format!(
                "position {lat:.4}, {lon:.4} is Null Island; expected a fix, or no position"
            ));
        }
        Ok(Some([lon, lat]))
    }

    fn read(&self) -> Result<KlvSet, String> {
        let device = match self.raw(2)?.map(u64::from_be_bytes) {
            None => None,
            Some(micros) => {
                let micros = i64::try_from(micros).ok();
                let at = micros.and_then(|micros| Timestamp::from_microsecond(micros).ok());
                Some(at.ok_or("tag 2: a time that no calendar has")?)
            }
        };
        let altitude = [-900.0, 19_000.0];
        let position = self.point(13, 14)?;
        let msl_m = self.u16(15, altitude)?;
        let ground_msl_m = self.u16(25, altitude)?;
        let fov = self.u16(16, [0.0, 180.0])?.zip(self.u16(17, [0.0, 180.0])?);
        // Nearly nothing and half the world are no lenses.
        let fov = fov.filter(|(h, v)| (0.05..=170.0).contains(h) && (0.05..=170.0).contains(v));
        let look = match self.look()? {
            Some(look) => Some(look),
            None => {
                let centre = self.point(23, 24)?;
                let heights = msl_m.zip(ground_msl_m).map(|(high, low)| high - low);
                position.zip(centre).zip(heights).map(|((from, to), height)| Gaze {
                    azimuth_deg: bearing_deg(from, to),
                    elevation_deg: -height.atan2(distance_m(from, to)).to_degrees(),
                    roll_deg: 0.0,
                })
            }
        };
        let pose = Pose {
            position,
            msl_m,
            ellipsoid_m: self.u16(75, altitude)?,
            look,
            fov_deg: fov.map(|(h, v)| [h, v]),
            ground_msl_m,
            ..Pose::empty(Telemetry::Klv)
        };
        Ok(KlvSet { device, pose })
    }

    /// The airframe's attitude (5, 6 or 90, 7 or 91), and the sensor's relative to it (18–20).
    fn look(&self) -> Result<Option<Gaze>, String> {
        let circle = [0.0, 360.0];
        let pitch = self.i32(90, 90.0)?.or(self.i16(6, 20.0)?);
        let roll = self.i32(91, 90.0)?.or(self.i16(7, 50.0)?);
        let heading = self.u16(5, circle)?;
        let sensor = self.u32(18, circle)?.zip(self.i32(19, 180.0)?);
        let sensor_roll = self.u32(20, circle)?.unwrap_or(0.0);
        let Some(((heading, pitch), (roll, (azimuth, elevation)))) =
            heading.zip(pitch).zip(roll.zip(sensor))
        else {
            return Ok(None);
        };
        let body = Gaze { azimuth_deg: heading, elevation_deg: pitch, roll_deg: roll };
        let sensor = Gaze { azimuth_deg: azimuth, elevation_deg: elevation, roll_deg: sensor_roll };
        Ok(Some(turned(body, sensor)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// klvdata's DynamicOnlyMISMMSPacketData.bin, and the example of ST 0902.
    const DYNAMIC: &str = "060e2b34020b01010e0103010100000061020800046050584e0180050271c20602fd3d070208b80d045595b66d0e045b5360c40f02c2211002cd9c1102d9171204724a0a20130487f84b86140400000000150403830926160212811704f101a229180414bc082b190234f34101060102c850";
    const CONSTANT: &str = "060E2B34020B01010E0103010100000081D2020800046050584E0180030A4D697373696F6E203132050271C20602FD3D070208B80A085072656461746F720B07454F204E6F73650C0E47656F64657469632057475338340D045595B66D0E045B5360C40F02C2211002CD9C1102D9171204724A0A20130487F84B86140400000000150403830926160212811704F101A229180414BC082B190234F3301C01010102010703052F2F5553410C01070D060055005300411602000A4101065E220170F592F02373364AF8AA9162C00F2EB2DA16B74341000841A0BE365B5AB96A36450102AA43";

    fn hex(text: &str) -> Vec<u8> {
        let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(pair).collect()
    }

    fn check(bytes: &[u8]) -> Vec<String> {
        let show = |said: Result<KlvSet, String>| match said {
            Err(why) => why,
            Ok(said) => {
                let [lon, lat] = said.pose.position.unwrap_or_default();
                let [h, v] = said.pose.fov_deg.unwrap_or_default();
                format!(
                    "{} {lat:.6} {lon:.6} {:.2} m, ground {:.2} m, {h:.3}×{v:.3}",
                    said.device.unwrap_or_default(),
                    said.pose.msl_m.unwrap_or_default(),
                    said.pose.ground_msl_m.unwrap_or_default()
                )
            }
        };
        sets(bytes).into_iter().map(show).collect()
    }

    /// Another set with these items; its checksum is right.
    fn build(items: &[(u8, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (tag, value) in items {
            body.extend([*tag, u8::try_from(value.len()).unwrap()]);
            body.extend(*value);
        }
        body.extend([1, 2]);
        let mut whole = KEY.to_vec();
        whole.extend([0, 0, 0, u8::try_from(body.len() + 2).unwrap()]);
        whole.extend(body);
        let sum = checksum(&whole);
        whole.extend(sum.to_be_bytes());
        whole
    }

    #[test]
    fn the_published_packets_are_read_and_the_one_with_the_wrong_sum_is_not() {
        let said = "2009-01-12T22:08:22Z 60.176823 128.426759 14190.72 m, ground 3216.04 m, 144.571×152.644";
        assert_eq!(check(&hex(DYNAMIC)), [said]);
        assert_eq!(check(&hex(CONSTANT)), [said], "unknown tags 48 and 94 are skipped");
        let broken = CONSTANT.replace("140400000000", "14047DC55ECE");
        assert_eq!(
            check(&hex(&broken)),
            ["ST 0601 set at byte 0: checksum aa43, its bytes sum up to 3e1e"]
        );
        // Two in one packet, behind the header of an access unit, with another set between them.
        let other = [&UNIVERSAL[..], &[1; 12], &[3, 9, 9, 9]].concat();
        let whole = [&[0, 0, 0xDF, 0, 0x72][..], &hex(DYNAMIC), &other, &hex(CONSTANT)].concat();
        assert_eq!(check(&whole), [said, said]);
    }

    #[test]
    fn a_gimbal_on_an_airframe_becomes_a_line_of_sight() {
        let deg = |deg: f64, half: f64, n: f64| (deg / (2.0 * half) * n).round();
        let azimuth = (270.0f64 / 360.0 * 4_294_967_295.0).round() as u32;
        let elevation = deg(-60.0, 180.0, 4_294_967_294.0) as i32;
        let heading = (100.0f64 / 360.0 * 65_535.0).round() as u16;
        let set = build(&[
            (2, &1_000_000u64.to_be_bytes()),
            (5, &heading.to_be_bytes()),
            (6, &[0, 0]),
            (7, &[0, 0]),
            (18, &azimuth.to_be_bytes()),
            (19, &elevation.to_be_bytes()),
        ]);
        let said = sets(&set).remove(0).unwrap();
        let look = said.pose.look.unwrap();
        assert!((look.azimuth_deg - 10.0).abs() < 0.01, "{look:?}");
        assert!((look.elevation_deg + 60.0).abs() < 0.001 && look.roll_deg.abs() < 0.01);
        assert_eq!(said.device, Some(Timestamp::from_second(1).unwrap()));
        assert_eq!(said.pose.position, None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let whole = hex(DYNAMIC);
        let at = "ST 0601 set at byte 0: ";
        for (bytes, why) in [
            (whole[..60].to_vec(), "truncated: 97 bytes, 43 of them there"),
            (whole[..10].to_vec(), ""),
            (
                build(&[(13, &[0; 4]), (14, &[0; 4])]),
                "position 0.0000, 0.0000 is Null Island; expected a fix, or no position",
            ),
            (build(&[(13, &[1; 3])]), "tag 13: 3 bytes, expected 4"),
            (build(&[(2, &[0xFF; 8])]), "tag 2: a time that no calendar has"),
            ([&KEY[..], &[0, 0, 0, 4, 5, 2, 1, 1]].concat(), "does not end with tag 1 (checksum)"),
            (
                [&KEY[..], &[0, 0, 0, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]].concat(),
                "4294967295 bytes long; at most 65536 are read",
            ),
            (
                [&KEY[..], &[0, 0, 0, 0x85, 1, 1, 1, 1, 1]].concat(),
                "its length cannot be read (BER, at most 4 bytes)",
            ),
            ([&KEY[..], &[0, 0, 0, 3, 5, 9, 1]].concat(), "byte 19: tag 5 has 9 bytes, 1 are left"),
        ] {
            let told = check(&bytes);
            if why.is_empty() {
                assert!(!told.is_empty(), "{bytes:02x?}");
            } else {
                assert_eq!(told, [format!("{at}{why}")], "{bytes:02x?}");
            }
        }
        // The one behind a truncated one is still found.
        let both = [&whole[..60], &whole[..]].concat();
        assert_eq!(check(&both).len(), 2, "{:?}", check(&both));
        // "Out of range" is no position, and no mistake.
        let unknown = build(&[(13, &[0x80, 0, 0, 0]), (14, &[0x80, 0, 0, 0])]);
        assert_eq!(sets(&unknown).remove(0).unwrap().pose.position, None);
    }
}
