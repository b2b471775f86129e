//! Devices that decode, by FFmpeg's C interface: opened, given to a decoder, asked for their pictures.
#![expect(
    unsafe_code,
    reason = "ffmpeg-next has no safe interface to libavutil's hardware devices"
)]

use std::{
    ffi::{CStr, CString},
    sync::Arc,
};

use ffmpeg::ffi;
use ffmpeg_next as ffmpeg;

use crate::domain::HwDecode;

/// One device, shared by all decoders on it.
pub(super) struct HwDevice {
    way: HwDecode,
    /// Null for those whose decoders find their device themselves.
    context: *mut ffi::AVBufferRef,
}

// SAFETY: the reference is counted atomically, made once and never changed; what lies behind it is
// made to be used by several decoders at once, each in its own thread.
unsafe impl Send for HwDevice {}
unsafe impl Sync for HwDevice {}

impl HwDevice {
    /// Asks the driver for the device; may take a second. `place`: which of several, as FFmpeg names them.
    pub(super) fn open(way: HwDecode, place: Option<&str>) -> Result<Self, String> {
        let name = way.as_str();
        if way == HwDecode::V4l2m2m {
            let has = std::fs::read_dir("/dev").is_ok_and(|folder| {
                folder.flatten().any(|one| one.file_name().to_string_lossy().starts_with("video"))
            });
            let context = std::ptr::null_mut();
            return if has { Ok(Self { way, context }) } else { Err("no /dev/video*".into()) };
        }
        let bad_name = |_| "a name with a zero in it".to_owned();
        let c_name = CString::new(name).map_err(bad_name)?;
        let place = place.map(CString::new).transpose().map_err(bad_name)?;
        let mut context = std::ptr::null_mut();
        // SAFETY: the strings end with a zero and live through the calls; on success `context` is a
        // reference that is ours.
        let done = unsafe {
            let kind = ffi::av_hwdevice_find_type_by_name(c_name.as_ptr());
            if kind == ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_NONE {
                return Err(format!("the FFmpeg library here does not know {name}"));
            }
            let place = place.as_ref().map_or(std::ptr::null(), |place| place.as_ptr());
            ffi::av_hwdevice_ctx_create(&raw mut context, kind, place, std::ptr::null_mut(), 0)
        };
        if done < 0 || context.is_null() {
            return Err(format!("no device or no driver ({})", ffmpeg::Error::from(done)));
        }
        Ok(Self { way, context })
    }

    /// A device that counts as open and has nothing behind it, for tests of the choice.
    #[cfg(test)]
    pub(super) fn hollow(way: HwDecode) -> Self {
        Self { way, context: std::ptr::null_mut() }
    }

    /// As in the configuration.
    pub(super) fn name(&self) -> &'static str {
        self.way.as_str()
    }

    /// The decoder, opened, for these parameters.
    pub(super) fn decoder(
        &self,
        parameters: &ffmpeg::codec::Parameters,
    ) -> Result<ffmpeg::decoder::Video, String> {
        let mut context = ffmpeg::codec::Context::from_parameters(parameters.clone())
            .map_err(|error| error.to_string())?;
        let codec = parameters.id().name();
        let named = matches!(self.way, HwDecode::Qsv | HwDecode::V4l2m2m);
        if named {
            let name = format!("{codec}_{}", self.name());
            let found = ffmpeg::decoder::find_by_name(&name)
                .ok_or_else(|| format!("the FFmpeg library here has no {name}"))?;
            let opened = context.decoder().open_as(found).and_then(|opened| opened.video());
            return opened.map_err(|error| format!("{name}: {error}"));
        }
        // SAFETY: libavcodec takes over the new reference and gives it back with the context; its own
        // `get_format` chooses the device's pictures where the decoder can make them.
        unsafe {
            let decoder = ffi::avcodec_find_decoder((*parameters.as_ptr()).codec_id);
            if !takes(decoder, self.context) {
                return Err(format!("the FFmpeg library here decodes no {codec} on it"));
            }
            (*context.as_mut_ptr()).hw_device_ctx = ffi::av_buffer_ref(self.context);
        }
        context.decoder().video().map_err(|error| error.to_string())
    }

    /// A decoded picture, copied into our memory. From a device it comes as NV12, or P010 with ten bits.
    pub(super) fn fetch(
        &self,
        frame: ffmpeg::frame::Video,
    ) -> Result<ffmpeg::frame::Video, String> {
        if self.context.is_null() {
            return Ok(frame);
        }
        let mut fetched = ffmpeg::frame::Video::empty();
        // SAFETY: both frames are ours; a blank one gets buffers of its own, and the size, time and
        // colours of the other.
        let done = unsafe {
            if (*frame.as_ptr()).hw_frames_ctx.is_null() {
                // libavcodec went on with the processor; this is the only sign of it.
                return Err("it does not take this stream (its codec, profile or size)".into());
            }
            let done = ffi::av_hwframe_transfer_data(fetched.as_mut_ptr(), frame.as_ptr(), 0);
            if done < 0 {
                done
            } else {
                ffi::av_frame_copy_props(fetched.as_mut_ptr(), frame.as_ptr())
            }
        };
        if done < 0 {
            return Err(format!("its pictures cannot be fetched: {}", ffmpeg::Error::from(done)));
        }
        Ok(fetched)
    }
}

impl Drop for HwDevice {
    fn drop(&mut self) {
        // SAFETY: our own reference, given back once; null is none.
        unsafe { ffi::av_buffer_unref(&raw mut self.context) }
    }
}

/// Whether this decoder can be given this device.
///
/// # Safety
/// `decoder` is libavcodec's or null, `device` a reference to a device.
unsafe fn takes(decoder: *const ffi::AVCodec, device: *const ffi::AVBufferRef) -> bool {
    // SAFETY: by the caller; the configurations are a static table that ends with null.
    unsafe {
        let kind = (*(*device).data.cast::<ffi::AVHWDeviceContext>()).type_;
        let by_device = ffi::AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX as i32;
        !decoder.is_null()
            && (0..)
                .map(|n| ffi::avcodec_get_hw_config(decoder, n))
                .take_while(|config| !config.is_null())
                .any(|config| (*config).device_type == kind && (*config).methods & by_device != 0)
    }
}

/// Starts FFmpeg before any stream was opened, for its error texts, and without log lines of its own.
pub(super) fn begin() {
    let _ = ffmpeg::init();
    ffmpeg::util::log::set_level(ffmpeg::util::log::Level::Quiet);
}

/// Kinds of devices that the FFmpeg library at hand was built for.
pub(super) fn kinds() -> Vec<String> {
    let mut kinds = Vec::new();
    let mut kind = ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_NONE;
    loop {
        // SAFETY: reads a static table; names are static strings.
        unsafe {
            kind = ffi::av_hwdevice_iterate_types(kind);
            let name = ffi::av_hwdevice_get_type_name(kind);
            if kind == ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_NONE || name.is_null() {
                return kinds;
            }
            kinds.push(CStr::from_ptr(name).to_string_lossy().into_owned());
        }
    }
}

/// The device that a decoder is on, and what went wrong there.
pub(super) struct On {
    /// Shared with the other decoders on it.
    pub(super) device: Arc<HwDevice>,
    fault: Option<String>,
    /// A picture has come from it.
    works: bool,
}

impl On {
    /// Nothing has come from it yet.
    pub(super) fn new(device: &Arc<HwDevice>) -> Self {
        Self { device: device.clone(), fault: None, works: false }
    }

    /// Takes an error of libavcodec; a corrupt packet is no fault of the device.
    pub(super) fn note_error(&mut self, error: ffmpeg::Error) {
        let again = ffmpeg::Error::Other { errno: ffmpeg::util::error::EAGAIN };
        if error != ffmpeg::Error::InvalidData && error != ffmpeg::Error::Eof && error != again {
            self.fault.get_or_insert(format!("it stopped decoding: {error}"));
        }
    }

    /// The picture in our memory; `None` if that failed.
    pub(super) fn fetch(&mut self, frame: ffmpeg::frame::Video) -> Option<ffmpeg::frame::Video> {
        match self.device.fetch(frame) {
            Ok(fetched) => {
                self.works = true;
                Some(fetched)
            }
            Err(fault) => {
                self.fault.get_or_insert(fault);
                None
            }
        }
    }

    /// What went wrong since this was last called.
    pub(super) fn take_fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// Whether a picture has come from it.
    pub(super) fn works(&self) -> bool {
        self.works
    }
}
