//! The officers' page: files that were built in, with headers that let no foreign script run.

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::problem::problem;

/// Name, bytes, and the same packed by gzip.
type File = (&'static str, &'static [u8], Option<&'static [u8]>);

/// What `make console` made, as `build.rs` found it; empty: it was not there.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/console_files.rs"));

/// Nothing but our own files, no script or style in the page itself, no foreign frame; and a text never becomes markup or
/// code (Trusted Types): a device may be called `<img onerror=…>`. The one policy, `default`, lets through the one string that
/// the map's library tries the browser with (`web/src/map_policy.ts`).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; media-src 'self' blob:; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; trusted-types default; require-trusted-types-for 'script'";

const MISSING: &str = "<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\"><title>gridpost</title>\
<h1>网格哨所：界面没有编进这个程序</h1><p>请运行 <code>make console</code>，再重新编译。</p>\
<h1 lang=\"en\">gridpost: the page is not built into this program</h1>\
<p lang=\"en\">Run <code>make console</code>, then build it again. The API at <code>/api/v1</code> works.</p></html>";

/// The page; no token: it and its files are the same for everybody and hold nothing of the site.
pub(super) async fn index(headers: HeaderMap) -> Response {
    page(&headers)
}

fn page(asked: &HeaderMap) -> Response {
    let mut answer = match FILES.iter().find(|(name, ..)| *name == "index.html") {
        Some(file) => bytes(file, asked),
        None => MISSING.into_response(),
    };
    let headers = answer.headers_mut();
    let put = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in put {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let alone = HeaderValue::from_static("same-origin");
    headers.insert("cross-origin-opener-policy", alone.clone());
    headers.insert("cross-origin-resource-policy", alone);
    answer
}

/// By its name, which holds the hash of its bytes: it never changes.
pub(super) async fn asset(Path(name): Path<String>, asked: HeaderMap) -> Response {
    let file = FILES.iter().find(|(known, ..)| *known == name && *known != "index.html");
    let Some(file) = file else {
        return problem(StatusCode::NOT_FOUND, "no such file of the page");
    };
    let kind = match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    let mut answer = bytes(file, &asked);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let for_ever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, for_ever);
    answer
}

fn bytes((_, plain, packed): &File, asked: &HeaderMap) -> Response {
    let accepted = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let mut answer = match packed.filter(|_| accepted.is_some_and(takes_gzip)) {
        Some(packed) => {
            ([(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))], packed).into_response()
        }
        None => (*plain).into_response(),
    };
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    answer
}

fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let refused = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && refused != Some(0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        for (accepted, expected) in [
            ("gzip, deflate", true),
            ("br;q=1, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("br", false),
        ] {
            assert_eq!(takes_gzip(accepted), expected, "{accepted}");
        }
    }

    #[test]
    fn no_script_or_style_of_the_page_itself_may_run() {
        assert!(
            !POLICY.contains("unsafe") && POLICY.contains("require-trusted-types-for 'script'")
        );
        let index = FILES.iter().find(|(name, ..)| *name == "index.html");
        let text = index.map_or(MISSING.into(), |(_, plain, _)| String::from_utf8_lossy(plain));
        assert!(
            !text.contains("<style") && !text.contains("style=") && !text.contains(" on"),
            "{text}"
        );
        assert_eq!(
            text.matches("<script").count(),
            text.matches("<script type=\"module\" src=\"/assets/").count()
        );
    }
}
