//! Anything else that sends JSON, read as `[[device_model]]` with a `topic` says.

use super::{
    Codecs, Message,
    message::{DeviceMessage, flag, id, object, percent, time, word},
    model::{Act, ModelConfig, act},
};

/// A mapping, ready to be used.
pub(super) struct Mapping {
    pub(super) config: ModelConfig,
    filter: Vec<String>,
}

impl Mapping {
    pub(super) fn of(config: &ModelConfig) -> Option<Self> {
        let filter = config.topic.as_ref()?.split('/').map(str::to_owned).collect();
        Some(Self { config: config.clone(), filter })
    }

    /// The level of the first `+` if the topic matches (empty if the filter has none).
    pub(super) fn matches<'t>(&self, topic: &'t str) -> Option<&'t str> {
        let mut levels = topic.split('/');
        let mut device = "";
        for want in &self.filter {
            if want == "#" {
                return Some(device);
            }
            let level = levels.next()?;
            if want == "+" {
                device = if device.is_empty() { level } else { device };
            } else if want != level {
                return None;
            }
        }
        levels.next().is_none().then_some(device)
    }
}

pub(super) fn read(
    codecs: &Codecs,
    mapping: &Mapping,
    level: &str,
    message: &Message<'_>,
) -> Result<DeviceMessage, String> {
    let config = &mapping.config;
    let value = object(message, &format!("the JSON of `{}`", config.id))?;
    let at = |pointer: &Option<String>| pointer.as_ref().and_then(|pointer| value.pointer(pointer));
    let name = match &config.device {
        Some(pointer) => id(at(&config.device))
            .ok_or_else(|| format!("{pointer}: expected the device's name"))?,
        None if level.is_empty() => message.topic.rsplit('/').next().unwrap_or_default().to_owned(),
        None => level.to_owned(),
    };
    let name = if name.is_empty() { message.via.to_owned() } else { name };
    let known = codecs.device(&name);
    let model = known.model.clone().or_else(|| codecs.model_in(&config.id.to_lowercase()));
    let mut decoded = DeviceMessage::of(known.source(&name), message);
    decoded.act = match (&config.action, word(at(&config.action))) {
        (None, _) => Act::Press,
        (Some(_), Some(action)) => {
            configured(config, &action).unwrap_or_else(|| act(model.as_deref(), &action))
        }
        (Some(_), None) => Act::Nothing,
    };
    decoded.id = id(at(&config.event_id));
    decoded.at = time(at(&config.at));
    let report = &mut decoded.report;
    report.model = Some(config.id.to_lowercase());
    report.silent_after_s = config.silent_after_s;
    report.battery = percent(at(&config.battery));
    report.tampered = flag(at(&config.tamper));
    report.link = percent(at(&config.link));
    Ok(decoded)
}

/// The mapping's own lists go first, word by word as they were typed: `1` and `true` are no words
/// that anybody else would take for a press.
fn configured(config: &ModelConfig, action: &str) -> Option<Act> {
    let has = |words: &[String]| words.iter().any(|word| word.eq_ignore_ascii_case(action));
    if has(&config.cancel) {
        return Some(Act::Cancel);
    } else if has(&config.test) {
        return Some(Act::Test);
    } else if has(&config.press) {
        return Some(Act::Press);
    }
    // A list of presses that does not have it: it is none.
    (!config.press.is_empty()).then_some(Act::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_mqtts() {
        let device = |filter: &str, topic: &str| {
            let config = ModelConfig { topic: Some(filter.into()), ..ModelConfig::default() };
            Mapping::of(&config).unwrap().matches(topic).map(str::to_owned)
        };
        assert_eq!(device("factory/+/up", "factory/7/up").as_deref(), Some("7"));
        assert_eq!(device("factory/+/up", "factory/7/down"), None);
        assert_eq!(device("factory/+/up", "factory/7/up/x"), None);
        assert_eq!(device("factory/+/#", "factory/7/a/b").as_deref(), Some("7"));
        assert_eq!(device("alarm", "alarm").as_deref(), Some(""));
        assert_eq!(device("factory/#", "factory").as_deref(), Some(""));
    }
}
