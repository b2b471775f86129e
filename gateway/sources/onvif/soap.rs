//! What we say to a camera: SOAP 1.2 envelopes, with a user's token where there is a user.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use jiff::Timestamp;
use sha1::{Digest, Sha1};

use crate::sources::camera::Credentials;

const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity";
const TOKEN: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";

/// One thing that a camera is asked.
pub(super) struct SoapRequest {
    /// Of WS-Addressing, and of the Content-Type.
    pub(super) action: &'static str,
    pub(super) body: String,
    /// Headers that a subscription's address asks for, as XML.
    pub(super) headers: String,
}

impl SoapRequest {
    pub(super) fn new(action: &'static str, body: impl Into<String>) -> Self {
        Self { action, body: body.into(), headers: String::new() }
    }

    /// `id` and `token` are new for each envelope.
    pub(super) fn envelope(&self, to: &str, id: uuid::Uuid, token: &str) -> String {
        let Self { action, body, headers } = self;
        let to = escape(to);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://www.w3.org/2005/08/addressing\"><s:Header>{token}<a:Action s:mustUnderstand=\"1\">{action}</a:Action><a:MessageID>urn:uuid:{id}</a:MessageID><a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo><a:To s:mustUnderstand=\"1\">{to}</a:To>{headers}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        )
    }
}

/// WS-Security's UsernameToken. `created` is the camera's time: ours may be another.
pub(super) fn token(user: &Credentials, nonce: [u8; 16], created: Timestamp) -> String {
    let created = created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let digest = password_digest(&nonce, &created, &user.password);
    let (name, nonce) = (escape(&user.username), BASE64.encode(nonce));
    format!(
        "<w:Security s:mustUnderstand=\"1\" xmlns:w=\"{WSSE}-secext-1.0.xsd\" xmlns:u=\"{WSSE}-utility-1.0.xsd\"><w:UsernameToken><w:Username>{name}</w:Username><w:Password Type=\"{TOKEN}#PasswordDigest\">{digest}</w:Password><w:Nonce EncodingType=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary\">{nonce}</w:Nonce><u:Created>{created}</u:Created></w:UsernameToken></w:Security>"
    )
}

/// Base64(SHA-1(nonce + created + password)): OASIS, Username Token Profile 1.0, section 3.1.
fn password_digest(nonce: &[u8], created: &str, password: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(nonce);
    hash.update(created);
    hash.update(password);
    BASE64.encode(hash.finalize())
}

pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_onvif_programmers_guide() {
        let nonce = BASE64.decode("LKqI6G/AikKCQrN0zqZFlg==").unwrap();
        let digest = password_digest(&nonce, "2010-09-16T07:50:45Z", "userpassword");
        assert_eq!(digest, "tuOSpGlFlIXsozq4HFNeeGeFLEI=");
    }

    #[test]
    fn an_envelope_is_xml_whatever_a_name_holds() {
        let user = Credentials { username: "<a&\"b>".into(), password: "x".into() };
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let token = token(&user, [7; 16], at);
        let request = SoapRequest::new("http://x/y", "<x/>");
        let text = request.envelope("http://h/?a=1&b=2", uuid::Uuid::nil(), &token);
        let document = roxmltree::Document::parse(&text).unwrap();
        let text_of = |name: &str| {
            let found = document.descendants().find(|node| node.tag_name().name() == name);
            found.unwrap().text().unwrap().to_owned()
        };
        assert_eq!(text_of("Username"), "<a&\"b>");
        assert_eq!(text_of("To"), "http://h/?a=1&b=2");
        assert_eq!(text_of("Created"), "2023-11-14T22:13:20Z");
    }
}
