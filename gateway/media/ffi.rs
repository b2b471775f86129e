//! What ffmpeg-next has no safe word for; with `hw.rs` and the heap of `base/wiping_heap.rs` the only unsafe code of the gateway.
#![expect(unsafe_code, reason = "libavcodec and libavformat by their C interface")]

use ffmpeg::ffi;
use ffmpeg_next as ffmpeg;

/// Few heaps for all threads, and everything larger than 160 KiB (frames, key frames) given back at once:
/// glibc else keeps a heap a camera's thread, full of holes where key frames were. Measured with 16
/// idle cameras: 4.6 MiB each above their rings, for 15.7. A picture in little (127 KiB at 1080p) is
/// smaller, and is not fetched from the kernel for each look.
pub fn tune_allocator() {
    const LARGE_BYTES: libc::c_int = 160 << 10;
    const FREE_BYTES: libc::c_int = 1 << 20;
    // SAFETY: sets numbers of the allocator; which it refuses, it leaves as they are.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, FREE_BYTES);
    }
}

/// Gives whole pages that are free back to the machine, wherever they lie: glibc by itself gives back only
/// what is free at the end of a heap, and one thing that stays there keeps all that was freed before it.
pub fn give_back_free_memory() {
    // SAFETY: the allocator looks through its own free chunks, with its own locks.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Ends the process with this code, at once. A C library has handlers for the end of a process which take down what
/// its threads still work with: while a model is loaded or a camera answers slowly, a gateway that had put everything
/// on disk ended with a segmentation fault. Whoever calls it has flushed what must be written.
pub fn leave(code: u8) -> ! {
    // SAFETY: it touches no memory of the process, and does not return.
    unsafe { libc::_exit(libc::c_int::from(code)) }
}

/// Bytes that are allocated now, of all heaps: what the process holds, without what the allocator keeps for
/// later. 0 where the allocator does not say.
pub fn heap_bytes() -> u64 {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: reads numbers of the allocator. `mallinfo2`, which counts beyond 4 GiB, is not in the C
        // library of every box; as unsigned numbers these are right up to there.
        let info = unsafe { libc::mallinfo() };
        let [small, large] = [info.uordblks, info.hblkhd].map(|n| u64::from(n.cast_unsigned()));
        small + large
    }
    #[cfg(not(target_env = "gnu"))]
    0
}

/// The code by which an MP4 names its codec: H.265 with its parameter sets in the header
/// (`hvc1`; players of Apple and VLC refuse the muxer's own default `hev1`), else what the muxer
/// chooses, whatever container it came in.
pub(super) fn set_mp4_tag(stream: &mut ffmpeg::format::stream::StreamMut<'_>) {
    // SAFETY: the stream belongs to an output context that outlives this borrow, and
    // avformat_new_stream always allocates its codecpar.
    unsafe {
        let parameters = (*stream.as_mut_ptr()).codecpar;
        let hevc = (*parameters).codec_id == ffi::AVCodecID::AV_CODEC_ID_HEVC;
        (*parameters).codec_tag = if hevc { u32::from_le_bytes(*b"hvc1") } else { 0 };
    }
}

/// How the pictures of this stream are to be shown.
pub(super) fn set_matrix(stream: &mut ffmpeg::format::stream::StreamMut<'_>, matrix: &[i32; 9]) {
    let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX;
    let bytes = size_of_val(matrix);
    // SAFETY: the stream belongs to an output context that outlives this borrow; what it allocates has
    // the size that was asked for, and belongs to it.
    unsafe {
        let data = ffi::av_stream_new_side_data(stream.as_mut_ptr(), kind, bytes);
        if !data.is_null() {
            std::ptr::copy_nonoverlapping(matrix.as_ptr().cast::<u8>(), data, bytes);
        }
    }
}

/// A converter that goes with its camera from one thread to another.
pub(super) struct Scaler(pub(super) ffmpeg::software::scaling::Context);

// SAFETY: an SwsContext is bound to no thread; it is used by its owner alone, through `&mut`.
unsafe impl Send for Scaler {}

/// A decoded frame that several threads read.
pub(super) struct Planar(pub(super) ffmpeg::frame::Video);

// SAFETY: nobody changes it after the decoder gave it out; its buffers are counted atomically, and
// all that is reached through `&` are plain reads of its fields and planes.
unsafe impl Send for Planar {}
unsafe impl Sync for Planar {}

/// Parameters that several threads read.
pub(super) struct Shared(ffmpeg::codec::Parameters);

// SAFETY: the inside is never changed after it is made; all that is reached through `&` are plain
// reads of an AVCodecParameters (its id, its size, avcodec_parameters_copy from it).
unsafe impl Sync for Shared {}

impl Shared {
    /// From now on they are not changed.
    pub(super) fn new(parameters: ffmpeg::codec::Parameters) -> Self {
        Self(parameters)
    }

    /// For reading.
    pub(super) fn get(&self) -> &ffmpeg::codec::Parameters {
        &self.0
    }

    /// Pixels; 0 where the stream has not said.
    pub(super) fn size(&self) -> (i32, i32) {
        // SAFETY: the pointer is valid for as long as the parameters are.
        unsafe { ((*self.0.as_ptr()).width, (*self.0.as_ptr()).height) }
    }

    /// SPS and PPS (and VPS) as the container or the SDP gave them.
    pub(super) fn header(&self) -> &[u8] {
        // SAFETY: libavcodec keeps `extradata` and its size together, and both unchanged here.
        unsafe {
            let (data, size) = ((*self.0.as_ptr()).extradata, (*self.0.as_ptr()).extradata_size);
            match usize::try_from(size) {
                Ok(size) if size > 0 && !data.is_null() => std::slice::from_raw_parts(data, size),
                _ => &[],
            }
        }
    }

    /// The same stream after its header changed; the picture's size is read from `packet`.
    pub(super) fn with_header(&self, header: &[u8], packet: &ffmpeg::Packet) -> Option<Self> {
        use ffmpeg::packet::Ref;
        let mut changed = self.0.clone();
        let padding = ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
        let bytes = i32::try_from(header.len()).ok()?;
        // SAFETY: the clone owns its extradata, which av_free may take; the new one has the
        // padding that libavcodec asks for. Context and parser are freed on every way out, and
        // the parser with complete frames only reads the packet.
        unsafe {
            let parameters = changed.as_mut_ptr();
            let data = ffi::av_mallocz(header.len() + padding).cast::<u8>();
            if data.is_null() {
                return None;
            }
            std::ptr::copy_nonoverlapping(header.as_ptr(), data, header.len());
            ffi::av_freep((&raw mut (*parameters).extradata).cast());
            (*parameters).extradata = data;
            (*parameters).extradata_size = bytes;
            let mut context = ffi::avcodec_alloc_context3(std::ptr::null());
            let parser = ffi::av_parser_init((*parameters).codec_id as i32);
            if !context.is_null()
                && !parser.is_null()
                && ffi::avcodec_parameters_to_context(context, parameters) >= 0
            {
                (*parser).flags |= ffi::PARSER_FLAG_COMPLETE_FRAMES;
                let (mut out, mut out_size) = (std::ptr::null_mut(), 0);
                let seen = packet.as_ptr();
                ffi::av_parser_parse2(
                    parser,
                    context,
                    &raw mut out,
                    &raw mut out_size,
                    (*seen).data,
                    (*seen).size,
                    ffi::AV_NOPTS_VALUE,
                    ffi::AV_NOPTS_VALUE,
                    0,
                );
                if (*parser).width > 0 && (*parser).height > 0 {
                    ((*parameters).width, (*parameters).height) =
                        ((*parser).width, (*parser).height);
                }
            }
            ffi::av_parser_close(parser);
            ffi::avcodec_free_context(&raw mut context);
        }
        Some(Self(changed))
    }
}

/// Finds parameter sets inside packets (libavcodec's `extract_extradata`).
pub(super) struct HeaderFinder(*mut ffi::AVBSFContext);

// SAFETY: the context is owned by this value alone and libavcodec binds it to no thread.
unsafe impl Send for HeaderFinder {}

impl HeaderFinder {
    /// None for what is not Annex B: there the container tells of a change itself.
    pub(super) fn new(parameters: &Shared) -> Option<Self> {
        if !matches!(parameters.header(), [] | [0, 0, 1, ..] | [0, 0, 0, 1, ..]) {
            return None;
        }
        // SAFETY: the filter's table is static; a context that cannot be set up is freed by drop.
        unsafe {
            let filter = ffi::av_bsf_get_by_name(c"extract_extradata".as_ptr());
            let mut context = std::ptr::null_mut();
            if filter.is_null() || ffi::av_bsf_alloc(filter, &raw mut context) < 0 {
                return None;
            }
            let finder = Self(context);
            let copied = ffi::avcodec_parameters_copy((*context).par_in, parameters.get().as_ptr());
            (copied >= 0 && ffi::av_bsf_init(context) >= 0).then_some(finder)
        }
    }

    /// The parameter sets in this packet, each behind a start code of four bytes.
    pub(super) fn find(&mut self, packet: &ffmpeg::Packet) -> Option<Vec<u8>> {
        use ffmpeg::packet::Mut;
        let mut given = packet.clone();
        let mut came = ffmpeg::Packet::empty();
        // SAFETY: send takes over the reference that `given` holds and leaves it blank; receive
        // fills `came`, whose drop gives its reference back.
        let received = unsafe {
            ffi::av_bsf_send_packet(self.0, given.as_mut_ptr()) >= 0
                && ffi::av_bsf_receive_packet(self.0, came.as_mut_ptr()) >= 0
        };
        received.then(|| new_header(&came)).flatten()
    }
}

impl Drop for HeaderFinder {
    fn drop(&mut self) {
        // SAFETY: made by av_bsf_alloc, freed once.
        unsafe { ffi::av_bsf_free(&raw mut self.0) }
    }
}

/// A new header that the packet carries beside its data.
pub(super) fn new_header(packet: &ffmpeg::Packet) -> Option<Vec<u8>> {
    let kind = ffmpeg::packet::side_data::Type::NewExtraData;
    packet.side_data().find(|data| data.kind() == kind).map(|data| data.data().to_vec())
}
