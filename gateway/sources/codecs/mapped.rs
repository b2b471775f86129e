//! Anything else that sends JSON, read as `[[device_model]]` with a `topic` says.

use std::sync::Arc;

use super::{
    Codecs, Message,
    message::{DeviceMessage, flag, id, object, percent, time},
    model::{Act, Model, ModelConfig},
};

/// A mapping, ready to be used.
pub(super) struct Mapping {
    pub(super) config: ModelConfig,
    /// The values that it names itself.
    own: Arc<Model>,
    filter: Vec<String>,
}

impl Mapping {
    pub(super) fn of(config: &ModelConfig) -> Option<Self> {
        let filter = config.topic.as_ref()?.split('/').map(str::to_owned).collect();
        let own = Arc::new(Model::of(&config.id, std::slice::from_ref(config)));
        Some(Self { config: config.clone(), own, filter })
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

/// A topic of a mapping is for buttons: what nobody knows there may be a press.
pub(super) fn read(
    codecs: &Codecs,
    mapping: &Mapping,
    level: &str,
    message: &Message<'_>,
) -> Result<DeviceMessage, String> {
    let config = &mapping.config;
    let (value, doubts) = object(message, &format!("the JSON of `{}`", config.id))?;
    let at = |pointer: &Option<String>| pointer.as_ref().and_then(|pointer| value.pointer(pointer));
    let named = id(at(&config.device));
    // Without its name it is called as its topic is: that costs a place, and no press.
    let name = named.clone().unwrap_or_else(|| level_of(level, message).to_owned());
    let known = codecs.device(&name);
    let mut decoded = DeviceMessage::of(&known, &name, message);
    decoded.mended(doubts);
    decoded.is_button = true;
    if let (None, Some(pointer)) = (&named, &config.device) {
        decoded.mended(vec![format!("{pointer} does not name the device")]);
    }
    // The mapping's own values go before those of the device's model.
    let listed = known.model.clone().filter(|_| !mapping.own.names_any());
    decoded.model = listed.or_else(|| Some(mapping.own.clone()));
    match &config.action {
        None => decoded.act = Act::Press,
        Some(pointer) => decoded.takes(pointer, at(&config.action)),
    }
    decoded.takes_id("id", at(&config.event_id), &[&name]);
    decoded.at = decoded.field("at", at(&config.at), time);
    decoded.report.model = Some(config.id.to_lowercase());
    decoded.report.silent_after_s = config.silent_after_s;
    decoded.report.battery = decoded.field("battery", at(&config.battery), percent);
    decoded.report.tampered = decoded.field("tamper", at(&config.tamper), flag);
    decoded.report.link = decoded.field("link", at(&config.link), percent);
    Ok(decoded)
}

/// What the topic alone says of whose it is.
pub(super) fn level_of<'m>(level: &'m str, message: &Message<'m>) -> &'m str {
    let last = || message.topic.rsplit('/').next().unwrap_or_default();
    [level, last(), message.via].into_iter().find(|name| !name.is_empty()).unwrap_or_default()
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
