//! Raw bytes of Milesight gauges (WTS506, EM500-SWL), where no codec is set at ChirpStack.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::domain::Measure;

/// What is measured, the battery's percent, and what has no value.
pub(super) type Measured = (Vec<Measure>, Option<u8>, Vec<String>);

/// The port that Milesight devices report on by default.
const PORT: u64 = 85;

/// Channel, type, value, again and again. `None`: no gauge's bytes.
pub(super) fn milesight(port: u64, data: &str) -> Option<Result<Measured, String>> {
    if port != PORT {
        return None;
    }
    let bytes = match STANDARD.decode(data) {
        Ok(bytes) => bytes,
        Err(error) => return Some(Err(format!("data: not base64 ({error})"))),
    };
    let (mut measures, mut battery, mut doubts) = (Vec::new(), None, Vec::new());
    let mut known = false;
    let mut rest = &bytes[..];
    let mut put = |raw: u32, full: &[u32], measure: Measure| {
        known = true;
        match full.contains(&raw) {
            true => doubts.push(format!("data says {raw:X}: it has no value")),
            false => measures.push(measure),
        }
    };
    loop {
        rest = match rest {
            [] => break,
            [0x01, 0x75, percent, rest @ ..] => {
                battery = (*percent <= 100).then_some(*percent);
                rest
            }
            // Hundredths of a millimetre, little-endian, and a counter.
            [0x08, 0x77, a, b, _, rest @ ..] => {
                let raw = u32::from(u16::from_le_bytes([*a, *b]));
                put(raw, &[0xFFFF], total(raw));
                rest
            }
            [0x08, 0xEC, a, b, c, d, rest @ ..] => {
                let raw = u32::from_le_bytes([*a, *b, *c, *d]);
                put(raw, &[0xFFFF_FFFF], total(raw));
                // The counter, where it follows.
                match rest {
                    [_, tail @ ..] if tail.is_empty() || tail.len() >= 3 => tail,
                    rest => rest,
                }
            }
            [0x88, 0xEC, a, b, c, d, _, _, rest @ ..] => {
                let raw = u32::from_le_bytes([*a, *b, *c, *d]);
                put(raw, &[0xFFFF_FFFF], total(raw));
                rest
            }
            // Centimetres above the probe.
            [0x03, 0x77, a, b, rest @ ..] => {
                let cm = u16::from_le_bytes([*a, *b]);
                put(cm.into(), &[0xFFFF, 0x7FFF], Measure::LevelMm(i64::from(cm) * 10));
                rest
            }
            [0x03 | 0x06 | 0x05 | 0x07, 0x67 | 0x73 | 0x84 | 0x92, _, _, rest @ ..]
            | [0x04, 0x68, _, rest @ ..] => rest,
            _ => break,
        };
    }
    if known && !rest.is_empty() {
        doubts.push(format!("{} bytes at the end of data are not known", rest.len()));
    }
    known.then_some(Ok((measures, battery, doubts)))
}

fn total(hundredths: u32) -> Measure {
    Measure::TotalUm(i64::from(hundredths) * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_of_the_maker() {
        let of = |hex: &str| {
            let bytes: Vec<u8> = (0..hex.len() / 2)
                .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap())
                .collect();
            milesight(85, &STANDARD.encode(bytes)).map(|read| read.unwrap())
        };
        let table = [
            ("0584BA0406734F270792010008777B0001", Some(Measure::TotalUm(1_230))),
            ("08EC7B00000001", Some(Measure::TotalUm(1_230))),
            ("88EC8D1300000201", Some(Measure::TotalUm(50_050))),
            ("01756403770200", Some(Measure::LevelMm(20))),
            ("017510FF2E01", None),
            ("0877", None),
        ];
        for (hex, expected) in table {
            assert_eq!(of(hex).map(|(measures, ..)| measures[0]), expected, "{hex}");
        }
        assert_eq!(of("01756403770200").unwrap().1, Some(100));
        assert!(milesight(85, "*").unwrap().is_err());
        // A full register is no value, and what is behind an unknown channel is told.
        let (measures, _, doubts) = of("0377FFFF08ECFFFFFFFF").unwrap();
        assert_eq!((measures, doubts.len()), (Vec::new(), 2));
        let (measures, _, doubts) = of("03770200AABB").unwrap();
        assert_eq!((measures, doubts.len()), (vec![Measure::LevelMm(20)], 1));
    }
}
