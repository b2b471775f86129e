//! Packets become pictures, clips and snapshots; ffmpeg-next lives only here.

mod access;
mod blur;
mod clip;
mod clock_trust;
mod deadline;
mod decode;
mod digest_relay;
mod ffi;
mod ffmpeg_log;
mod foreign_picture;
mod format;
mod fragments;
mod hardware;
mod hw;
mod key_still;
mod klv;
mod pace;
mod pool;
mod reason;
mod ring;
mod session;
mod session_open;
mod snapshot;
mod still;
mod stream_probe;
mod stuck_clock;
#[cfg(test)]
mod tests_access;
#[cfg(test)]
mod tests_change;
#[cfg(test)]
mod tests_fragments;
#[cfg(test)]
mod tests_recordings;
#[cfg(test)]
mod tests_ring;
mod timeline;

pub use clip::{ClipInfo, write_clip};
pub use decode::{ColorConverter, Decoder, Frame, LoopFilter};
pub use ffi::{give_back_free_memory, heap_bytes, leave, tune_allocator};
pub use foreign_picture::{
    CleanPicture, FOREIGN_PICTURE_BYTES_MAX, Refused, SentBy, be_confined, clean, cleaned_here,
    told_to_parent,
};
pub use fragments::Fragmenter;
pub use hardware::{Decoding, Hardware, decoding_devices};
pub use key_still::{Still, key_still};
pub use pool::Pool;
pub use ring::{Cut, Ring};
pub use session::{Packet, Run, Session};
pub use session_open::SessionRequest;
pub use snapshot::{Hidden, Snapshot, snapshot};
pub use still::larger_picture;
pub use stream_probe::{StreamSeen, see};
