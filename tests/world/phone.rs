//! A phone on which a link of a message is opened: the page, its form, and a tap on one of its buttons.

use reqwest::{Method, header};

use super::{Gateway, http};

/// What came back.
pub(crate) struct Screen {
    pub(crate) status: u16,
    pub(crate) headers: header::HeaderMap,
    pub(crate) text: String,
}

impl Screen {
    /// With this status, and each of these on it.
    pub(crate) fn must_show(&self, status: u16, parts: &[&str]) {
        assert_eq!(self.status, status, "{}", self.text);
        for part in parts {
            assert!(self.text.contains(part), "{part} not in {}", self.text);
        }
    }

    /// None of these is anywhere in it.
    pub(crate) fn hides(&self, parts: &[&str]) {
        for part in parts {
            assert!(!self.text.contains(part), "{part} in {}", self.text);
        }
    }

    /// What the page sends as the revision that it has shown.
    pub(crate) fn revision(&self) -> u32 {
        let (_, behind) = self.text.split_once("name=\"revision\" value=\"").expect("no button");
        behind.split('"').next().unwrap().parse().unwrap()
    }
}

/// A link, opened where the gateway of a test really listens.
#[derive(Clone)]
pub(crate) struct Phone {
    /// The link, at the port of the test.
    pub(crate) url: String,
}

impl Phone {
    /// The link of a message, `https://reach.example/c/…`.
    pub(crate) fn with(gateway: &Gateway, link: &str) -> Self {
        let (_, code) = link.split_once("/c/").expect("no link");
        Self { url: format!("http://127.0.0.1:{}/c/{code}", gateway.port("links")) }
    }

    /// The link that whoever has the token asks for.
    pub(crate) async fn of(gateway: &Gateway, incident: &str, person: &str) -> Self {
        let (status, said) =
            gateway.get(&format!("/api/v1/incidents/{incident}/link?for={person}")).await;
        assert_eq!(status, 200, "{said}");
        let link = said["link"].as_str().unwrap();
        assert!(link.starts_with("https://reach.example/c/") && link.len() <= 160, "{link}");
        Self::with(gateway, link)
    }

    pub(crate) async fn ask(&self, method: Method, more: &[(&'static str, &str)]) -> Screen {
        let mut request = http().request(method, &self.url);
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        screen(request).await
    }

    pub(crate) async fn page(&self) -> Screen {
        self.ask(Method::GET, &[]).await
    }

    /// The same address with something else behind it.
    pub(crate) fn at(&self, more: &str) -> Self {
        Self { url: format!("{}{more}", self.url) }
    }

    /// What a button of the page sends, which has shown this revision.
    pub(crate) async fn tap(&self, to: &str, revision: u32, more: &[(&str, &str)]) -> Screen {
        let revision = revision.to_string();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("to", to).append_pair("revision", &revision).extend_pairs(more);
        self.post("application/x-www-form-urlencoded", form.finish()).await
    }

    /// The same with a file.
    pub(crate) async fn tap_with(&self, to: &str, revision: u32, picture: &[u8]) -> Screen {
        let revision = revision.to_string();
        let (kind, body) = form(&[("to", to), ("revision", &revision)], picture);
        self.post(&kind, body).await
    }

    pub(crate) async fn post(&self, kind: &str, body: impl Into<reqwest::Body>) -> Screen {
        screen(http().post(&self.url).header(header::CONTENT_TYPE, kind).body(body)).await
    }
}

async fn screen(request: reqwest::RequestBuilder) -> Screen {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Screen { status, headers, text: answer.text().await.unwrap() }
}

/// A form as browsers send it: its content type and body.
pub(crate) fn form(fields: &[(&str, &str)], picture: &[u8]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head =
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(head.as_bytes());
    }
    body.extend(b"--x\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"IMG_1.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n");
    body.extend(picture);
    body.extend(b"\r\n--x--\r\n");
    ("multipart/form-data; boundary=x".into(), body)
}
