//! Where decoding can begin: key frames, and recovery points of streams that have none (intra refresh). Pure.
//!
//! Many encoders, those of drones above all, send no key frames: each picture has some columns that
//! are coded alone, and after so many pictures all of it was. Where such a round begins, H.264 and
//! H.265 may say so (SEI message 6, recovery point). FFmpeg calls the H.264 ones key frames, though
//! no picture comes of one alone, and says nothing of those of H.265. So the message is read here.
//! What is read is the head of a packet, up to the first slice.

/// SEI message of a recovery point (H.264 D.2.8, H.265 D.3.8).
const RECOVERY_POINT: u32 = 6;
/// More pictures than this until a picture is whole are not believed: 20 minutes at 25 a second.
const PICTURES_MAX: u32 = 30_000;

/// Which codec, and how its units are set apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    /// H.265 rather than H.264.
    pub(super) hevc: bool,
    /// Bytes of the length before each unit (as in MP4); `None`: start codes.
    pub(super) length_bytes: Option<usize>,
}

/// What decoding can begin with at one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Access {
    /// The picture can be decoded alone.
    pub(super) key: bool,
    /// A picture is whole so many pictures after this one, if decoding begins here.
    pub(super) refresh: Option<u32>,
    /// Parameter sets of the other codec: the stream has become one of that, and FFmpeg, which asks once, does not know.
    pub(super) other_codec: bool,
}

impl Syntax {
    /// Of a stream with these codec parameters (`avcC`, `hvcC`, or start codes).
    pub(super) fn of(hevc: bool, header: &[u8]) -> Self {
        let at = if hevc { 21 } else { 4 };
        let length = header.first().filter(|first| **first == 1).and_then(|_| header.get(at));
        Self { hevc, length_bytes: length.map(|byte| usize::from(byte & 3) + 1) }
    }

    /// Of this packet; `key`: what FFmpeg calls it.
    pub(super) fn access(self, data: &[u8], key: bool) -> Access {
        let (mut alone, mut recovery) = (false, None);
        for unit in (Units { syntax: self, rest: data }) {
            let Some(&first) = unit.first() else { continue };
            // H.265: IRAP pictures are 16 to 23, all slices below 32, an SEI before the picture 39.
            let (kind, head) = if self.hevc { (first >> 1 & 0x3f, 2) } else { (first & 0x1f, 1) };
            match (self.hevc, kind) {
                _ if self.length_bytes.is_none() && self.is_of_other_codec(unit) => {
                    return Access { other_codec: true, ..Access::default() };
                }
                (false, 6) | (true, 39) => recovery = recovery.or(self.recovery(unit.get(head..))),
                (false, 1..=5) => {
                    alone = kind == 5;
                    break;
                }
                (true, 0..=31) => {
                    alone = (16..=23).contains(&kind);
                    break;
                }
                _ => {}
            }
        }
        match recovery {
            _ if alone => Access { key, ..Access::default() },
            // Whole at once: an intra picture of H.264 that others reach back over (open GOP).
            None | Some(0) => Access { key, ..Access::default() },
            Some(pictures) => Access { refresh: Some(pictures), ..Access::default() },
        }
    }

    /// A unit with which a stream of the other codec begins, and which this one does not have: the video parameter set of
    /// H.265 (in H.264 of no kind), or the sequence parameter set of H.264 with a profile that is in use.
    fn is_of_other_codec(self, unit: &[u8]) -> bool {
        match (self.hevc, unit) {
            (false, [0x40, 0x01, ..]) => true,
            (true, [0x67, profile, ..]) => matches!(profile, 66 | 77 | 88 | 100 | 110 | 122 | 244),
            _ => false,
        }
    }

    /// Pictures until the recovery point of this SEI, if it has one.
    fn recovery(self, payload: Option<&[u8]>) -> Option<u32> {
        let bytes = without_escapes(payload?);
        let mut rest = bytes.as_slice();
        // The last byte is the end mark of the unit.
        while rest.len() > 1 {
            let kind = long_number(&mut rest)?;
            let size = usize::try_from(long_number(&mut rest)?).ok()?;
            let message = rest.get(..size)?;
            if kind == RECOVERY_POINT {
                let code = exp_golomb(message)?;
                // H.265 counts in the order of output, and with a sign: 1, -1, 2, -2 …
                let pictures = match (self.hevc, code % 2) {
                    (false, _) => code,
                    (true, 1) => code.div_ceil(2),
                    (true, _) => 0,
                };
                return (pictures <= PICTURES_MAX).then_some(pictures);
            }
            rest = &rest[size..];
        }
        None
    }
}

/// The units of a packet one after another; ends at the first that is not whole.
struct Units<'d> {
    syntax: Syntax,
    rest: &'d [u8],
}

impl<'d> Iterator for Units<'d> {
    type Item = &'d [u8];

    fn next(&mut self) -> Option<&'d [u8]> {
        let Some(bytes) = self.syntax.length_bytes else {
            let begin = start_code(self.rest)? + 3;
            let unit = &self.rest[begin..];
            // The end is looked for only where the unit is one that is read to its end.
            self.rest = unit;
            return Some(unit);
        };
        let (length, rest) = self.rest.split_at_checked(bytes)?;
        let length = length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        let (unit, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(unit)
    }
}

fn start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|three| three == [0, 0, 1])
}

/// Up to the next start code, without the bytes that keep zeros apart.
fn without_escapes(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte <= 1 {
            break;
        }
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        bytes.push(byte);
    }
    bytes
}

/// A number of SEI: bytes of 255 are added up with the first other one.
fn long_number(rest: &mut &[u8]) -> Option<u32> {
    let mut sum = 0u32;
    loop {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        sum = sum.checked_add(u32::from(byte))?;
        if byte != 255 {
            return Some(sum);
        }
    }
}

/// The unsigned Exp-Golomb code at the beginning (H.264 9.1).
fn exp_golomb(bytes: &[u8]) -> Option<u32> {
    let bit = |at: usize| bytes.get(at / 8).map(|byte| u32::from(byte >> (7 - at % 8) & 1));
    let zeros = (0..32).take_while(|at| bit(*at) == Some(0)).count();
    if zeros > 20 {
        return None;
    }
    let mut value = 0;
    for at in zeros..=zeros * 2 {
        value = value << 1 | bit(at)?;
    }
    Some(value - 1)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    const H264: Syntax = Syntax { hevc: false, length_bytes: None };
    const H265: Syntax = Syntax { hevc: true, length_bytes: None };

    /// An unsigned Exp-Golomb code, a stop bit behind it, and zeros to the byte.
    fn golomb(value: u32) -> Vec<u8> {
        let code = value + 1;
        let bits = 32 - code.leading_zeros();
        let text = format!("{}{code:b}1", "0".repeat(bits as usize - 1));
        let padded = format!("{text:0<width$}", width = text.len().next_multiple_of(8));
        padded
            .as_bytes()
            .chunks(8)
            .map(|bits| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap())
            .collect()
    }

    fn escaped(bytes: &[u8]) -> Vec<u8> {
        let (mut out, mut zeros) = (Vec::new(), 0);
        for &byte in bytes {
            if zeros >= 2 && byte <= 3 {
                out.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            out.push(byte);
        }
        out
    }

    /// Other messages before the one of the recovery point.
    fn sei(head: &[u8], before: usize, code: u32) -> Vec<u8> {
        let (mut bytes, message) = (Vec::new(), golomb(code));
        if before > 0 {
            bytes.push(5);
            bytes.extend(std::iter::repeat_n(255, before / 255));
            bytes.push((before % 255) as u8);
            bytes.extend(std::iter::repeat_n(0, before));
        }
        bytes.extend([6, message.len() as u8]);
        bytes.extend(message);
        bytes.push(0x80);
        [head, &escaped(&bytes)].concat()
    }

    fn joined(units: &[&[u8]], length_bytes: Option<usize>) -> Vec<u8> {
        let head = |unit: &&[u8]| match length_bytes {
            None => vec![0, 0, 0, 1],
            Some(bytes) => (unit.len() as u32).to_be_bytes()[4 - bytes..].to_vec(),
        };
        units.iter().flat_map(|unit| [head(unit), unit.to_vec()].concat()).collect()
    }

    #[test]
    fn recovery_points_are_told_from_key_frames_in_both_codecs_and_containers() {
        let none = Access::default();
        let (key, later) = (Access { key: true, ..none }, |n| Access { refresh: Some(n), ..none });
        let (sps, p, idr) = (&[0x67, 1, 2][..], &[0x41, 9][..], &[0x65, 9][..]);
        let (vps, trail, cra) = (&[0x40, 1, 3][..], &[0x02, 1, 9][..], &[0x2a, 1, 9][..]);
        for length_bytes in [None, Some(2), Some(4)] {
            let (h264, h265) = (Syntax { length_bytes, ..H264 }, Syntax { length_bytes, ..H265 });
            let of = |units: &[&[u8]], key| match units.last().is_some_and(|unit| unit.len() == 3) {
                true => h265.access(&joined(units, length_bytes), key),
                false => h264.access(&joined(units, length_bytes), key),
            };
            for before in [0, 3, 200] {
                let (short, long) = (sei(&[6], before, 1), sei(&[6], before, 1_499));
                assert_eq!(of(&[sps, &short, p], true), later(1), "as FFmpeg has it over RTSP");
                assert_eq!(of(&[sps, &long, p], false), later(1_499), "as an MP4 may have it");
                assert_eq!(of(&[&sei(&[6], before, 0), p], true), key, "open GOP");
                assert_eq!(of(&[&sei(&[6], before, 0), p], false), none);
                assert_eq!(of(&[&short, idr], true), key, "an IDR is whole at once");
                // H.265 has a sign: 2·n − 1 is n, 2·n is −n.
                assert_eq!(of(&[vps, &sei(&[0x4e, 1], before, 39), trail], false), later(20));
                assert_eq!(of(&[vps, &sei(&[0x4e, 1], before, 40), trail], false), none);
                assert_eq!(of(&[&sei(&[0x4e, 1], before, 39), cra], true), key);
            }
            assert_eq!(of(&[sps, p], false), none);
            assert_eq!(of(&[sps, p], true), key, "whoever says so without a message is believed");
            assert_eq!(
                of(&[sps, p, &sei(&[6], 0, 9)], false),
                none,
                "it belongs to no picture here"
            );
            assert_eq!(of(&[&sei(&[6], 0, 900_000), p], true), key, "not believed");
        }
    }

    #[test]
    fn the_header_says_how_units_are_set_apart() {
        let hvcc: Vec<u8> = [vec![1], vec![0; 20], vec![0xfc | 3]].concat();
        assert_eq!(Syntax::of(true, &hvcc).length_bytes, Some(4));
        assert_eq!(Syntax::of(false, &[1, 100, 0, 31, 0xfc | 1]).length_bytes, Some(2));
        assert_eq!(Syntax::of(false, &[0, 0, 0, 1, 0x67]).length_bytes, None);
        assert_eq!(Syntax::of(true, &[]).length_bytes, None);
        assert_eq!(Syntax::of(true, &[1, 2]).length_bytes, None);
    }

    #[test]
    fn any_bytes_are_read_without_harm() {
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        for round in 0..20_000 {
            let mut bytes = match round % 2 {
                0 => joined(&[&[0x67, 1], &sei(&[6], 300, 7), &[0x41, 1]], None),
                _ => vec![0; random.random_range(0..64)],
            };
            for _ in 0..random.random_range(0..20) {
                if let Some(len) = bytes.len().checked_sub(1) {
                    bytes[random.random_range(0..=len)] =
                        [0, 1, 3, 6, 255, random.random()][random.random_range(0..6)];
                }
            }
            bytes.truncate(random.random_range(0..=bytes.len()));
            for hevc in [false, true] {
                for length_bytes in [None, Some(1), Some(4)] {
                    let found = Syntax { hevc, length_bytes }.access(&bytes, false);
                    assert!(found.refresh.is_none_or(|n| n <= PICTURES_MAX) && !found.key);
                }
            }
            let _ = Syntax::of(round % 3 == 0, &bytes);
        }
    }
}
