//! How much of something a connection may cost: so much at once, and so much a second.

use tokio::time::Instant;

/// A bucket that fills by itself.
pub(super) struct Budget {
    left: f64,
    most: f64,
    per_second: f64,
    at: Instant,
}

impl Budget {
    /// Full.
    pub(super) fn new(most: f64, per_second: f64) -> Self {
        Self { left: most, most, per_second, at: Instant::now() }
    }

    /// Takes so much; false if it was not there, and then nothing is taken.
    pub(super) fn spend(&mut self, amount: f64) -> bool {
        let now = Instant::now();
        let passed = now.duration_since(self.at).as_secs_f64();
        (self.left, self.at) = ((self.left + passed * self.per_second).min(self.most), now);
        let enough = self.left >= amount;
        if enough {
            self.left -= amount;
        }
        enough
    }
}
