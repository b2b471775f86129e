//! Which picture of a recording a moment is, counted from 1 in the order in which they are shown. Pure.

use jiff::Timestamp;

/// Times of the pictures of one recording, in order: 16 bytes a picture, 35 MB for a day of 25 a second.
#[derive(Default)]
pub(super) struct FrameNumbers {
    times: Vec<Timestamp>,
}

impl FrameNumbers {
    /// Takes the next packet's; those of B-frames come out of order.
    pub(super) fn take(&mut self, at: Timestamp) {
        let place = self.times.partition_point(|time| *time <= at);
        self.times.insert(place, at);
    }

    /// The number of the picture that is shown at this moment, 1 before the first.
    pub(super) fn number(&self, at: Timestamp) -> u64 {
        (self.times.partition_point(|time| *time <= at) as u64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + n).unwrap()
    }

    #[test]
    fn pictures_count_in_the_order_in_which_they_are_shown() {
        let mut numbers = FrameNumbers::default();
        assert_eq!(numbers.number(ms(0)), 1);
        // With B-frames, at a rate that changes; one time stands for two pictures.
        for at in [0, 160, 80, 40, 120, 200, 1_000, 1_000] {
            numbers.take(ms(at));
        }
        for (at, number) in
            [(-1, 1), (0, 1), (39, 1), (40, 2), (80, 3), (160, 5), (999, 6), (1_000, 8), (9_000, 8)]
        {
            assert_eq!(numbers.number(ms(at)), number, "{at} ms");
        }
    }
}
