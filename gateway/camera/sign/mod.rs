//! Signs that something moves before a look has seen it, and what each has proved to be worth.

mod event;
mod packet_size;
mod size_shift;
mod trust;

pub(super) use event::{EventSign, SignResponse};
pub(super) use packet_size::PacketSizeSign;
pub(super) use size_shift::SizeShift;
pub(super) use trust::Trust;
