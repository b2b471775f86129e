//! The ways to a speaker: a call, a multicast group, a broker or a POST; what counts as taken at each.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::UdpSocket;

use super::{
    config::{SpeakerConfig, WayKind},
    rtp::{Attention, Stop, Stream},
    say::Saying,
    sip::{self, Callee},
    sound::Sound,
    voice::VoiceConfig,
};
use crate::{
    sinks::{
        http::WebhookSink,
        template::{self, Into},
    },
    wire::mqtt::Publisher,
};

/// Before the first word: an amplifier takes a moment to wake.
const WAKES_MS: u32 = 200;
/// Between two languages, and before a group hears it again.
const PAUSE_MS: u32 = 500;
/// A group does not say what it has heard: it is sent so often.
const SENT_TO_GROUP: usize = 2;
/// Routers a packet to a group may pass.
const GROUP_TTL: u32 = 4;

/// How this speaker is spoken to. Nothing is reached before the first word.
pub(super) enum Way {
    Sip(SpeakerConfig),
    Rtp(SpeakerConfig),
    Mqtt { config: SpeakerConfig, publisher: Box<Publisher> },
    Http(Box<WebhookSink>),
}

/// What is said, as this way carries it.
pub(super) enum Utterance {
    Sound(Sound),
    Text(String),
}

/// It was taken; the stop is why not to its end.
pub(super) struct UtteranceEnd {
    pub(super) stop: Option<Stop>,
}

impl Way {
    pub(super) fn new(config: &SpeakerConfig, client_id: String) -> Self {
        match config.way_kind() {
            Some(WayKind::Mqtt) => Self::Mqtt {
                config: config.clone(),
                publisher: Publisher::new(config.access().broker(client_id)).into(),
            },
            Some(WayKind::Http) => Self::Http(Box::new(WebhookSink::new(&config.webhook()))),
            Some(WayKind::Rtp) => Self::Rtp(config.clone()),
            Some(WayKind::Sip) | None => Self::Sip(config.clone()),
        }
    }

    /// The sound of it, or the text for a device that reads by itself.
    pub(super) async fn make(
        &mut self,
        voice: &VoiceConfig,
        saying: &Saying,
    ) -> Result<Utterance, String> {
        let (Self::Sip(_) | Self::Rtp(_)) = self else {
            return Ok(Utterance::Text(saying.whole()));
        };
        let mut sound = Sound::silence(WAKES_MS);
        for (n, text) in saying.texts.iter().enumerate() {
            if n > 0 {
                sound.append(Sound::silence(PAUSE_MS));
            }
            sound.append(voice.sound(text).await?);
        }
        Ok(Utterance::Sound(sound))
    }

    /// Ok: it was taken, as far as this way tells. The error is one sentence.
    pub(super) async fn say(
        &mut self,
        made: &Utterance,
        saying: &Saying,
        attention: &Attention<'_>,
    ) -> Result<UtteranceEnd, String> {
        match (self, made) {
            (Self::Sip(config), Utterance::Sound(sound)) => {
                let callee = callee(config).await?;
                let stop = sip::speak(&callee, sound, attention).await?;
                tracing::info!(speaker = config.id, ms = sound.ms(), ?stop, "spoken");
                Ok(UtteranceEnd { stop })
            }
            (Self::Rtp(config), Utterance::Sound(sound)) => {
                let (_, group) = config.address()?;
                let sent = to_group(group, sound, attention).await;
                let stop = sent.map_err(|error| format!("{group}: {error}"))?;
                tracing::info!(speaker = config.id, %group, ms = sound.ms(), ?stop, "sent; nobody acknowledges it");
                Ok(UtteranceEnd { stop })
            }
            (Self::Mqtt { config, publisher }, Utterance::Text(text)) => {
                let topic = config.topic.as_deref().unwrap_or_default();
                let topic = template::fill(topic, &saying.event, text, Into::Topic);
                let payload = template::fill(&config.payload, &saying.event, text, Into::Json);
                let within = Duration::from_secs(config.answer_s);
                publisher.publish(&topic, payload.into(), within).await?;
                tracing::info!(speaker = config.id, "handed to the broker");
                Ok(UtteranceEnd { stop: None })
            }
            (Self::Http(sink), Utterance::Text(text)) => {
                let now = attention.floor.causes.now();
                let sent = sink.send(&saying.event, text, now).await;
                sent.map_err(|error| error.to_string())?;
                Ok(UtteranceEnd { stop: None })
            }
            _ => Err("what was made is for another way".into()),
        }
    }
}

async fn callee(config: &SpeakerConfig) -> Result<Callee, String> {
    let (user, address) = config.address()?;
    let password = match &config.password_file {
        None => None,
        Some(file) => {
            let text = tokio::fs::read_to_string(file).await;
            let text = text.map_err(|error| {
                format!("password_file {}: cannot be read: {error}", file.display())
            })?;
            Some(text.trim().to_owned())
        }
    };
    let answer_within = Duration::from_secs(config.answer_s.max(1));
    Ok(Callee { user, address, username: config.username.clone(), password, answer_within })
}

async fn to_group(
    group: SocketAddr,
    sound: &Sound,
    attention: &Attention<'_>,
) -> io::Result<Option<Stop>> {
    let media = UdpSocket::bind(("0.0.0.0", 0)).await?;
    let control = UdpSocket::bind(("0.0.0.0", 0)).await?;
    for socket in [&media, &control] {
        socket.set_multicast_ttl_v4(GROUP_TTL)?;
    }
    let mut twice = Sound::default();
    for n in 0..SENT_TO_GROUP {
        if n > 0 {
            twice.append(Sound::silence(PAUSE_MS));
        }
        twice.append(sound.clone());
    }
    Stream::new(&media, &control, group).play(&twice, attention).await
}
