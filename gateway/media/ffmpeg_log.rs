//! What FFmpeg says in its log alone: with which status a camera refused, and that it sends us elsewhere.
//!
//! Its errors are one number for all refusals but 400, 401, 403 and 404. And it follows an answer of 3xx
//! to whatever host that names, where it shows the camera's password to whoever asks for it: there is no
//! option against that, so the connection is forbidden at the moment at which it says that it goes there.
//! What it logs on a thread stays with that thread, and nothing else of its log is looked at: addresses
//! with passwords are in it (I5).
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
/// The same for an answer that is to be followed: the status and where to. At the level `info`.
const REDIRECTS: &[u8] = b"Status %d: Redirecting to %s";
/// Where no protocol is called so, none may be used.
const NO_PROTOCOL: &CStr = c"none";
/// A line is cut after so many bytes.
const LINE_BYTES_MAX: usize = 512;

/// The method and the status of a refusal.
type Refusal = (String, u16);

thread_local! {
    /// The latest refusal that was logged on this thread.
    static REFUSAL: RefCell<Option<Refusal>> = const { RefCell::new(None) };
    /// Scheme and host that the call on this thread was asked to open.
    static ASKED: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
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
    if format.is_null() || !matches!(level, ffi::AV_LOG_ERROR | ffi::AV_LOG_INFO) {
        return;
    }
    // SAFETY: libavutil hands over a C string that lives as long as this call.
    let worded = unsafe { CStr::from_ptr(format) }.to_bytes();
    if worded.starts_with(REFUSED) {
        // SAFETY: format and arguments are those of this call, and are used once.
        let (said, _) = unsafe { line(context, level, format, arguments) };
        let _ = REFUSAL.try_with(|refusal| refusal.replace(read(&said)));
    } else if worded.starts_with(REDIRECTS) {
        // SAFETY: as above.
        let (said, cut) = unsafe { line(context, level, format, arguments) };
        let (status, to) = redirect(&said).unwrap_or((302, ""));
        let ours = ASKED.try_with(|asked| is_of(asked.borrow().as_ref(), to));
        let stays = !cut && ours.unwrap_or(false);
        if !stays {
            let _ = REFUSAL.try_with(|refusal| refusal.replace(Some((String::new(), status))));
            // SAFETY: the context of this line is the AVFormatContext that connects next, on this thread; it
            // begins with its AVClass, and both texts end with a zero and are copied.
            unsafe {
                ffi::av_opt_set(context, c"protocol_whitelist".as_ptr(), NO_PROTOCOL.as_ptr(), 0)
            };
        }
    }
}

/// What is said, and whether it was cut at its bound.
///
/// # Safety
/// `format` and `arguments` are those of a call of libavutil's log, and the arguments are used up.
unsafe fn line(
    context: *mut c_void,
    level: c_int,
    format: *const c_char,
    arguments: Arguments,
) -> (String, bool) {
    let mut line: [c_char; LINE_BYTES_MAX] = [0; LINE_BYTES_MAX];
    let mut prefix = 0;
    // SAFETY: the function's own type differs in how it writes `va_list` alone; the arguments are passed
    // on as they came, once, and the line is ended by a zero within its length.
    unsafe {
        let write: LineWriter = std::mem::transmute(ffi::av_log_format_line2 as *const ());
        let bytes = LINE_BYTES_MAX as c_int;
        let all =
            write(context, level, format, arguments, line.as_mut_ptr(), bytes, &raw mut prefix);
        let said = CStr::from_ptr(line.as_ptr()).to_string_lossy().trim().to_owned();
        (said, !(0..bytes).contains(&all))
    }
}

/// A call of FFmpeg begins on this thread, which opens this address, if any: what it said before is
/// forgotten.
pub(super) fn begin_call(opens: Option<&str>) {
    static LISTENS: Once = Once::new();
    // SAFETY: a pointer to a function for one of the same ABI (see `Arguments`); it is set once.
    LISTENS.call_once(|| unsafe {
        #[expect(clippy::missing_transmute_annotations, reason = "the type differs by target")]
        ffi::av_log_set_callback(Some(std::mem::transmute(listen as LogCallback)));
    });
    REFUSAL.with(|refusal| refusal.take());
    ASKED.with(|asked| asked.replace(opens.and_then(place)));
}

/// The method and the status with which the camera refused, since the call began.
pub(super) fn refusal() -> Option<Refusal> {
    REFUSAL.with(|refusal| refusal.borrow().clone())
}

/// `[rtsp @ 0x…] method SETUP failed: 453 Not Enough Bandwidth`.
fn read(line: &str) -> Option<Refusal> {
    let (_, said) = line.split_once("method ")?;
    let (method, status) = said.split_once(" failed: ")?;
    let digits = status.get(..3)?;
    Some((method.to_owned(), digits.parse().ok()?))
}

/// `[rtsp @ 0x…] Status 302: Redirecting to rtsp://…`.
fn redirect(line: &str) -> Option<(u16, &str)> {
    let (_, said) = line.split_once("Status ")?;
    let (status, to) = said.split_once(": Redirecting to ")?;
    Some((status.parse().ok()?, to))
}

/// Scheme and host of an address.
fn place(url: &str) -> Option<(String, String)> {
    let url = url::Url::parse(url).ok()?;
    Some((url.scheme().to_owned(), url.host_str()?.to_owned()))
}

/// Whether the address is of the same host, and as well guarded.
fn is_of(asked: Option<&(String, String)>, to: &str) -> bool {
    let (Some((scheme, host)), Some((to_scheme, to_host))) = (asked, place(to)) else {
        return false;
    };
    let guarded = to_scheme == "rtsps" || (to_scheme == "rtsp" && scheme == "rtsp");
    guarded && to_host.eq_ignore_ascii_case(host)
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

    #[test]
    fn only_the_camera_itself_is_where_it_may_send_us() {
        let line = "[rtsp @ 0x55d5c8] Status 302: Redirecting to rtsp://10.0.0.9/x";
        assert_eq!(redirect(line), Some((302, "rtsp://10.0.0.9/x")));
        assert_eq!(redirect("Status x: Redirecting to rtsp://h"), None);
        let cases = [
            ("rtsp://u:p@cam:554/1", "rtsp://cam/2", true),
            ("rtsp://u:p@cam:554/1", "rtsp://CAM:8554/2", true),
            ("rtsp://u:p@cam:554/1", "rtsps://cam/2", true),
            ("rtsps://u:p@cam/1", "rtsp://cam/2", false),
            ("rtsp://u:p@cam/1", "rtsp://cam.evil/2", false),
            ("rtsp://u:p@cam/1", "rtsp://cam@evil/2", false),
            ("rtsp://u:p@cam/1", "http://cam/2", false),
            ("rtsp://u:p@cam/1", "file:///etc/passwd", false),
            ("rtsp://u:p@cam/1", "", false),
            ("clip.mp4", "rtsp://cam/2", false),
        ];
        for (asked, to, expected) in cases {
            assert_eq!(is_of(place(asked).as_ref(), to), expected, "{asked} → {to}");
        }
    }
}
