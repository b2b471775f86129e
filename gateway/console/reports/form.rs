//! What a resident has written into the form: read, cleaned, held against its bounds.

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};

use super::{super::forms, words::Language};
use crate::domain::clean;

/// Characters of the report.
pub(super) const TEXT_CHARS_MAX: usize = 1_000;
/// Characters of a place in the resident's own words.
pub(super) const PLACE_CHARS_MAX: usize = 100;

/// As browsers send forms.
const KINDS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];

/// The form as it came: texts cleaned and not cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReportForm {
    pub(super) text: String,
    /// The value of the list's entry.
    pub(super) listed: String,
    /// In own words.
    pub(super) place: String,
    /// As it was uploaded.
    pub(super) picture: Option<Vec<u8>>,
    /// Of the page that was sent.
    pub(super) nonce: Option<[u8; 16]>,
    pub(super) language: Language,
}

/// What nobody can read as a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is no form, or it has no end.
    NoForm,
    /// Its words are not in UTF-8.
    Encoding,
}

impl ReportForm {
    /// Of a body that is there as a whole.
    pub(super) async fn read(headers: &HeaderMap, bytes: Vec<u8>) -> Result<Self, Unreadable> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().trim_start().to_ascii_lowercase();
        if !KINDS.iter().any(|known| kind.starts_with(known)) {
            return Err(Unreadable::NoForm);
        }
        let read = forms::read(headers, Bytes::from(bytes)).await;
        let sent = read.map_err(|_| Unreadable::NoForm)?;
        if sent.not_utf8 {
            return Err(Unreadable::Encoding);
        }
        let field = |name: &str| sent.field(name).unwrap_or_default();
        Ok(Self {
            text: readable(field("text")),
            listed: field("listed").to_owned(),
            place: readable(field("place")),
            nonce: nonce(field("nonce")),
            language: Language::of(field("lang")),
            picture: sent.picture,
        })
    }
}

/// One line: breaks become strokes, and what cannot be seen is made visible.
fn readable(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.collect::<Vec<_>>().join(" / ").replace('\t', " ");
    clean(&line).into_owned()
}

/// 32 hex digits.
fn nonce(text: &str) -> Option<[u8; 16]> {
    let digits = text.as_bytes();
    let is_hex = digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit);
    is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(kind: &str, body: impl Into<Vec<u8>>) -> Result<ReportForm, Unreadable> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        ReportForm::read(&headers, body.into()).await
    }

    fn part(name: &str, more: &str, value: &[u8]) -> Vec<u8> {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n");
        [head.as_bytes(), value, b"\r\n"].concat()
    }

    #[tokio::test]
    async fn a_form_is_read_as_browsers_send_it() {
        let file = "; filename=\"../../x.jpg\"\r\nContent-Type: text/html";
        let body = [
            part("text", "", "路灯坏了\r\n\r\n 三天\u{202e}了\0 ".as_bytes()),
            part("listed", "", b"g:1"),
            part("nonce", "", b"000102030405060708090a0b0c0d0e0f"),
            part("picture", file, b"\xff\xd8"),
            part("lang", "", b"en"),
            b"--x--\r\n".to_vec(),
        ];
        let form = read("multipart/form-data; boundary=x", body.concat()).await.unwrap();
        assert_eq!(form.text, "路灯坏了 / 三天⟨U+202E⟩了␀");
        assert_eq!((form.listed.as_str(), form.language), ("g:1", Language::En));
        assert_eq!(form.picture.as_deref(), Some(&b"\xff\xd8"[..]));
        assert_eq!(form.nonce.map(|nonce| nonce[15]), Some(15));
        let form = read("application/x-www-form-urlencoded", "text=%E8%B7%AF+x&nonce=zz").await;
        assert_eq!(form.map(|form| (form.text, form.nonce)), Ok(("路 x".into(), None)));
    }

    #[tokio::test]
    async fn a_picture_as_large_as_it_may_be_comes_whole_and_its_words_with_it() {
        for bytes in [2 << 20, (2 << 20) + 1, 5 << 20] {
            let body =
                [part("text", "", b"x"), part("picture", "; filename=\"a\"", &vec![7; bytes])];
            let body = [body.concat(), b"--x--\r\n".to_vec()].concat();
            let form = read("multipart/form-data; boundary=x", body).await.unwrap();
            assert_eq!(form.picture.map(|picture| picture.len()), Some(bytes));
            assert_eq!(form.text, "x");
        }
    }

    #[tokio::test]
    async fn what_is_no_form_is_told() {
        let multipart = "multipart/form-data; boundary=x";
        let endless = part("text", "", b"a");
        assert_eq!(read(multipart, endless).await, Err(Unreadable::NoForm), "it has no end");
        let many = [vec![part("a", "", b"b").as_slice(); 50].concat(), b"--x--\r\n".to_vec()];
        assert_eq!(read(multipart, many.concat()).await, Err(Unreadable::NoForm));
        for kind in ["multipart/form-data", "application/json", "text/plain", "x"] {
            assert_eq!(read(kind, "{}").await, Err(Unreadable::NoForm), "{kind}");
        }
        let gbk = [part("text", "", b"\xc2\xb7\xb5\xc6"), b"--x--\r\n".to_vec()].concat();
        assert_eq!(read(multipart, gbk).await, Err(Unreadable::Encoding));
        let gbk = read("application/x-www-form-urlencoded; charset=gbk", "text=%C2%B7%B5%C6").await;
        assert_eq!(gbk, Err(Unreadable::Encoding));
        for (bytes, seed) in [(vec![0u8; 9_000], 0), (vec![b'-'; 9_000], 1)] {
            assert!(read(multipart, bytes).await.is_err(), "{seed}");
        }
    }
}
