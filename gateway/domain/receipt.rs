//! The one value that travels backwards: settled after the change is on disk, it releases the device's acknowledgement.
//!
//! **P1** A signal that is not set aside is acknowledged to its device only after the journal that
//! holds it has been synced. An observation travels in an envelope together with its receipt. Each
//! early return drops the receipt, and a receipt that is dropped answers `Lost`: the device is not
//! acknowledged, and sends again. The store's writer settles a receipt after the batch and
//! everything before it is on disk.

use super::Incident;

/// What became of an observation.
#[derive(Debug)]
pub enum Answer {
    /// It is on disk (and may be acknowledged).
    Stored,
    /// It is on disk and changed this incident (a reply's answer).
    Changed(Box<Incident>),
    /// It was understood and cannot be done; nothing changed. The reason is for people.
    Refused(String),
    /// It names an incident that does not exist.
    NoSuchIncident,
    /// The receipt was dropped unsettled: nothing may be acknowledged, the device must send again.
    Lost,
}

/// Held by whoever owns the observation. Dropping it answers [`Answer::Lost`], so no
/// early return can forget to refuse.
pub struct Receipt(Option<Box<dyn FnOnce(Answer) + Send>>);

impl Receipt {
    /// `answer` runs exactly once, on any thread; it must not block.
    pub fn new(answer: impl FnOnce(Answer) + Send + 'static) -> Self {
        Self(Some(Box::new(answer)))
    }

    /// For observations that nobody waits for.
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether somebody waits for the answer.
    pub fn is_awaited(&self) -> bool {
        self.0.is_some()
    }

    /// Answers; the receipt is used up.
    pub fn settle(mut self, answer: Answer) {
        if let Some(on_answer) = self.0.take() {
            on_answer(answer);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(on_answer) = self.0.take() {
            on_answer(Answer::Lost);
        }
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Receipt(open)" } else { "Receipt(none)" })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn p1_a_dropped_receipt_says_lost_and_a_settled_one_says_it_once() {
        let (tx, rx) = mpsc::sync_channel(2);
        let tell = move |answer| tx.send(matches!(answer, Answer::Stored)).unwrap();
        drop(Receipt::new(tell.clone()));
        Receipt::new(tell).settle(Answer::Stored);
        assert_eq!(rx.iter().collect::<Vec<_>>(), [false, true]);
    }
}
