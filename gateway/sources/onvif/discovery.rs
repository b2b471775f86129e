//! Which cameras there are: WS-Discovery on every network of the box, and at addresses that are given.
//!
//! Who answers is a stranger: what it says is bounded and read with care, it is asked only at its
//! own address where it names one, and told who we are only when it asks for that.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use serde::Serialize;
use url::Url;

use super::{
    Failure,
    link::{ANSWER_WITHIN, Link},
    media::offer,
    probe::ProbeMatch,
    profiles::{Choice, Profile, choose, sources},
    read,
    search::search,
    soap::SoapRequest,
};
use crate::{domain::Clock, sources::camera::Credentials};

/// Cameras that are asked beside each other.
const ASKED_AT_ONCE_MAX: usize = 16;
/// All that one camera is asked.
const DESCRIBED_WITHIN: Duration = Duration::from_secs(40);

/// What is searched for, and who we are.
pub struct Discovery {
    /// Hosts with or without a port of WS-Discovery, or addresses `http://…`; none: the whole network.
    pub addresses: Vec<String>,
    /// How long answers are waited for.
    pub wait: Duration,
    /// Told to a camera that asks for it.
    pub user: Option<Credentials>,
    /// For `https://…`.
    pub ca_file: Option<PathBuf>,
    /// How long all of them together may take to tell what they offer; none: each as long as it does.
    pub described_within: Option<Duration>,
    pub clock: Arc<dyn Clock>,
}

/// One camera or recorder.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Discovered {
    /// Where it is asked: `onvif` of a `[[camera]]`.
    pub onvif: String,
    /// Names itself so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Make and model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// As it writes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What it offers, by video source: a recorder has one a channel.
    pub sources: Vec<SourceOffer>,
    /// Why it is not known what it offers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What one lens or channel offers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SourceOffer {
    /// `onvif_source`, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    pub profiles: Vec<Profile>,
    /// What gridpost would take, or why nothing.
    pub chosen: String,
}

/// Searches, and asks each camera that is found what it offers. The error is that nothing could be sent.
pub async fn discover(discovery: &Discovery) -> Result<Vec<Discovered>, String> {
    let found = search(&discovery.addresses, discovery.wait).await?;
    let until = discovery.described_within.map(|within| Instant::now() + within);
    let asked = stream::iter(found).map(|one| describe(discovery, one, until));
    let mut all: Vec<Discovered> = asked.buffer_unordered(ASKED_AT_ONCE_MAX).collect().await;
    all.sort_by(|a, b| a.onvif.cmp(&b.onvif));
    Ok(all)
}

async fn describe(discovery: &Discovery, found: ProbeMatch, until: Option<Instant>) -> Discovered {
    let mut described = Discovered {
        onvif: found.addresses.first().map(Url::to_string).unwrap_or_default(),
        name: found.scope("name"),
        hardware: found.scope("hardware"),
        location: found.scope("location"),
        scopes: found.scopes.clone(),
        ..Discovered::default()
    };
    let asking = async {
        let mut link = reached(discovery, &found.addresses).await?;
        described.onvif = link.device().to_string();
        about(&mut link, &mut described).await;
        let offer = offer(&mut link).await?;
        Ok::<_, Failure>(offer.profiles)
    };
    let left = |until: Instant| until.saturating_duration_since(Instant::now());
    let within = until.map_or(DESCRIBED_WITHIN, left);
    let profiles = match tokio::time::timeout(within, asking).await {
        Ok(Ok(profiles)) => profiles,
        Ok(Err(failure)) => {
            described.trouble = Some(failure.to_string());
            return described;
        }
        Err(_) => {
            let s = within.as_secs();
            described.trouble = Some(format!("no end of its answers within {s} s"));
            return described;
        }
    };
    let known = sources(&profiles);
    let several = known.len() > 1;
    let each: Vec<Option<&str>> =
        if known.is_empty() { vec![None] } else { known.into_iter().map(Some).collect() };
    described.sources = each
        .into_iter()
        .map(|source| {
            let here = |one: &&Profile| one.source.is_none() || one.source.as_deref() == source;
            let here: Vec<Profile> = profiles.iter().filter(here).cloned().collect();
            let chosen = match choose(&here, source) {
                Ok(Choice { why, .. }) => why,
                Err(why) => why,
            };
            let source = source.filter(|_| several).map(str::to_owned);
            SourceOffer { source, profiles: here, chosen }
        })
        .collect();
    described
}

/// By the first address at which it tells its time.
async fn reached(discovery: &Discovery, addresses: &[Url]) -> Result<Link, Failure> {
    let mut last = Failure::Broken("it names no address".into());
    for address in addresses {
        let (user, clock) = (discovery.user.clone(), discovery.clock.clone());
        let link = Link::new(address.clone(), user, discovery.ca_file.clone(), clock)?;
        let mut link = link.unsigned();
        match link.set_clock().await {
            Ok(()) => return Ok(link),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

/// Make and model, where it tells them; it is a camera without, too.
async fn about(link: &mut Link, described: &mut Discovered) {
    let body = "<GetDeviceInformation xmlns=\"http://www.onvif.org/ver10/device/wsdl\"/>";
    let action = "http://www.onvif.org/ver10/device/wsdl/GetDeviceInformation";
    let device = link.device().clone();
    let Ok(answer) = link.ask(&device, &SoapRequest::new(action, body), ANSWER_WITHIN).await else {
        return;
    };
    let Ok(tree) = read::parse(&answer) else { return };
    let part = |name: &str| {
        read::first(tree.root(), name).map(read::words).filter(|text| !text.is_empty())
    };
    let hardware: Vec<String> =
        [part("Manufacturer"), part("Model")].into_iter().flatten().collect();
    if !hardware.is_empty() {
        described.hardware = Some(hardware.join(" "));
    }
    described.firmware = part("FirmwareVersion");
}
