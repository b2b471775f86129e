//! The media services of a camera, version 1 and 2: its profiles, and the addresses of their streams.

use url::Url;

use super::{
    Failure, address,
    link::Link,
    profiles::{self, Profile},
    read,
    soap::{SoapRequest, escape},
};

const DEVICE: &str = "http://www.onvif.org/ver10/device/wsdl";

/// What a camera offers, and where its streams are asked for.
pub(super) struct Offer {
    pub(super) profiles: Vec<Profile>,
    media: Media,
    place: Url,
}

/// Version of the media service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    One,
    /// Knows H.265.
    Two,
}

/// By the newer service where there is one, else by the older.
pub(super) async fn offer(link: &mut Link) -> Result<Offer, Failure> {
    let [one, two] = media_addresses(link).await?;
    let mut first = None;
    if let Some(address) = two {
        match profiles_at(link, Media::Two, Some(&address)).await {
            Ok(offer) => return Ok(offer),
            Err(failure @ Failure::Refused(_)) => return Err(failure),
            // Some offer it and do not have it.
            Err(failure) => first = Some(failure),
        }
    }
    let offer = profiles_at(link, Media::One, one.as_deref()).await;
    offer.map_err(|failure| match failure {
        Failure::Refused(_) => failure,
        failure => first.unwrap_or(failure),
    })
}

/// Of the two versions. Newer cameras know GetServices, older ones GetCapabilities alone.
async fn media_addresses(link: &mut Link) -> Result<[Option<String>; 2], Failure> {
    let asked = [
        SoapRequest::new(
            "http://www.onvif.org/ver10/device/wsdl/GetServices",
            format!(
                "<GetServices xmlns=\"{DEVICE}\"><IncludeCapability>false</IncludeCapability></GetServices>"
            ),
        ),
        SoapRequest::new(
            "http://www.onvif.org/ver10/device/wsdl/GetCapabilities",
            format!(
                "<GetCapabilities xmlns=\"{DEVICE}\"><Category>All</Category></GetCapabilities>"
            ),
        ),
    ];
    let mut last = None;
    for request in &asked {
        match link.ask_at(None, request).await {
            Ok((answer, _)) => {
                let tree = read::parse(&answer).map_err(Failure::Broken)?;
                let one = read::service_address(&tree, read::MEDIA)
                    .or_else(|| read::capability_address(&tree, "Media"));
                let two = read::service_address(&tree, read::MEDIA2);
                if one.is_some() || two.is_some() {
                    return Ok([one, two]);
                }
            }
            Err(failure @ Failure::Refused(_)) => return Err(failure),
            Err(failure) => last = Some(failure),
        }
    }
    let none =
        "it has no video: expected an address of its media in GetServices or GetCapabilities";
    Err(last.unwrap_or_else(|| Failure::NoStreams(none.into())))
}

async fn profiles_at(
    link: &mut Link,
    media: Media,
    address: Option<&str>,
) -> Result<Offer, Failure> {
    let (answer, place) = link.ask_at(address, &media.get_profiles()).await?;
    let mut profiles = {
        let tree = read::parse(&answer).map_err(Failure::Broken)?;
        profiles::profiles(&tree)
    };
    if profiles.is_empty() {
        let expected = "expected at least one profile with a token in GetProfiles";
        return Err(Failure::NoStreams(format!("it has no profile; {expected}")));
    }
    if profiles.iter().any(profiles::is_vague) {
        let asked = link.ask_at(Some(place.as_str()), &media.get_encoders()).await;
        if let Some(tree) = asked.as_ref().ok().and_then(|(answer, _)| read::parse(answer).ok()) {
            profiles::fill_in(&mut profiles, &tree);
        }
    }
    Ok(Offer { profiles, media, place })
}

impl Media {
    fn wsdl(self) -> &'static str {
        match self {
            Self::One => read::MEDIA,
            Self::Two => read::MEDIA2,
        }
    }

    fn get_profiles(self) -> SoapRequest {
        let wsdl = self.wsdl();
        match self {
            Self::One => SoapRequest::new(
                "http://www.onvif.org/ver10/media/wsdl/GetProfiles",
                format!("<GetProfiles xmlns=\"{wsdl}\"/>"),
            ),
            // Without these it gives names alone.
            Self::Two => SoapRequest::new(
                "http://www.onvif.org/ver20/media/wsdl/GetProfiles",
                format!(
                    "<GetProfiles xmlns=\"{wsdl}\"><Type>VideoSource</Type><Type>VideoEncoder</Type></GetProfiles>"
                ),
            ),
        }
    }

    fn get_encoders(self) -> SoapRequest {
        let action = match self {
            Self::One => "http://www.onvif.org/ver10/media/wsdl/GetVideoEncoderConfigurations",
            Self::Two => "http://www.onvif.org/ver20/media/wsdl/GetVideoEncoderConfigurations",
        };
        let wsdl = self.wsdl();
        SoapRequest::new(action, format!("<GetVideoEncoderConfigurations xmlns=\"{wsdl}\"/>"))
    }

    /// In the ways it may be asked for, the usual one first.
    fn get_stream(self, token: &str) -> Vec<SoapRequest> {
        let (wsdl, token) = (self.wsdl(), escape(token));
        match self {
            Self::One => vec![SoapRequest::new(
                "http://www.onvif.org/ver10/media/wsdl/GetStreamUri",
                format!(
                    "<GetStreamUri xmlns=\"{wsdl}\"><StreamSetup><Stream xmlns=\"http://www.onvif.org/ver10/schema\">RTP-Unicast</Stream><Transport xmlns=\"http://www.onvif.org/ver10/schema\"><Protocol>RTSP</Protocol></Transport></StreamSetup><ProfileToken>{token}</ProfileToken></GetStreamUri>"
                ),
            )],
            Self::Two => ["RTSP", "RtspUnicast"]
                .map(|protocol| {
                    SoapRequest::new(
                        "http://www.onvif.org/ver20/media/wsdl/GetStreamUri",
                        format!(
                            "<GetStreamUri xmlns=\"{wsdl}\"><Protocol>{protocol}</Protocol><ProfileToken>{token}</ProfileToken></GetStreamUri>"
                        ),
                    )
                })
                .into(),
        }
    }
}

impl Offer {
    /// The address of a profile's stream, and the host it names where that is another one. `named`:
    /// we have a user of our own.
    pub(super) async fn stream(
        &self,
        link: &mut Link,
        profile: &Profile,
        named: bool,
    ) -> Result<(Url, Option<String>), Failure> {
        let mut last = None;
        for request in self.media.get_stream(&profile.token) {
            match link.ask_at(Some(self.place.as_str()), &request).await {
                Ok((answer, _)) => {
                    let tree = read::parse(&answer).map_err(Failure::Broken)?;
                    let Some(address) = read::stream_address(&tree) else {
                        last = last.or(Some(no_stream(profile)));
                        continue;
                    };
                    let stream = address::stream(link.device(), &address, named);
                    return stream.map_err(Failure::NoStreams);
                }
                Err(failure @ Failure::Refused(_)) => return Err(failure),
                Err(failure) => last = last.or(Some(failure)),
            }
        }
        Err(last.unwrap_or_else(|| no_stream(profile)))
    }
}

fn no_stream(profile: &Profile) -> Failure {
    let expected = "expected an address in GetStreamUri";
    Failure::NoStreams(format!("{profile} has no stream; {expected}"))
}
