//! Where devices are counted: periods end, numbers are shown, and the process keeps its memory to itself.

use std::{sync::Arc, time::Duration};

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

use super::shared::Shared;
use crate::{
    base::wipe_freed_memory,
    config::Config,
    domain::{Envelope, Metric, PresenceView},
    sources::presence::PresenceTally,
};

/// A period ends at most this much late.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// For ever: hands on the numbers of periods that are over.
pub(super) async fn keep(shared: Shared) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = shared.clock.now();
        for observation in shared.presence.end_periods(now, &*shared.registry) {
            let _ = shared.envelopes.send(Envelope::unacknowledged(observation)).await;
        }
    }
}

/// Takes the places of another configuration.
pub(super) fn configure(shared: &Shared, old: &Config, new: &Config) {
    keep_memory_private(new);
    shared.presence.configure(&new.presence, shared.clock.now());
    let of_old = old.presence.iter().map(|place| &place.id);
    for id in of_old.filter(|id| !new.presence.iter().any(|place| place.id == **id)) {
        let metrics = [Metric::PresenceMessages, Metric::PresenceUnread, Metric::PresenceDevices];
        shared.registry.forget(&metrics, id);
    }
}

/// Where addresses pass through its memory, nobody but root reads that: no core is written at a crash, no debugger of
/// its own user attaches, and what is given back to the heap is overwritten. It stays so until the process ends.
pub(super) fn keep_memory_private(config: &Config) {
    if config.presence.is_empty() {
        return;
    }
    wipe_freed_memory();
    let dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let core = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    for wrong in [dumpable.err(), setrlimit(Resource::Core, core).err()].into_iter().flatten() {
        tracing::error!(%wrong, "presence: the memory of this process cannot be kept from others");
    }
}

/// The numbers, with where each place is.
pub(super) fn views(config: &Config, tally: &Arc<PresenceTally>) -> Vec<PresenceView> {
    let view = |(place, periods): (crate::sources::presence::Config, _)| {
        let info = config.sources.iter().find(|info| info.id.as_str() == place.id)?;
        Some(PresenceView {
            id: info.id.clone(),
            name: info.name.clone(),
            grid: info.grid.as_ref().map(|grid| grid.code.clone()),
            place: info.place.as_ref().map(|place| [place.lon, place.lat]),
            k: place.k,
            period_s: place.period_s,
            periods,
        })
    };
    tally.told().into_iter().filter_map(view).collect()
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;
    use crate::config::{env::FixedEnvironment, parse};

    /// A test is a process of its own here.
    #[test]
    fn p10_where_devices_are_counted_no_core_is_written_and_no_debugger_attaches() {
        let of = |more: &str| {
            let text = format!("[site]\nid = \"x\"\n[intake]\nallow_anonymous = true\n{more}");
            let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
            keep_memory_private(&config.unwrap_or_else(|| panic!("{problems:?}")));
            (dumpable_behavior().unwrap(), getrlimit(Resource::Core).current)
        };
        assert_eq!(of("").0, DumpableBehavior::Dumpable, "elsewhere a crash may be looked into");
        let counted = of("[[presence]]\nid = \"p\"\ntopics = [\"a\"]\n");
        assert_eq!(counted, (DumpableBehavior::NotDumpable, Some(0)));
    }
}
