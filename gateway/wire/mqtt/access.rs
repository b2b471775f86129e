//! The keys by which three sections of the configuration name a broker: what is wrong with them, and the connection they make.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de::Error};

use super::Broker;
use crate::wire::{client_tls::ClientTls, file_stamp::missing};

/// Those keys, as a section has them. A view and not a part of the sections: serde's `flatten`
/// cannot refuse unknown keys.
pub struct Access<'c> {
    /// What the section calls the key of the url.
    pub url_key: &'static str,
    pub url: &'c url::Url,
    pub username: &'c Option<String>,
    pub password_file: &'c Option<PathBuf>,
    pub ca_file: &'c Option<PathBuf>,
    pub client_cert_file: &'c Option<PathBuf>,
    pub client_key_file: &'c Option<PathBuf>,
}

impl Access<'_> {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems: Vec<_> = self.tls().problem().into_iter().collect();
        if !["mqtt", "mqtts"].contains(&self.url.scheme()) {
            let message = "begin with mqtt:// or mqtts://, as in mqtt://host:1883";
            problems.push((self.url_key, message.into()));
        }
        problems
    }

    /// Warnings as (key, message): files that are needed at the first connection only.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let mut warnings: Vec<_> = self.tls().warning().into_iter().collect();
        warnings.extend(missing("password_file", self.password_file.as_deref()));
        warnings
    }

    /// The same client id twice would throw the other one out.
    pub fn broker(&self, client_id: String) -> Broker {
        Broker {
            url: self.url.clone(),
            client_id,
            username: self.username.clone(),
            password_file: self.password_file.clone(),
            tls: self.tls(),
        }
    }

    fn tls(&self) -> ClientTls {
        ClientTls {
            ca_file: self.ca_file.clone(),
            cert_file: self.client_cert_file.clone(),
            key_file: self.client_key_file.clone(),
            web_too: false,
        }
    }
}

/// The url of a broker, for serde. The text itself is not in the error: it may hold a password.
pub fn url<'d, D: Deserializer<'d>>(deserializer: D) -> Result<url::Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    url::Url::parse(&text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => {
            D::Error::custom("begin with mqtt:// or mqtts://, as in mqtt://host:1883")
        }
        error => D::Error::custom(format!("no url ({error}); expected mqtt://host:1883")),
    })
}
