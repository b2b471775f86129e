//! What a page says that shows no case, and how every page is sent: kept nowhere, found by no search, framed by nobody.

use std::sync::LazyLock;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::super::html;
use crate::domain::clean;

/// Nothing of the case, of the person, or of what is wrong with it: whoever guesses learns nothing.
pub(super) const WRONG: &str = "链接无效。请从原消息中完整打开，或向值班室索取新链接。";
/// As [`WRONG`].
pub(super) const EXPIRED: &str = "链接已过期。请向值班室索取新链接。";
/// As [`WRONG`].
pub(super) const CLOSED: &str = "该案件已办结，链接已失效。";
/// As [`WRONG`]: it says nothing of the link either.
pub(super) const NO_KEYS: &str =
    "现在无法核对链接，不是您的链接有问题。请稍后重试或联系值班室；紧急情况请直接打电话。";
pub(super) const NOTHING_HERE: &str = "这里没有内容。";
pub(super) const LOST: &str =
    "暂时无法保存，刚才的操作没有生效。请稍后返回重试；紧急情况请直接打电话。";
pub(super) const BUSY: &str =
    "正在处理的照片太多，刚才的操作没有生效。请稍后返回重试，或不带照片提交。";
pub(super) const TOO_LARGE: &str =
    "照片太大（最大 5 MB），刚才的操作没有生效。请返回换一张小一些的照片，或不带照片提交。";
pub(super) const LATE: &str = "上传太慢，刚才的操作没有生效。请返回重试，或不带照片提交。";
pub(super) const UNREADABLE: &str = "没有收到完整的内容，刚才的操作没有生效。请返回重试。";

/// Large enough for a thumb, and for eyes in the sun.
pub(super) const STYLE: &str = "body{margin:0 auto;max-width:34em;padding:12px;font:17px/1.5 sans-serif;color:#111;background:#fff}h1{font-size:1.25em;margin:.3em 0}small{color:#555}table{border-collapse:collapse;width:100%}td{padding:4px 6px 4px 0;vertical-align:top;border-bottom:1px solid #ddd}td:first-child{white-space:nowrap;color:#555}form{margin:14px 0;padding:10px;border:1px solid #bbb;border-radius:6px}button{display:block;width:100%;padding:14px;margin-top:8px;font-size:1.15em;color:#fff;background:#0a5c36;border:0;border-radius:6px}button.back{background:#8a4b00}textarea,select,input{box-sizing:border-box;width:100%;font-size:1em;margin:4px 0}p.told{padding:10px;background:#fff3cd;border:1px solid #d39e00}p.red{background:#b00020;color:#fff;padding:4px 10px}img{max-width:100%}";

/// No script, nothing from anywhere else, and no style but the one above.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = html::policy(STYLE, "img-src 'self'; ");
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// A text as HTML shows it: no mark-up, and nothing that moves other text about.
pub(super) fn escaped(text: &str) -> String {
    html::escaped(&clean(text))
}

/// Digits in a row, perhaps with spaces or dashes between, that are a telephone number.
const PHONE_DIGITS: usize = 7;

/// The text without what may be a telephone number: whoever has the link is not always whom it was sent to.
pub(super) fn without_phones(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let is_digit = |c: char| c.is_ascii_digit() || ('０'..='９').contains(&c);
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while at < chars.len() {
        if !is_digit(chars[at]) {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        let (mut end, mut digits) = (at, 0);
        while end < chars.len()
            && (is_digit(chars[end]) || " -－—–.()（）/\u{a0}\u{3000}".contains(chars[end]))
        {
            digits += usize::from(is_digit(chars[end]));
            end += 1;
        }
        while end > at && !is_digit(chars[end - 1]) {
            end -= 1;
        }
        match digits >= PHONE_DIGITS {
            true => out.push_str("＊＊＊"),
            false => out.extend(&chars[at..end]),
        }
        at = end;
    }
    out
}

/// A whole page around this.
pub(super) fn document(inside: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"robots\" content=\"noindex,nofollow\"><title>网格哨所</title><style>{STYLE}</style></head><body>{inside}</body></html>"
    )
}

/// A page that says one thing.
pub(super) fn said(status: StatusCode, text: &str) -> Response {
    html(status, document(&format!("<h1>网格哨所</h1><p class=\"told\">{}</p>", escaped(text))))
}

/// A page on its way.
pub(super) fn html(status: StatusCode, text: String) -> Response {
    let mut answer = (status, text).into_response();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, html);
    keep_nowhere(answer.headers_mut());
    answer
}

/// Kept in no cache, found by no search, framed by nobody, and its address is told to nobody.
pub(super) fn keep_nowhere(headers: &mut HeaderMap) {
    let all = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::HeaderName::from_static("x-robots-tag"), "noindex, nofollow, noarchive"),
    ];
    for (name, value) in all {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mark_up_and_no_telephone_number_gets_through() {
        assert_eq!(escaped("<a href='x'>\"&\n"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;␊");
        assert_eq!(escaped("a\u{202e}b"), "a⟨U+202E⟩b");
        for (text, expected) in [
            ("张秀英 13812345678", "张秀英 ＊＊＊"),
            ("138-1234-5678 家中", "＊＊＊ 家中"),
            ("（010）62345678", "（＊＊＊"),
            ("1 3 8 1 2 3 4 5 6 7 8", "＊＊＊"),
            ("１３８１２３４５６７８。", "＊＊＊。"),
            ("桥北路12号3单元501室", "桥北路12号3单元501室"),
            ("123456", "123456"),
            ("1234567", "＊＊＊"),
            ("3-2-501, 2026", "3-2-501, 2026"),
            ("", ""),
        ] {
            assert_eq!(without_phones(text), expected, "{text}");
        }
    }
}
