//! When and how a camera is looked at: from its packets to looks, from looks to tracks.
//!
//! A reading thread a stream (`stream`) keeps packets in a ring and asks for a turn. The
//! `scheduler` gives turns; a `decode_worker` takes one and steps the camera's `sampler`,
//! which asks the `gate` what to decode and makes looks. Looks wait in the `detect_queue` for
//! the one `detect_worker`. `wake_router` brings wakes from outside. A replay drives the same
//! sampler step by step (`player`).

mod clip_ring;
mod clock_offset;
mod decode_worker;
mod detect_queue;
mod detect_worker;
mod drone;
mod frame_numbers;
mod gate;
mod label;
mod live_feed;
mod overload;
mod plate_watch;
mod player;
mod rate;
mod read_pacer;
mod same_view;
mod sampler;
mod scheduler;
mod sign;
mod sleep_log;
mod stream;
mod wake_router;

pub use clip_ring::{RING_SPARE_S, Rings, camera_ring, clip_ring, resize};
pub use decode_worker::{DecodeWorker, decoding_part, key_frames_part, streams_part};
pub use detect_queue::DetectQueue;
pub use detect_worker::{DetectWorker, LOOKS, NextModel};
pub use drone::Drone;
pub use label::looks_label;
pub use live_feed::{CameraFeeds, LiveFeed, LiveFeeds, LiveSeat, LiveWatch, StreamFacts};
pub use plate_watch::PlateWatch;
pub use player::Player;
pub use sampler::{Nudges, Streams};
pub use scheduler::{CameraTask, LookAreas, Scheduler};
pub use stream::{Role, Stream, StreamPair};
pub use wake_router::{WakePlan, WakeRouter};
