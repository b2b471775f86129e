//! What the process that opens strangers' pictures takes away from itself before it reads the first byte.

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};

/// Address space beyond what the program has when it starts.
const MEMORY_BYTES: u64 = 640 << 20;
/// Of one core; a photo of 50 megapixels takes a second or two, ten times that in a development build.
const COMPUTING_SECONDS: u64 = 12;

/// From here on this process opens and writes no file, starts nothing, gains no right, is the first to go when
/// the machine runs out of memory, yields to everybody, and ends when it takes too much. The error says
/// which of it could not be done: nothing is read then.
pub fn be_confined() -> Result<(), String> {
    let told = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    std::fs::write("/proc/self/oom_score_adj", "1000")
        .map_err(|error| told("the order of ending", &error))?;
    let pages = std::fs::read_to_string("/proc/self/statm")
        .map_err(|error| told("the own size", &error))?;
    let pages: u64 = pages.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0);
    let own_bytes = pages.saturating_mul(rustix::param::page_size() as u64);
    // A lower niceness is refused to none; where it is, the gateway is only less polite.
    let _ = nice(10);
    rustix::thread::set_no_new_privs(true).map_err(|error| told("no new privileges", &error))?;
    let bounds = [
        (Resource::As, own_bytes + MEMORY_BYTES),
        (Resource::Cpu, COMPUTING_SECONDS),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nproc, 0),
        // Those that are open stay open: in, out, and for errors.
        (Resource::Nofile, 0),
    ];
    for (resource, most) in bounds {
        let before = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let most = Some(most.min(before));
        setrlimit(resource, Rlimit { current: most, maximum: most })
            .map_err(|error| told(&format!("{resource:?}"), &error))?;
    }
    Ok(())
}
