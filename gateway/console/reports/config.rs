//! `[reports]`: the public page on which residents report.

use std::{net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::proxies::{self, Proxies, ProxyHeader};
use crate::wire::tls::ListenKeys;

/// Places of a list that somebody still reads on a telephone.
const PLACES_MAX: usize = 1_000;

/// `[reports]`: the public page 邹全办; without the section there is none.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReportsConfig")]
pub struct Config {
    /// Address and port of the page; a listener of its own, with no other route.
    pub listen: SocketAddr,
    /// Which number the page says to call in an emergency; default `110`.
    #[serde(default = "emergency_phone")]
    pub emergency_phone: String,
    /// Named places that residents can choose, before the grids of `[site] grids`.
    #[serde(default)]
    pub places: Vec<NamedPlace>,
    /// Whether the grids can be chosen too; default true.
    #[serde(default = "yes")]
    pub list_grids: bool,
    /// Reports an hour of one address (an IPv6 network of 64 bits; one of 48 bits may twice as many). A whole
    /// community may be behind one address of a carrier. Default 100.
    #[serde(default = "address_hourly_max")]
    pub address_hourly_max: u32,
    /// Reports an hour in all; default 400.
    #[serde(default = "hourly_max")]
    pub hourly_max: u32,
    /// Reverse proxies, as addresses or networks (`10.0.0.0/8`), whose `X-Forwarded-For` says who sends;
    /// default none.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// PEM of the certificate chain; with it the listener speaks TLS only. Read at each handshake.
    #[serde(default)]
    pub tls_cert_file: Option<PathBuf>,
    /// PEM of its private key.
    #[serde(default)]
    pub tls_key_file: Option<PathBuf>,
    /// Lets it listen beyond loopback without TLS: reports and look-up numbers can be read on the way.
    /// For a reverse proxy on a network of its own. Default false.
    #[serde(default)]
    pub allow_plain_http_beyond_loopback: bool,
}

/// A place that residents know by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedPlace {
    /// As it is shown and told.
    pub name: String,
    /// Code of the grid that answers for it.
    #[serde(default)]
    pub grid: Option<String>,
}

fn emergency_phone() -> String {
    "110".into()
}

fn yes() -> bool {
    true
}

fn address_hourly_max() -> u32 {
    100
}

fn hourly_max() -> u32 {
    400
}

impl Config {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let plain = self.tls_cert_file.is_none();
        if plain && !self.listen.ip().is_loopback() && !self.allow_plain_http_beyond_loopback {
            let message = format!(
                "{} is beyond loopback without TLS: give tls_cert_file and tls_key_file, or set allow_plain_http_beyond_loopback = true",
                self.listen
            );
            problems.push(("listen", message));
        }
        problems.extend(self.tls().problem());
        let phone = &self.emergency_phone;
        let dials = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ');
        let digits = phone.chars().filter(char::is_ascii_digit).count();
        if !phone.chars().all(dials) || !(3..=20).contains(&digits) {
            let message = format!("`{phone}`: expected a telephone number, as 110");
            problems.push(("emergency_phone", message));
        }
        if self.places.len() > PLACES_MAX {
            problems.push((
                "places",
                format!("{} places: expected at most {PLACES_MAX}", self.places.len()),
            ));
        }
        for place in &self.places {
            let chars = place.name.trim().chars().count();
            if !(1..=100).contains(&chars) {
                problems.push((
                    "places",
                    format!("`{}`: expected a name of 1 to 100 characters", place.name),
                ));
            }
        }
        for (key, most) in
            [("address_hourly_max", self.address_hourly_max), ("hourly_max", self.hourly_max)]
        {
            if !(1..=100_000).contains(&most) {
                problems.push((key, format!("{most}: expected 1 to 100000")));
            }
        }
        problems.extend(proxies::problems(&self.trusted_proxies));
        problems
    }

    /// Warnings as (key, message).
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let open = proxies::open_to_all(&self.trusted_proxies);
        // Behind a proxy of the same machine that is not named, the whole town has one address.
        let unnamed = self.listen.ip().is_loopback() && self.trusted_proxies.is_empty();
        let unnamed = unnamed.then(|| {
            let message = "on loopback, and no proxy is named: all who come by a proxy count as one address (`address_hourly_max`)";
            ("trusted_proxies", message.to_owned())
        });
        open.into_iter().chain(unnamed).collect()
    }

    pub(super) fn tls(&self) -> ListenKeys<'_> {
        ListenKeys { cert_file: &self.tls_cert_file, key_file: &self.tls_key_file }
    }

    pub(super) fn proxies(&self) -> Proxies {
        Proxies::of(&self.trusted_proxies, ProxyHeader::XForwardedFor)
    }
}
