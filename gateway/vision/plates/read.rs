//! What a reader says of a strip becomes text: one character a change, by the best of each column. Pure.

use std::sync::Arc;

/// A text and how sure its least sure character is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ReadText {
    pub(super) text: String,
    /// 0..1; 0 where there is no text.
    pub(super) sure: f32,
}

/// The characters that a reader knows; its first answer of a column is "none".
#[derive(Clone, Debug)]
pub(super) struct Alphabet(Vec<Arc<str>>);

impl Alphabet {
    /// Of the catalogue: each character stands for itself.
    pub(super) fn of_characters(characters: &str) -> Self {
        Self(characters.chars().map(|c| c.to_string().into()).collect())
    }

    /// Of a file: one a line; behind them comes the blank, which the file does not have.
    pub(super) fn of_lines(lines: &str) -> Self {
        let known = lines.split('\n').map(|line| line.trim_end_matches('\r').into());
        Self(known.chain([" ".into()]).collect())
    }

    /// Of columns as wide as this alphabet; the error says how wide they are.
    pub(super) fn read(&self, numbers: &[f32], width: usize) -> Result<ReadText, String> {
        if width != self.0.len() + 1 || !numbers.len().is_multiple_of(width) {
            return Err(format!(
                "the reader of plates gave columns of {width} numbers: expected {}",
                self.0.len() + 1
            ));
        }
        let (mut read, mut before) = (ReadText::default(), 0);
        for column in numbers.chunks_exact(width) {
            let best = column.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            let Some((best, sure)) = best else { continue };
            if best != before && best > 0 {
                let sure = if sure.is_finite() { sure.clamp(0.0, 1.0) } else { 0.0 };
                read.sure = if read.text.is_empty() { sure } else { read.sure.min(sure) };
                read.text += &self.0[best - 1];
            }
            before = best;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns over "none", A, B, C.
    fn columns(best: &[(usize, f32)]) -> Vec<f32> {
        let column = |(at, sure): &(usize, f32)| {
            let mut column = [0.01; 4];
            column[*at] = *sure;
            column
        };
        best.iter().flat_map(column).collect()
    }

    #[test]
    fn a_character_is_told_once_a_change_and_twice_with_nothing_between() {
        let letters = Alphabet::of_characters("ABC");
        let read = |best: &[(usize, f32)]| letters.read(&columns(best), 4).unwrap();
        let told = read(&[(0, 0.9), (1, 0.8), (1, 0.5), (0, 0.9), (1, 0.7), (3, 0.6), (0, 0.9)]);
        assert_eq!(told, ReadText { text: "AAC".into(), sure: 0.6 });
        assert_eq!(read(&[(0, 0.9); 5]), ReadText::default());
        assert_eq!(read(&[]), ReadText::default());
        assert_eq!(read(&[(2, f32::NAN), (2, 0.5)]).sure, 0.0, "no number is not sure");
        assert!(letters.read(&columns(&[(1, 0.9)]), 2).unwrap_err().contains("expected 4"));
        assert!(letters.read(&[0.1; 5], 4).is_err());
        assert!(letters.read(&[], 0).is_err());
    }

    #[test]
    fn the_alphabet_of_a_file_has_one_a_line_and_a_blank_behind() {
        let letters = Alphabet::of_lines("A\r\n应");
        let told = letters.read(&columns(&[(2, 0.9), (3, 0.9), (1, 0.9)]), 4).unwrap();
        assert_eq!(told.text, "应 A");
    }
}
