//! A clip: the packets themselves in an MP4, not re-encoded, the index in front so that it seeks.

use std::path::Path;

use ffmpeg_next as ffmpeg;
use jiff::Timestamp;

use super::{ffi, ring::Cut};

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct ClipInfo {
    /// Time of its first picture.
    pub starts_at: Timestamp,
    /// Time of its last picture.
    pub ends_at: Timestamp,
    /// How many pictures.
    pub packets: usize,
}

/// Writes the file; syncing it is the store's work. Blocks.
pub fn write_clip(path: &Path, cut: &Cut) -> Result<ClipInfo, String> {
    let failed = |error: ffmpeg::Error| format!("clip cannot be written: {error}");
    let parameters = cut.format.parameters.get();
    let mut output = ffmpeg::format::output_as(path, "mp4").map_err(failed)?;
    {
        let mut stream =
            output.add_stream(ffmpeg::encoder::find(ffmpeg::codec::Id::None)).map_err(failed)?;
        stream.set_parameters(parameters.clone());
        stream.set_time_base(cut.format.time_base);
        ffi::set_mp4_tag(&mut stream);
    }
    let mut options = ffmpeg::Dictionary::new();
    options.set("movflags", "+faststart");
    output.write_header_with(options).map_err(failed)?;
    let time_base = output.stream(0).map_or(cut.format.time_base, |stream| stream.time_base());
    let (Some(first), Some(last)) = (cut.packets.first(), cut.packets.last()) else {
        return Err("no packets".into());
    };
    let stamp = |packet: &ffmpeg::Packet| packet.dts().or(packet.pts()).unwrap_or(0);
    let zero = stamp(&first.packet);
    let mut before = i64::MIN;
    for (nth, packet) in cut.packets.iter().enumerate() {
        let mut packet = packet.packet.clone();
        // A camera that repeats a time stamp would make a file that cannot be written.
        let dts = (stamp(&packet) - zero).max(before.saturating_add(1));
        before = dts;
        packet.set_dts(Some(dts));
        packet.set_pts(Some(packet.pts().map_or(dts, |pts| pts - zero).max(dts)));
        packet.set_stream(0);
        packet.set_position(-1);
        if nth == 0 {
            // Or a player would wait for a key frame, in a stream that has none for ever.
            packet.set_flags(packet.flags() | ffmpeg::packet::Flags::KEY);
        }
        packet.rescale_ts(cut.format.time_base, time_base);
        packet.write_interleaved(&mut output).map_err(failed)?;
    }
    output.write_trailer().map_err(failed)?;
    Ok(ClipInfo { starts_at: first.at, ends_at: last.at, packets: cut.packets.len() })
}
