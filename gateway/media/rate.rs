//! Which pictures are looked at: so many a second of stream time, whatever the camera's rate.

use jiff::{SignedDuration, Timestamp};

/// Decides by the picture's own time, so that replay looks at the same pictures as the live camera.
pub struct Rate {
    every: SignedDuration,
    next: Option<Timestamp>,
}

impl Rate {
    /// `fps`: looks a second.
    pub fn new(fps: f64) -> Self {
        Self { every: SignedDuration::from_millis((1000.0 / fps) as i64), next: None }
    }

    /// Whether the picture of this time is looked at.
    pub fn wants(&mut self, at: Timestamp) -> bool {
        let due = self.next.is_none_or(|next| {
            // A stream whose time stepped back by more than two looks begins anew.
            at >= next || next.duration_since(at) > self.every * 2
        });
        if due {
            // A tenth earlier, so that 10 fps looked at 5 times takes every second one.
            self.next = Some(at + self.every * 9 / 10);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(fps: f64, stream_fps: i64, ms: &[i64]) -> usize {
        let mut rate = Rate::new(fps);
        let whole: Vec<i64> = (0..stream_fps * 4).map(|n| n * 1000 / stream_fps).collect();
        let times = if ms.is_empty() { &whole } else { ms };
        let at = |ms: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_millis(100_000 + ms);
        times.iter().filter(|ms| rate.wants(at(**ms))).count()
    }

    #[test]
    fn so_many_a_second_and_a_step_back_is_no_blindness() {
        assert_eq!(looks(5.0, 10, &[]), 20);
        assert_eq!(looks(5.0, 25, &[]), 20);
        assert_eq!(looks(10.0, 5, &[]), 20);
        assert_eq!(looks(5.0, 10, &[0, 50, 200, -60_000, -59_800]), 4);
    }
}
