//! What a JPEG of our own making consists of: the picture, and no segment that could say anything else. Pure.

/// Whether these bytes are one JPEG of this size, of the segments alone that our encoder writes, with nothing
/// after its end.
pub(super) fn is_bare_jpeg(bytes: &[u8], width: u32, height: u32) -> bool {
    let Some(mut rest) = bytes.strip_prefix(&[0xff, 0xd8]) else { return false };
    let mut sized = false;
    loop {
        let [0xff, marker, high, low, ..] = *rest else { return false };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(body) = rest.get(4..2 + length) else { return false };
        match marker {
            // JFIF: version, density, and no thumbnail.
            0xe0 => {
                if !body.starts_with(b"JFIF\0") || body.len() != 14 || body[12..] != [0, 0] {
                    return false;
                }
            }
            // Tables, and how the picture is coded.
            0xdb | 0xc4 | 0xdd => {}
            0xc0 | 0xc2 => {
                let [_, h1, h0, w1, w0, ..] = *body else { return false };
                let said = [[w1, w0], [h1, h0]].map(|side| u32::from(u16::from_be_bytes(side)));
                sized = said == [width, height] && width.max(height) <= super::SIDE_MAX;
            }
            // The picture itself, to the end.
            0xda => return sized && ends_once(&rest[2 + length..]),
            _ => return false,
        }
        rest = &rest[2 + length..];
    }
}

/// In the coded picture a 0xff is followed by 0 or a restart mark; the first other mark is its end, and the
/// end of the file.
fn ends_once(coded: &[u8]) -> bool {
    let mark = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7);
    coded.windows(2).position(mark).is_some_and(|at| coded[at..] == [0xff, 0xd9])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::snapshot::jpeg;

    #[test]
    fn only_a_picture_is_a_picture() {
        let rgb: Vec<u8> = (0..64 * 48 * 3).map(|at| (at * 7919 % 251) as u8).collect();
        let plain = jpeg(&rgb, 64, 48).unwrap();
        assert!(is_bare_jpeg(&plain, 64, 48));
        assert!(!is_bare_jpeg(&plain, 48, 64));
        assert!(!is_bare_jpeg(&plain[..plain.len() - 1], 64, 48));
        assert!(!is_bare_jpeg(&[&plain[..], b"PK"].concat(), 64, 48));
        for marker in [0xe1u8, 0xe2, 0xed, 0xfe, 0xe0] {
            let extra = [&[0xff, marker, 0, 8][..], b"Exif\0\0"].concat();
            let with = [&plain[..2], &extra[..], &plain[2..]].concat();
            assert!(!is_bare_jpeg(&with, 64, 48), "{marker:x}");
        }
        for cut in 0..plain.len() {
            assert!(!is_bare_jpeg(&plain[..cut], 64, 48), "{cut}");
        }
    }
}
