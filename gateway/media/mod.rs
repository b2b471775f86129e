//! Packets become pictures, clips and snapshots; ffmpeg-next lives only here.

mod clip;
mod decode;
mod ffi;
mod format;
mod gate;
mod klv;
mod ring;
mod session;
mod snapshot;
#[cfg(test)]
mod tests_change;

pub use clip::{ClipInfo, write_clip};
pub use decode::Decoder;
pub use gate::Gate;
pub use ring::{Cut, Ring};
pub use session::{Request, Seen, Session, redact};
pub use snapshot::jpeg_with_boxes;
