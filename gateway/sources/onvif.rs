//! A camera's ONVIF side: where its streams are, what moves before it, and which cameras there are.
//!
//! All of it is asked over SOAP by `link.rs`, which knows how a camera wants to be told who asks. What
//! a camera answers is read in `read.rs` and `profiles.rs`: bytes from outside, bounded, never trusted.

mod address;
mod discovery;
mod events;
mod http;
mod link;
mod lookup;
mod media;
mod motion;
mod probe;
mod profiles;
mod read;
mod search;
mod soap;

pub use discovery::{Discovered, Discovery, SourceOffer, discover};
pub use events::Listener;
pub use lookup::{FoundOf, StreamFinder};
pub use profiles::{Profile, VideoCodec, VideoFormat};

use thiserror::Error;

/// Why a camera gives us nothing now.
#[derive(Debug, Error)]
enum Failure {
    #[error(
        "it has no events: expected an address of its events in GetCapabilities or GetServices; its looks go on without"
    )]
    NoEvents,
    #[error("{0}")]
    NoStreams(String),
    #[error("{0}")]
    Refused(String),
    #[error("it does not know what it was asked: {0}")]
    Unknown(String),
    #[error("{0}")]
    Broken(String),
}

/// What a camera answers, as bytes, for the fuzzer: how many notices are in it.
#[doc(hidden)]
pub fn fuzz_answer(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes);
    let Ok(tree) = read::parse(&text) else { return 0 };
    let _ = (read::fault(&tree), read::events_address(&tree), read::subscription(&tree));
    let _ = read::clock_offset(&tree, jiff::Timestamp::UNIX_EPOCH);
    let offered = profiles::profiles(&tree);
    let _ = profiles::choose(&offered, None);
    let device = url::Url::parse("http://192.0.2.1:8080/onvif/device_service").ok();
    if let Some((device, named)) = device.zip(read::stream_address(&tree)) {
        let _ = (address::stream(&device, &named, true), address::candidates(&device, &named));
    }
    let _ = probe::matches(&text, std::net::Ipv4Addr::LOCALHOST.into());
    let mut motion = motion::Motion::default();
    read::notices(&tree).into_iter().map(|notice| motion.take(notice, 0)).count()
}
