//! `[web]`: where the API and the officers' page listen, with which keys, and behind which proxies.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::proxies::{self, Proxies, ProxyHeader};
use crate::{
    domain::SpeaksFor,
    wire::{
        own_certificate,
        tls::{ListenKeys, ServerTls},
    },
};

/// `[web]`: where the API listens.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port; default `127.0.0.1:8686`.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// How others reach it, for the `url` of evidence in events; without it there is none.
    #[serde(default)]
    pub public_url: Option<String>,
    /// File of the bearer token, made on first start; default `token` in the data folder.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Whose names a reply may have that comes with this token, or from a browser that was opened with it: names, how
    /// names begin (`城管*`), or `*` for anybody. In other names it grants and verifies nothing, and its steps say so
    /// (`claimed_through`). Default anybody, and `check` says so where persons are named.
    #[serde(default)]
    pub speaks_for: SpeaksFor,
    /// `self`: it speaks TLS with a certificate that is made at the first start (`keys/web.crt` in the data
    /// folder, good for ten years), for a site that has none; browsers ask once whether to trust it.
    #[serde(default)]
    pub tls: Option<OwnTls>,
    /// PEM of the certificate chain; with it the listener speaks TLS only. Read at each
    /// handshake, so that a renewed one is used.
    #[serde(default)]
    pub tls_cert_file: Option<PathBuf>,
    /// PEM of its private key.
    #[serde(default)]
    pub tls_key_file: Option<PathBuf>,
    /// Lets it listen beyond loopback without TLS: everything, the token too, is then readable
    /// on the way. For a reverse proxy on a network of its own. Default false.
    #[serde(default)]
    pub allow_plain_http_beyond_loopback: bool,
    /// Reverse proxies, as addresses or networks (`10.0.0.0/8`): they say who asks, whether his browser speaks
    /// TLS, and by which name it knows the page. What anybody else says of that counts for nothing. Default none.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// Which headers they write; the other kind is not read. Default `x-forwarded-for`.
    #[serde(default)]
    pub proxy_header: ProxyHeader,
}

/// Where the certificate is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OwnTls {
    /// The gateway makes it.
    #[serde(rename = "self")]
    Own,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: listen(),
            public_url: None,
            token_file: None,
            speaks_for: SpeaksFor::default(),
            tls: None,
            tls_cert_file: None,
            tls_key_file: None,
            allow_plain_http_beyond_loopback: false,
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::default(),
        }
    }
}

fn listen() -> SocketAddr {
    ([127, 0, 0, 1], 8686).into()
}

impl Config {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.is_plain()
            && !self.listen.ip().is_loopback()
            && !self.allow_plain_http_beyond_loopback
        {
            problems.push((
                "listen",
                format!(
                    "{} is beyond loopback without TLS: give tls_cert_file and tls_key_file, or tls = \"self\", or set allow_plain_http_beyond_loopback = true",
                    self.listen
                ),
            ));
        }
        if self.tls.is_some() && (self.tls_cert_file.is_some() || self.tls_key_file.is_some()) {
            let message = "either \"self\", or tls_cert_file and tls_key_file: one of them counts";
            problems.push(("tls", message.into()));
        }
        problems.extend(self.tls().problem());
        problems.extend(proxies::problems(&self.trusted_proxies));
        problems.extend(self.speaks_for.problem().map(|message| ("speaks_for", message)));
        if let Some(url) = self.public_url.as_deref().filter(|url| !url.starts_with("http")) {
            problems.push(("public_url", format!("`{url}`: expected http://… or https://…")));
        }
        problems
    }

    /// Warnings as (key, message).
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let open = proxies::open_to_all(&self.trusted_proxies);
        // Behind a proxy of the same machine that is not named, everybody has one address.
        let elsewhere = self.public().filter(|url| !is_of_this_machine(url));
        let unnamed = self.trusted_proxies.is_empty() && self.listen.ip().is_loopback();
        let unnamed = elsewhere.filter(|_| unnamed).map(|_| {
            let message = "on loopback, and `public_url` is elsewhere: name the proxy, else all who come by it count as one address, and their cookies are not bound to TLS";
            ("trusted_proxies", message.to_owned())
        });
        open.into_iter().chain(unnamed).collect()
    }

    fn public(&self) -> Option<url::Url> {
        url::Url::parse(self.public_url.as_deref()?).ok()
    }

    pub(super) fn proxies(&self) -> Proxies {
        Proxies::of(&self.trusted_proxies, self.proxy_header)
    }

    /// Whoever is on the way can read it.
    pub fn is_plain(&self) -> bool {
        self.tls_cert_file.is_none() && self.tls.is_none()
    }

    fn tls(&self) -> ListenKeys<'_> {
        ListenKeys { cert_file: &self.tls_cert_file, key_file: &self.tls_key_file }
    }

    /// With a certificate of its own it is made here, where there is none.
    pub(super) fn server_tls(&self, keys: &ConsoleKeys<'_>) -> Result<Option<ServerTls>, String> {
        let Some(OwnTls::Own) = self.tls else { return self.tls().server() };
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        if !self.listen.ip().is_unspecified() {
            names.push(self.listen.ip().to_string());
        }
        names.extend(self.public().and_then(|url| url.host_str().map(str::to_owned)));
        names.dedup();
        let year = keys.now.to_zoned(jiff::tz::TimeZone::UTC).year();
        let (cert, key) = own_certificate::load_or_make(keys.data, names, year.into())?;
        ListenKeys { cert_file: &Some(cert), key_file: &Some(key) }.server()
    }
}

fn is_of_this_machine(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// What of the data folder a listener is made with.
pub struct ConsoleKeys<'k> {
    /// The token of the site.
    pub token: String,
    /// The data folder.
    pub data: &'k Path,
    pub now: jiff::Timestamp,
}
