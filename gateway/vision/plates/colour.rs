//! The colour of a vehicle: of most pixels of the middle of its box, or none. Pure.

use crate::domain::Colour;

/// A colour that fewer pixels have is not that of the vehicle.
const SHARE_MIN: f32 = 0.45;
/// Pictures that are darker than this on average are of the night, and say nothing of paint.
const DARK: u32 = 36;
/// Brightest channel of black, and of what is not yet white.
const BLACK_BELOW: u8 = 60;
const WHITE_FROM: u8 = 170;
/// Of the brightest channel: less difference than this is no colour.
const GREY_BELOW: f32 = 0.22;

/// Of RGB24.
pub(super) fn of(rgb: &[u8]) -> Colour {
    let pixels = rgb.len() / 3;
    let light: u32 = rgb.iter().map(|one| u32::from(*one)).sum();
    if pixels == 0 || light < DARK * 3 * u32::try_from(pixels).unwrap_or(u32::MAX) {
        return Colour::Unknown;
    }
    let mut counts = [0usize; ALL.len()];
    for pixel in rgb.chunks_exact(3) {
        counts[of_pixel([pixel[0], pixel[1], pixel[2]]) as usize] += 1;
    }
    let best = ALL.into_iter().max_by_key(|colour| counts[*colour as usize]);
    let most = best.filter(|best| counts[*best as usize] as f32 >= pixels as f32 * SHARE_MIN);
    most.unwrap_or_default()
}

const ALL: [Colour; 8] = [
    Colour::White,
    Colour::Grey,
    Colour::Black,
    Colour::Red,
    Colour::Yellow,
    Colour::Green,
    Colour::Blue,
    Colour::Brown,
];

fn of_pixel([r, g, b]: [u8; 3]) -> Colour {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let spread = f32::from(most - least);
    if most < BLACK_BELOW {
        return Colour::Black;
    }
    if spread < GREY_BELOW * f32::from(most) {
        return if most >= WHITE_FROM { Colour::White } else { Colour::Grey };
    }
    let [r, g, b] = [f32::from(r), f32::from(g), f32::from(b)];
    let hue = match f32::from(most) {
        most if most == r => (60.0 * (g - b) / spread).rem_euclid(360.0),
        most if most == g => 60.0 * (b - r) / spread + 120.0,
        _ => 60.0 * (r - g) / spread + 240.0,
    };
    match hue {
        // Dark orange.
        15.0..45.0 if most < 150 => Colour::Brown,
        0.0..20.0 | 330.0..=360.0 => Colour::Red,
        20.0..70.0 => Colour::Yellow,
        70.0..170.0 => Colour::Green,
        170.0..270.0 => Colour::Blue,
        _ => Colour::Red,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paint_in_the_light_and_in_the_shade() {
        for (rgb, colour) in [
            ([240, 242, 245], Colour::White),
            ([120, 122, 125], Colour::Grey),
            ([40, 40, 44], Colour::Black),
            ([172, 28, 34], Colour::Red),
            ([96, 16, 20], Colour::Red),
            ([235, 190, 40], Colour::Yellow),
            ([40, 120, 60], Colour::Green),
            ([30, 60, 160], Colour::Blue),
            ([110, 70, 40], Colour::Brown),
        ] {
            assert_eq!(of(&rgb.repeat(50)), colour, "{rgb:?}");
        }
    }

    #[test]
    fn the_night_and_a_patchwork_are_unknown() {
        assert_eq!(of(&[12, 10, 20].repeat(50)), Colour::Unknown);
        assert_eq!(of(&[]), Colour::Unknown);
        let patches = [[240, 240, 240], [172, 28, 34], [30, 60, 160], [120, 122, 125]];
        assert_eq!(of(&patches.concat().repeat(9)), Colour::Unknown);
    }
}
