//! The one thing that FFmpeg says in its log alone: with which status a camera refused, and what.
//!
//! Its errors are one number for all refusals but 400, 401, 403 and 404. What it logs on a thread
//! stays with that thread, and nothing else of its log is looked at: addresses with passwords are
//! in it (I5).
#![expect(unsafe_code, reason = "libavutil's log callback by its C interface")]

use std::{
    cell::RefCell,
    ffi::{CStr, c_char, c_int, c_void},
    sync::Once,
};

use ffmpeg::ffi;
use ffmpeg_next as ffmpeg;

/// As libavformat's rtsp.c words it: the method and the status line of the answer.
const REFUSED: &[u8] = b"method %s failed: %d";
/// A line is cut after so many bytes.
const LINE_BYTES_MAX: usize = 256;

thread_local! {
    /// The latest refusal that was logged on this thread.
    static REFUSAL: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The arguments of a log line. On every ABI that Rust and FFmpeg share, a `va_list` is passed as one
/// word; how it is typed differs.
type Arguments = *mut c_void;
type LogCallback = unsafe extern "C" fn(*mut c_void, c_int, *const c_char, Arguments);
type LineWriter = unsafe extern "C" fn(
    *mut c_void,
    c_int,
    *const c_char,
    Arguments,
    *mut c_char,
    c_int,
    *mut c_int,
) -> c_int;

unsafe extern "C" fn listen(
    context: *mut c_void,
    level: c_int,
    format: *const c_char,
    arguments: Arguments,
) {
    if level != ffi::AV_LOG_ERROR || format.is_null() {
        return;
    }
    // SAFETY: libavutil hands over a C string that lives as long as this call.
    if !unsafe { CStr::from_ptr(format) }.to_bytes().starts_with(REFUSED) {
        return;
    }
    let mut line: [c_char; LINE_BYTES_MAX] = [0; LINE_BYTES_MAX];
    let mut prefix = 0;
    // SAFETY: the function's own type differs in how it writes `va_list` alone; the arguments are passed
    // on as they came, once, and the line is ended by a zero within its length.
    let said = unsafe {
        let write: LineWriter = std::mem::transmute(ffi::av_log_format_line2 as *const ());
        let bytes = LINE_BYTES_MAX as c_int;
        write(context, level, format, arguments, line.as_mut_ptr(), bytes, &raw mut prefix);
        CStr::from_ptr(line.as_ptr()).to_string_lossy().trim().to_owned()
    };
    let _ = REFUSAL.try_with(|refusal| refusal.replace(Some(said)));
}

/// A call of FFmpeg begins on this thread: what it said before is forgotten.
pub(super) fn begin_call() {
    static LISTENS: Once = Once::new();
    // SAFETY: a pointer to a function for one of the same ABI (see `Arguments`); it is set once.
    LISTENS.call_once(|| unsafe {
        #[expect(clippy::missing_transmute_annotations, reason = "the type differs by target")]
        ffi::av_log_set_callback(Some(std::mem::transmute(listen as LogCallback)));
    });
    REFUSAL.with(|refusal| refusal.take());
}

/// The method and the status with which the camera refused, since the call began.
pub(super) fn refusal() -> Option<(String, u16)> {
    REFUSAL.with(|refusal| refusal.borrow().as_deref().and_then(read))
}

/// `[rtsp @ 0x…] method SETUP failed: 453 Not Enough Bandwidth`.
fn read(line: &str) -> Option<(String, u16)> {
    let (_, said) = line.split_once("method ")?;
    let (method, status) = said.split_once(" failed: ")?;
    let digits = status.get(..3)?;
    Some((method.to_owned(), digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ffmpeg_says_of_a_refusal_is_read() {
        let line = "[rtsp @ 0x55d5c8] method SETUP failed: 453 Not Enough Bandwidth";
        assert_eq!(read(line), Some(("SETUP".into(), 453)));
        assert_eq!(read("method PLAY failed: 503"), Some(("PLAY".into(), 503)));
        for other in
            ["", "method", "method X failed: ", "method X failed: 4", "method X failed: abc"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
