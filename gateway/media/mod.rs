//! Packets become pictures, clips and snapshots; ffmpeg-next lives only here.

mod claim;
mod clip;
mod decode;
mod doze;
mod ffi;
mod format;
mod gate;
mod hardware;
mod hw;
mod klv;
mod pool;
mod rate;
mod ring;
mod session;
mod signal;
mod snapshot;
#[cfg(test)]
mod tests_change;
#[cfg(test)]
mod tests_ring;
mod timeline;
mod trust;

pub use claim::{Claim, Heed};
pub use clip::{ClipInfo, write_clip};
pub use decode::{Decoder, Filter, Frame, Painter};
pub use doze::Doze;
pub use ffi::lean_memory;
pub use gate::{Cause, GOP_MAX, Gate, GateConfig, Rest};
pub use hardware::{Decoding, Hardware, decoding_devices};
pub use pool::Pool;
pub use rate::Rate;
pub use ring::{Cut, Ring};
pub use session::{Request, Run, Seen, Session, redact};
pub use signal::Signal;
pub use snapshot::jpeg_with_boxes;
pub use trust::Trust;
