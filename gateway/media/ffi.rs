//! What ffmpeg-next has no safe word for; the only unsafe code of the gateway.

use ffmpeg_next as ffmpeg;

/// Marks the stream's parameter sets as kept in the header (`hvc1`): players of Apple and VLC
/// refuse the muxer's own default `hev1`.
#[expect(unsafe_code, reason = "codec_tag has no setter")]
pub(super) fn tag_hvc1(stream: &mut ffmpeg::format::stream::StreamMut<'_>) {
    // SAFETY: the stream belongs to an output context that outlives this borrow, and
    // avformat_new_stream always allocates its codecpar.
    unsafe {
        (*(*stream.as_mut_ptr()).codecpar).codec_tag = u32::from_le_bytes(*b"hvc1");
    }
}
