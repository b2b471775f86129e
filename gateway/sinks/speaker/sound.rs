//! Sound as telephones carry it: 8 kHz, one channel; WAV is read into it, and it becomes A-law (G.711). Pure.

/// Samples a second of everything that is spoken.
pub(super) const RATE: u32 = 8_000;
/// What is read of a WAV has at most so many seconds.
const SECONDS_MAX: usize = 180;

/// Linear samples, 16 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sound(pub(super) Vec<i16>);

impl Sound {
    /// Nothing, for so long.
    pub(super) fn silence(ms: u32) -> Self {
        Self(vec![0; (RATE / 1_000 * ms) as usize])
    }

    /// How long it lasts, milliseconds.
    pub(super) fn ms(&self) -> u64 {
        self.0.len() as u64 * 1_000 / u64::from(RATE)
    }

    /// This, and then that.
    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// A RIFF WAVE of PCM with 8 or 16 bits or A-law, of any rate from 8 to 48 kHz and one or two
    /// channels. The error says what was expected.
    pub(super) fn of_wav(bytes: &[u8]) -> Result<Self, String> {
        let expected = "expected WAV (RIFF): PCM with 8 or 16 bits or A-law, 8 to 48 kHz";
        if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
            return Err(format!("is no WAV; {expected}"));
        }
        let (mut format, mut rest) = (None, &bytes[12..]);
        while let Some((head, body)) = rest.split_at_checked(8) {
            let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            // Who writes into a pipe cannot know how long it becomes: what is there counts.
            let data = &body[..len.min(body.len())];
            match &head[..4] {
                b"fmt " => format = Some(WavFormat::read(data).ok_or(expected)?),
                b"data" => {
                    let format = format.ok_or(expected)?;
                    return format.sound(data).ok_or_else(|| expected.to_owned());
                }
                _ => {}
            }
            rest = body.get(len + len % 2..).unwrap_or_default();
        }
        Err(format!("has no sound in it; {expected}"))
    }

    /// As G.711 A-law.
    pub(super) fn a_law(&self) -> Vec<u8> {
        self.0.iter().map(|sample| a_law(*sample)).collect()
    }
}

#[derive(Clone, Copy)]
struct WavFormat {
    code: u16,
    channels: usize,
    rate: u32,
    bits: u16,
}

impl WavFormat {
    fn read(data: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_le_bytes([*data.get(at)?, *data.get(at + 1)?]));
        let rate = u32::from(word(4)?) | u32::from(word(6)?) << 16;
        let code = match word(0)? {
            // Extensible: what it is stands further behind.
            0xfffe => word(24)?,
            code => code,
        };
        Some(Self { code, channels: usize::from(word(2)?), rate, bits: word(14)? })
    }

    fn sound(self, data: &[u8]) -> Option<Sound> {
        if !(1..=2).contains(&self.channels) || !(RATE..=48_000).contains(&self.rate) {
            return None;
        }
        let samples: Vec<i16> = match (self.code, self.bits) {
            (1, 16) => {
                data.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect()
            }
            (1, 8) => data.iter().map(|byte| (i16::from(*byte) - 128) << 8).collect(),
            (6, 8) => data.iter().map(|byte| linear(*byte)).collect(),
            _ => return None,
        };
        let mono: Vec<i16> = samples
            .chunks_exact(self.channels)
            .map(|all| {
                let sum: i32 = all.iter().map(|one| i32::from(*one)).sum();
                (sum / self.channels as i32) as i16
            })
            .take(SECONDS_MAX * self.rate as usize)
            .collect();
        Some(Sound(to_8_khz(&mono, self.rate)))
    }
}

/// Each sample becomes the mean of those that it stands for, which keeps what is too high for 8 kHz from
/// whistling in it.
fn to_8_khz(samples: &[i16], rate: u32) -> Vec<i16> {
    if rate == RATE {
        return samples.to_vec();
    }
    let (rate, wanted) = (u64::from(rate), u64::from(RATE));
    let count = samples.len() as u64 * wanted / rate;
    let at = |n: u64| usize::try_from(n * rate / wanted).unwrap_or(usize::MAX);
    (0..count)
        .map(|n| {
            let (from, to) = (at(n), at(n + 1).max(at(n) + 1).min(samples.len()));
            let of = samples.get(from..to).unwrap_or_default();
            let sum: i64 = of.iter().map(|one| i64::from(*one)).sum();
            (sum / of.len().max(1) as i64) as i16
        })
        .collect()
}

/// ITU-T G.711: sign, three bits of the segment, four of the step in it; every second bit inverted.
pub(super) fn a_law(sample: i16) -> u8 {
    let sign = if sample >= 0 { 0x80 } else { 0 };
    let size = if sample >= 0 { sample } else { !sample } as u16 >> 3;
    let segment = (u16::BITS - (size >> 5).leading_zeros()).min(7) as u16;
    let step = if segment < 2 { size >> 1 } else { size >> segment } & 0x0f;
    (sign | (segment << 4) as u8 | step as u8) ^ 0x55
}

/// And back: the middle of its step.
pub(super) fn linear(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (segment, step) = (byte >> 4 & 7, i16::from(byte & 0x0f));
    let size = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    if byte & 0x80 != 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(code: u16, channels: u16, rate: u32, bits: u16, data: &[u8], len: u32) -> Vec<u8> {
        let mut bytes = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0".to_vec();
        bytes.extend(code.to_le_bytes());
        bytes.extend(channels.to_le_bytes());
        bytes.extend(rate.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(bits.to_le_bytes());
        bytes.extend(b"LIST\x03\0\0\0abc\0data");
        bytes.extend(len.to_le_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn a_law_is_that_of_g_711_and_comes_back_within_a_step() {
        // Values of the table in G.711, and their ends.
        for (sample, byte) in [(0, 0xd5), (-1, 0x55), (i16::MAX, 0xaa), (i16::MIN, 0x2a)] {
            assert_eq!(a_law(sample), byte, "{sample}");
        }
        for sample in (i16::MIN..=i16::MAX).step_by(7) {
            let off = (i32::from(linear(a_law(sample))) - i32::from(sample)).abs();
            assert!(off <= 8.max(i32::from(sample).abs() / 16), "{sample}: {off}");
        }
        (0..=255u8).for_each(|byte| assert_eq!(a_law(linear(byte)), byte));
    }

    #[test]
    fn wav_of_every_rate_lasts_as_long_as_it_did() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000] {
            let data: Vec<u8> = (0..rate).flat_map(|_| 1_000i16.to_le_bytes()).collect();
            let sound = Sound::of_wav(&wav(1, 1, rate, 16, &data, u32::MAX)).unwrap();
            assert_eq!((sound.0.len(), sound.ms()), (8_000, 1_000), "{rate}");
            assert!(sound.0.iter().all(|one| *one == 1_000), "{rate}");
        }
        let stereo = [1_000i16.to_le_bytes(), 3_000i16.to_le_bytes()].concat();
        assert_eq!(Sound::of_wav(&wav(1, 2, 8_000, 16, &stereo, 4)).unwrap().0, [2_000]);
        assert_eq!(Sound::of_wav(&wav(1, 1, 8_000, 8, &[128, 255], 2)).unwrap().0, [0, 32_512]);
        assert_eq!(Sound::of_wav(&wav(6, 1, 8_000, 8, &[0xd5], 1)).unwrap().0, [8]);
    }

    #[test]
    fn what_is_no_wav_is_said_and_nothing_panics() {
        let good = wav(1, 1, 8_000, 16, &[1, 2, 3, 4], 4);
        for end in 0..good.len() - 4 {
            assert!(Sound::of_wav(&good[..end]).is_err() || end > 44, "{end}");
        }
        for (code, channels, rate, bits) in [
            (3, 1, 8_000, 32),
            (1, 0, 8_000, 16),
            (1, 9, 8_000, 16),
            (1, 1, 7_999, 16),
            (1, 1, 48_001, 16),
        ] {
            let bad = Sound::of_wav(&wav(code, channels, rate, bits, &[0; 8], 8));
            assert!(bad.unwrap_err().contains("expected WAV"), "{code} {channels} {rate} {bits}");
        }
        assert!(Sound::of_wav(b"ID3\x04 an MP3").unwrap_err().starts_with("is no WAV"));
    }
}
