//! What happens when a part ends that nobody asked to end: it is started again and told, or the process ends.
//!
//! **P7** A part that touches no other (a courier, a watch, a camera) is started again alone. The
//! heart (junction, the store's writer, heartbeats) cannot be: the process ends with a word and an
//! exit code, and whoever watches over it starts it anew on what is on disk (`runtime/heart.rs`).

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
    time::Duration,
};

use super::Readiness;

/// Between the end of a part and its new start, at first; doubled each time.
const RESTART_AFTER: Duration = Duration::from_millis(500);
const DOUBLED_MAX: u32 = 7;

/// What somebody panicked with, as far as it is a text.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".into())
}

/// The future, of which a panic is an error.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let mut work = Box::pin(work);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
        Err(panic) => Poll::Ready(Err(panic_text(&*panic))),
    })
    .await
}

/// Runs a part, and again whenever it ends by a fault; returns when it ends as it was asked to.
/// `make` is given how often it has ended so. `name` is noted in `/readyz` from then on.
pub async fn supervised<F: Future<Output = ()>>(
    name: &str,
    readiness: &Readiness,
    mut make: impl FnMut(u32) -> F,
) {
    let mut ends = 0u32;
    while let Err(why) = caught(make(ends)).await {
        ends = ends.saturating_add(1);
        tracing::error!(part = name, why, ends, "ended by a fault inside; it is started again");
        readiness.note(
            name,
            &format!("ended by a fault inside, {ends} times, and was started again: {why}"),
        );
        tokio::time::sleep(RESTART_AFTER * (1 << ends.min(DOUBLED_MAX))).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn p7_a_part_that_ends_by_a_fault_is_started_again_and_told_until_it_ends_as_asked() {
        let readiness = Readiness::default();
        let runs = Arc::new(AtomicU32::new(0));
        let counted = runs.clone();
        supervised("the courier", &readiness, move |ends| {
            let runs = counted.clone();
            async move {
                runs.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                assert!(ends >= 3, "as a bug would");
            }
        })
        .await;
        assert_eq!(runs.load(Ordering::Relaxed), 4);
        let notes = readiness.notes();
        assert!(notes[0].contains("3 times") && notes[0].contains("as a bug would"), "{notes:?}");
        assert!(readiness.reasons().is_empty());
    }
}
