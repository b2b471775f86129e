//! `gridpost discover`: a search of its own, without a gateway.

use std::{path::PathBuf, time::Duration};

use crate::{
    base::RealClock,
    sources::{
        camera::{Credentials, password_of},
        onvif::{self, Discovered, Discovery},
    },
};

/// What a person asks for.
pub struct Search {
    /// Hosts, or addresses `http://…`; none: the whole network.
    pub addresses: Vec<String>,
    pub wait: Duration,
    /// A user of the cameras, with the file of its password.
    pub username: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    /// How long all cameras together may take to tell what they offer; none: each as long as it does.
    pub described_within: Option<Duration>,
}

/// All cameras that answer. The error is one sentence.
pub fn discover(search: Search) -> Result<Vec<Discovered>, String> {
    let user = match search.username {
        Some(username) => {
            let password = password_of(search.password_file.as_deref())?.unwrap_or_default();
            Some(Credentials { username, password })
        }
        None => None,
    };
    let Search { addresses, wait, ca_file, described_within, .. } = search;
    let clock = RealClock::start();
    let discovery = Discovery { addresses, wait, user, ca_file, described_within, clock };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let found = runtime.block_on(onvif::discover(&discovery));
    // A name that is still being resolved is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    found
}
