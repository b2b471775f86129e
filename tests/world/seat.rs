//! A browser at which somebody is logged in by his account.

use reqwest::{Method, Response, header};
use serde_json::{Value, json};

use super::{Gateway, gridpost_with_input, http};

const PASSWORD: &str = "a long password";

/// One account, and its session. An empty cookie is nobody.
pub(crate) struct Seat<'g> {
    gateway: &'g Gateway,
    cookie: String,
}

impl<'g> Seat<'g> {
    /// Makes the account, and logs in.
    pub(crate) async fn take(gateway: &'g Gateway, name: &str, role: &str) -> Self {
        let file = gateway.file("gridpost.toml");
        let add = ["user", "add", "-c", &file, name, "--role", role];
        gridpost_with_input(&add, PASSWORD).must_say(0, [name]);
        let nobody = Self::empty(gateway);
        let body = json!({ "name": name, "password": PASSWORD });
        let answer = nobody.ask(Method::POST, "/api/v1/session", &body).await;
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
        Self { gateway, cookie: cookie.split(';').next().unwrap().to_owned() }
    }

    /// Nobody sits there.
    pub(crate) fn empty(gateway: &'g Gateway) -> Self {
        Self { gateway, cookie: String::new() }
    }

    /// As a page of the gateway's own sends it.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: &Value) -> Response {
        let request = http().request(method, format!("{}{path}", self.gateway.web));
        let request = request.header(header::ORIGIN, &self.gateway.web);
        let request = request.header(header::COOKIE, &self.cookie).json(body);
        request.send().await.unwrap()
    }
}

/// Status and JSON of an answer.
pub(crate) async fn said(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}
