//! A resident at the public page of reports: its form, what is sent, what is shown.

use std::time::Duration;

use reqwest::{Method, header, redirect::Policy};

use super::{Gateway, http};

/// Somebody with a telephone.
#[derive(Clone)]
pub(crate) struct Resident {
    pub(crate) http: reqwest::Client,
    pub(crate) page: String,
    /// As a proxy would say it.
    from: Option<String>,
}

/// What a form holds.
#[derive(Clone, Default)]
pub(crate) struct Sent {
    fields: Vec<(&'static str, Vec<u8>)>,
    picture: Option<Vec<u8>>,
}

impl Sent {
    pub(crate) fn text(text: &str) -> Self {
        Self::default().with("text", text)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.fields.retain(|(before, _)| *before != name);
        self.fields.push((name, value.as_ref().to_vec()));
        self
    }

    pub(crate) fn picture(mut self, bytes: Vec<u8>) -> Self {
        self.picture = Some(bytes);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut part = |head: String, value: &[u8]| {
            all.extend(
                format!("--b0\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
            );
            all.extend(value);
            all.extend(b"\r\n");
        };
        for (name, value) in &self.fields {
            part(format!("name=\"{name}\""), value);
        }
        let picture = self.picture.clone().unwrap_or_default();
        part("name=\"picture\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg".into(), &picture);
        all.extend(b"--b0--\r\n");
        all
    }
}

/// Status, where to, and what is on the page.
type Shown = (u16, String, String);

impl Resident {
    pub(crate) fn of(gateway: &Gateway) -> Self {
        let _ = http();
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none());
        let http = client.timeout(Duration::from_secs(90)).build().unwrap();
        let page = format!("http://127.0.0.1:{}", gateway.port("reports"));
        Self { http, page, from: None }
    }

    pub(crate) fn from(&self, address: &str) -> Self {
        Self { from: Some(address.into()), ..self.clone() }
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Shown {
        let mut request = self.http.request(method, format!("{}{path}", self.page));
        if let Some(from) = &self.from {
            request = request.header("x-forwarded-for", from);
        }
        if let Some((kind, body)) = body {
            request = request.header(header::CONTENT_TYPE, kind).body(body);
        }
        let answer = request.send().await.unwrap();
        assert!(answer.headers().get(header::SET_COOKIE).is_none());
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        let to = answer.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
        (answer.status().as_u16(), to.unwrap_or_default(), answer.text().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Shown {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn raw(&self, kind: &str, body: Vec<u8>) -> Shown {
        self.ask(Method::POST, "/", Some((kind, body))).await
    }

    pub(crate) async fn send(&self, sent: &Sent) -> Shown {
        self.raw("multipart/form-data; boundary=b0", sent.bytes()).await
    }

    /// Of a page that was just opened.
    pub(crate) async fn nonce(&self) -> String {
        let (_, _, page) = self.get("/").await;
        page.split("name=\"nonce\" value=\"").nth(1).unwrap()[..32].to_owned()
    }

    /// What the form sends for a place of the list.
    pub(crate) async fn place(&self, name: &str) -> String {
        let (_, _, page) = self.get("/").await;
        let (before, _) = page.split_once(&format!("\">{name}</option>")).expect("not in the list");
        before.rsplit_once("<option value=\"").unwrap().1.to_owned()
    }

    /// One that must be taken; the address of its number.
    pub(crate) async fn report(&self, sent: Sent) -> String {
        let nonce = self.nonce().await;
        let (status, to, page) = self.send(&sent.with("nonce", nonce)).await;
        assert_eq!(status, 303, "{page}");
        to
    }
}
