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
        if !cut.format.turn.is_none() {
            // Players show it upright, as it was recorded.
            ffi::set_matrix(&mut stream, &cut.format.turn.matrix());
        }
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
    let shown = shown_at(cut, zero);
    let mut before = i64::MIN;
    for (nth, packet) in cut.packets.iter().enumerate() {
        let mut packet = packet.packet.clone();
        // A camera that repeats a time stamp would make a file that cannot be written.
        let dts = (stamp(&packet) - zero).max(before.saturating_add(1));
        before = dts;
        packet.set_dts(Some(dts));
        let pts = match &shown {
            Some(shown) => shown[nth],
            None => packet.pts().map_or(dts, |pts| pts - zero),
        };
        packet.set_pts(Some(pts.max(dts)));
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

/// When each packet is shown, in ticks from the first, where the recording does not say (AVI has one time
/// a packet, in the order of decoding): the order in which a decoder gives their pictures out. None where
/// it says so, or where nothing is out of order.
fn shown_at(cut: &Cut, zero: i64) -> Option<Vec<i64>> {
    if cut.packets.iter().all(|packet| packet.packet.pts().is_some()) {
        return None;
    }
    let times: Vec<i64> = cut
        .packets
        .iter()
        .map(|packet| packet.packet.dts().or(packet.packet.pts()).unwrap_or(zero) - zero)
        .collect();
    let order = order_shown(cut)?;
    // The n-th picture that is shown has the n-th time, and all are late by what keeps each from being
    // shown before it is decoded.
    let mut shown = vec![0; times.len()];
    for (nth, &packet) in order.iter().enumerate() {
        shown[packet] = times[nth];
    }
    let late = shown.iter().zip(&times).map(|(shown, decoded)| decoded - shown).max().unwrap_or(0);
    shown.iter_mut().for_each(|at| *at += late.max(0));
    Some(shown)
}

/// Indexes of the packets in the order in which they are shown; None if that is the order they are in, or
/// if not each of them gives a picture.
fn order_shown(cut: &Cut) -> Option<Vec<usize>> {
    let context =
        ffmpeg::codec::Context::from_parameters(cut.format.parameters.get().clone()).ok()?;
    let mut decoder = context.decoder().video().ok()?;
    decoder.skip_loop_filter(ffmpeg::codec::discard::Discard::All);
    let mut order = Vec::new();
    let mut frame = ffmpeg::frame::Video::empty();
    let mut receive = |decoder: &mut ffmpeg::decoder::Video| {
        while decoder.receive_frame(&mut frame).is_ok() {
            order.extend(frame.pts().and_then(|nth| usize::try_from(nth).ok()));
        }
    };
    for (nth, packet) in cut.packets.iter().enumerate() {
        let mut packet = packet.packet.clone();
        let nth = i64::try_from(nth).ok()?;
        packet.set_pts(Some(nth));
        packet.set_dts(Some(nth));
        decoder.send_packet(&packet).ok()?;
        receive(&mut decoder);
    }
    decoder.send_eof().ok()?;
    receive(&mut decoder);
    let mut all = order.clone();
    all.sort_unstable();
    let whole = all.iter().copied().eq(0..cut.packets.len());
    (whole && order != all).then_some(order)
}
