//! So much at once and so much a second: a bucket that fills by itself. Pure, `now` is an argument.

/// What somebody may still spend.
pub struct Bucket {
    left: f64,
    most: f64,
    per_second: f64,
    asked_ms: u64,
}

impl Bucket {
    /// Holds `most`, all of it now, and gets so much a second.
    pub fn full(most: f64, per_second: f64, now_ms: u64) -> Self {
        Self { left: most, most, per_second, asked_ms: now_ms }
    }

    /// Takes so much; false if it was not there, and then nothing is taken. A time that goes back fills
    /// nothing.
    pub fn spend(&mut self, amount: f64, now_ms: u64) -> bool {
        let passed_s = now_ms.saturating_sub(self.asked_ms) as f64 / 1000.0;
        self.left = (self.left + passed_s * self.per_second).min(self.most);
        self.asked_ms = now_ms;
        let enough = self.left >= amount;
        if enough {
            self.left -= amount;
        }
        enough
    }

    /// Holds so much from now on, if that is more, and the difference is there at once.
    pub fn widen(&mut self, most: f64) {
        if most > self.most {
            (self.left, self.most) = (self.left + most - self.most, most);
        }
    }

    /// When it was last asked for something, milliseconds.
    pub fn asked_ms(&self) -> u64 {
        self.asked_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_at_once_and_then_so_much_a_second() {
        let mut bucket = Bucket::full(10.0, 2.0, 1_000);
        assert_eq!((0..20).filter(|_| bucket.spend(1.0, 1_000)).count(), 10);
        assert!(!bucket.spend(1.0, 1_499) && bucket.spend(1.0, 1_500));
        assert!(!bucket.spend(1.0, 0), "a time that goes back fills nothing");
        assert_eq!(bucket.asked_ms(), 0);
        // A quiet hour fills it, and no more than that; what is not there is not taken in part.
        assert!(!bucket.spend(11.0, 3_600_000) && bucket.spend(10.0, 3_600_000));
        bucket.widen(4.0);
        bucket.widen(15.0);
        assert_eq!((0..20).filter(|_| bucket.spend(1.0, 3_600_000)).count(), 5);
    }
}
