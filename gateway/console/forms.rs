//! What a form brings: its fields as text, and a picture; `multipart/form-data` or as a query is written.
//!
//! One reader for all doors: how large a form may be is for who reads its body.

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};
use futures_util::stream;

use super::body::BODY_BYTES_MAX;

/// Fields of a form; ours have six at most.
const FIELDS_MAX: usize = 32;
/// The field of the file.
const PICTURE: &str = "picture";

/// A form that was read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct SentForm {
    fields: Vec<(String, String)>,
    /// As it came; nobody has looked at it.
    pub(super) picture: Option<Vec<u8>>,
    /// Some of its words are not in UTF-8, and here with U+FFFD in their place.
    pub(super) not_utf8: bool,
}

impl SentForm {
    /// The first one of this name.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(of, _)| of == name).map(|(_, text)| text.as_str())
    }
}

/// Whether a request says that its body is a form with parts.
pub(super) fn is_multipart(headers: &HeaderMap) -> bool {
    content_type(headers).trim_start().to_ascii_lowercase().starts_with("multipart/")
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Reads a form. The error says what is wrong with it.
pub(super) async fn read(headers: &HeaderMap, body: Bytes) -> Result<SentForm, String> {
    if is_multipart(headers) {
        return multipart(headers, body).await.map_err(|error| format!("not a form: {error}"));
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(format!("expected at most {BODY_BYTES_MAX} bytes without a picture"));
    }
    // Ends at once, and reads any bytes.
    let parsed = url::form_urlencoded::parse(&body).into_owned();
    let fields: Vec<(String, String)> = parsed.take(FIELDS_MAX).collect();
    let not_utf8 = fields.iter().any(|(_, value)| value.contains('\u{fffd}'));
    Ok(SentForm { fields, picture: None, not_utf8 })
}

async fn multipart(headers: &HeaderMap, body: Bytes) -> Result<SentForm, String> {
    let said = |error: multer::Error| error.to_string();
    let boundary = multer::parse_boundary(content_type(headers)).map_err(said)?;
    let whole = stream::once(async move { Ok::<_, std::io::Error>(body) });
    let mut parts = multer::Multipart::new(whole, boundary);
    let mut form = SentForm::default();
    for _ in 0..FIELDS_MAX {
        let Some(part) = parts.next_field().await.map_err(said)? else { return Ok(form) };
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(said)?;
        if name == PICTURE {
            // A form in which nobody chose a picture has an empty one.
            form.picture = (!bytes.is_empty()).then(|| bytes.into()).or(form.picture);
        } else if bytes.len() > BODY_BYTES_MAX {
            return Err(format!("`{name}` has more than {BODY_BYTES_MAX} bytes"));
        } else {
            form.not_utf8 |= std::str::from_utf8(&bytes).is_err();
            form.fields.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Err(format!("more than {FIELDS_MAX} fields"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(kind: &str, body: impl Into<Bytes>) -> Result<SentForm, String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        super::read(&headers, body.into()).await
    }

    #[tokio::test]
    async fn forms_are_read_as_phones_send_them() {
        let plain =
            read("application/x-www-form-urlencoded", "to=handled&note=%E5%A5%BD+x&to=y").await;
        let plain = plain.unwrap();
        assert_eq!((plain.field("to"), plain.field("note")), (Some("handled"), Some("好 x")));
        let part = |head: &str, body: &str| {
            format!("--b\r\ncontent-disposition: form-data; {head}\r\n\r\n{body}\r\n")
        };
        let whole = [
            part("name=\"to\"", "handled"),
            part("name=\"picture\"; filename=\"\"", ""),
            part("name=\"picture\"; filename=\"../../a.jpg\"", "\u{1}x"),
            "--b--\r\n".into(),
        ]
        .concat();
        let kind = "multipart/form-data; boundary=b";
        let form = read(kind, whole.clone()).await.unwrap();
        assert_eq!(
            (form.field("to"), form.picture.as_deref()),
            (Some("handled"), Some(&b"\x01x"[..]))
        );
        for (kind, body) in [
            (kind, whole[..whole.len() - 8].to_owned()),
            ("multipart/form-data", whole.clone()),
            (kind, String::new()),
            (kind, format!("{}--b--\r\n", part("name=\"a\"", "").repeat(40))),
            (kind, format!("{}--b--\r\n", part("name=\"a\"", &"x".repeat(70_000)))),
            ("text/plain", "x".repeat(70_000)),
        ] {
            assert!(read(kind, body).await.is_err(), "{kind}");
        }
    }
}
