//! `[links]`: where the pages of signed links are served, and how phones reach them.

use std::{net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Host;

use super::super::proxies::{self, Proxies, ProxyHeader};
use crate::wire::tls::ListenKeys;

/// With the rest of a link it fits a text message of 160 characters.
const URL_CHARS_MAX: usize = 90;

/// `[links]`: pages by which one person answers one case, for who has its link; absent, there are none.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinksConfig {
    /// Address and port of a listener of its own; nothing else is served there.
    pub listen: SocketAddr,
    /// How phones reach it, such as `https://reach.example/`; links begin with it.
    pub url: url::Url,
    /// So long a link is good, hours; it ends before, when its case is closed. Default 72.
    #[serde(default = "valid_h")]
    pub valid_h: u32,
    /// The page shows the snapshot of the case too. Default false.
    #[serde(default)]
    pub pictures: bool,
    /// Reverse proxies, as addresses or networks (`10.0.0.0/8`), whose `X-Forwarded-For` says whose phone it is;
    /// default none.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// PEM of the certificate chain; with it the listener speaks TLS only. Read at each handshake.
    #[serde(default)]
    pub tls_cert_file: Option<PathBuf>,
    /// PEM of its private key.
    #[serde(default)]
    pub tls_key_file: Option<PathBuf>,
}

fn valid_h() -> u32 {
    72
}

impl LinksConfig {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems: Vec<_> = self.tls().problem().into_iter().collect();
        let url = &self.url;
        let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if !["http", "https"].contains(&url.scheme()) || !bare {
            let message =
                "expected https://… without a name, `?` or `#`: the rest of a link comes behind it";
            problems.push(("url", message.into()));
        }
        problems.extend(proxies::problems(&self.trusted_proxies));
        let chars = url.as_str().chars().count();
        if chars > URL_CHARS_MAX {
            let message = format!(
                "{chars} characters: expected at most {URL_CHARS_MAX}; no text message holds such a link"
            );
            problems.push(("url", message));
        }
        problems
    }

    /// Warnings as (key, message): what somebody on the way could read and use.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let mut warnings = Vec::new();
        if self.tls_cert_file.is_none() && !self.listen.ip().is_loopback() {
            let message = format!(
                "{} is beyond loopback without TLS: whoever is on the way reads the cases and answers them; give tls_cert_file and tls_key_file, or a proxy with TLS on this box",
                self.listen
            );
            warnings.push(("listen", message));
        }
        let here = match self.url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if self.url.scheme() == "http" && !here {
            let message = "plain http: whoever is on the way has the link, and answers with it";
            warnings.push(("url", message.into()));
        }
        warnings.extend(proxies::open_to_all(&self.trusted_proxies));
        warnings
    }

    pub(super) fn proxies(&self) -> Proxies {
        Proxies::of(&self.trusted_proxies, ProxyHeader::XForwardedFor)
    }

    pub(super) fn tls(&self) -> ListenKeys<'_> {
        ListenKeys { cert_file: &self.tls_cert_file, key_file: &self.tls_key_file }
    }
}
