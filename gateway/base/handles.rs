//! How many files and sockets the process may have open: raised at the start, with a part that connections never take.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Nobody needs more; some systems set no bound at all, and tables of the kernel grow with it.
const WANTED: u64 = 65_536;
/// For the store, cameras, sinks and brokers: journal, index, evidence, sockets of ours.
const KEPT: u64 = 256;

/// For connections of listeners, all together.
static FOR_CONNECTIONS: AtomicUsize = AtomicUsize::new(768);

/// Raises the bound of this process as far as the system lets it; the bound then.
pub fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(WANTED).min(WANTED);
    let mut now = current.unwrap_or(WANTED);
    if now < wanted {
        let raised = Rlimit { current: Some(wanted), maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            now = wanted;
        }
    }
    let left = now.saturating_sub(KEPT).max(16);
    FOR_CONNECTIONS.store(usize::try_from(left).unwrap_or(usize::MAX), Ordering::Relaxed);
    now
}

/// How many connections a listener may have that would like so many, and whose part of all is so
/// many percent.
pub fn at_most(wanted: usize, percent: usize) -> usize {
    wanted.min((FOR_CONNECTIONS.load(Ordering::Relaxed) / 100 * percent).max(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_kept_from_all_connections() {
        let bound = raise();
        assert!(bound >= 256, "{bound}");
        let all = [60, 20, 20].map(|percent| at_most(usize::MAX, percent)).iter().sum::<usize>();
        assert!(all as u64 + KEPT <= bound.max(KEPT + 24), "{all} of {bound}");
        assert_eq!(at_most(5, 60), 5);
    }
}
