//! Raw LoRaWAN payloads by model, where the network server has no codec: Milesight WS101, Dragino PB01.

/// What a payload says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) action: Option<&'static str>,
    pub(super) battery: Option<u8>,
}

/// What could be read, and what was expected at which byte where it could not.
pub(super) fn decode(model: &str, port: u64, bytes: &[u8]) -> (Raw, Option<String>) {
    match model {
        "ws101" => {
            let mut raw = Raw::default();
            let unread = ws101(bytes, &mut raw).err();
            (raw, unread)
        }
        "pb01" => match pb01(port, bytes) {
            Ok(raw) => (raw, None),
            Err(reason) => (Raw::default(), Some(reason)),
        },
        "" => (Raw::default(), Some("no `object`, and the model is not known: set a codec in the device profile, or name the model in the list of buttons".into())),
        other => (Raw::default(), Some(format!("no `object`, and raw data of `{other}` is not known here (ws101, pb01 are): set a codec in the device profile"))),
    }
}

/// Channel, type, value. Source: Milesight, WS101 uplink data; SensorDecoders ws-series/ws101. What
/// lies before a channel that is not known counts; a press behind it is found by its mark.
fn ws101(bytes: &[u8], raw: &mut Raw) -> Result<(), String> {
    let mut at = 0;
    while at < bytes.len() {
        let [channel, kind] = bytes
            .get(at..at + 2)
            .and_then(|two| two.try_into().ok())
            .ok_or_else(|| format!("byte {at}: expected channel and type"))?;
        let len = match (channel, kind) {
            (0x01, 0x75) | (0xff, 0x2e | 0x01 | 0x0b | 0x0f | 0xfe) => 1,
            (0xff, 0x09 | 0x0a | 0xff) => 2,
            (0xff, 0x08) => 6,
            // Answers to downlinks: reporting interval, then one byte each.
            (0xfe | 0xff, 0x03) => 2,
            (0xfe | 0xff, 0x10 | 0x28 | 0x2f | 0x3e | 0x74) => 1,
            _ => {
                // How long it is, nobody knows.
                let mark = bytes[at..]
                    .windows(3)
                    .find(|w| w[..2] == [0xff, 0x2e] && (1..=3).contains(&w[2]));
                if let Some(mark) = mark.filter(|_| raw.action.is_none()) {
                    raw.action = Some(pressed(mark[2]));
                }
                return Err(format!(
                    "byte {at}: channel {channel:02x} type {kind:02x} is not of a WS101"
                ));
            }
        };
        let value = bytes
            .get(at + 2..at + 2 + len)
            .ok_or_else(|| format!("byte {}: {len} more expected", at + 2))?;
        match (channel, kind, value[0]) {
            (0x01, 0x75, percent) if percent <= 100 => raw.battery = Some(percent),
            (0xff, 0x2e, how) => raw.action = Some(pressed(how)),
            _ => {}
        }
        at += 2 + len;
    }
    Ok(())
}

fn pressed(how: u8) -> &'static str {
    match how {
        2 => "long press",
        3 => "double press",
        // 1, and a mode of a later firmware, which is a press all the same.
        _ => "short press",
    }
}

/// Two alkaline cells as the PB01 has them: 2.1 V is empty, 3.0 V full, a straight line between.
const PB01_EMPTY_MV: u32 = 2_100;
const PB01_FULL_MV: u32 = 3_000;

/// Port 2: battery mV (big endian), sound flags, bit 0 of byte 3 alarm, then climate. Source:
/// dragino-end-node-decoder, PB01.
fn pb01(port: u64, bytes: &[u8]) -> Result<Raw, String> {
    match port {
        2 if bytes.len() == 8 => {
            let mv = u32::from(bytes[0]) << 8 | u32::from(bytes[1]);
            let share = mv.clamp(PB01_EMPTY_MV, PB01_FULL_MV) - PB01_EMPTY_MV;
            let battery = u8::try_from(share * 100 / (PB01_FULL_MV - PB01_EMPTY_MV)).ok();
            let action = (bytes[3] & 1 == 1).then_some("alarm");
            // 0 mV was not measured: a device without power sends nothing.
            Ok(Raw { action, battery: battery.filter(|_| mv > 0) })
        }
        2 => Err(format!("{} bytes on port 2; expected 8 of a PB01", bytes.len())),
        // 3 what was stored while there was no network, 5 version: it lives.
        _ => Ok(Raw::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_frames() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
                .collect()
        };
        let check = |model: &str, port: u64, frame: &str| match decode(model, port, &hex(frame)) {
            (raw, None) => format!("{:?} {:?}", raw.action, raw.battery),
            (raw, Some(reason)) if raw.action.is_some() => format!("{:?} but {reason}", raw.action),
            (_, Some(reason)) => reason,
        };
        let table = [
            ("ws101", 85, "017510ff2e01", r#"Some("short press") Some(16)"#),
            ("ws101", 85, "017564", "None Some(100)"),
            ("ws101", 85, "ff2e02", r#"Some("long press") None"#),
            ("ws101", 85, "ff0bffff0101ff086538b2232131ff090100ff0a0102ff0f00", "None None"),
            ("ws101", 85, "0175ff", "None None"),
            ("ws101", 85, "017510ff2e", "byte 5: 1 more expected"),
            ("ws101", 85, "0175", "byte 2: 1 more expected"),
            ("ws101", 85, "ff", "byte 0: expected channel and type"),
            (
                "ws101",
                85,
                "ff2e0103670100",
                r#"Some("short press") but byte 3: channel 03 type 67 is not of a WS101"#,
            ),
            (
                "ws101",
                85,
                "03670100ff2e02",
                r#"Some("long press") but byte 0: channel 03 type 67 is not of a WS101"#,
            ),
            ("ws101", 85, "03670100", "byte 0: channel 03 type 67 is not of a WS101"),
            ("pb01", 2, "0bb8030100fb01f6", r#"Some("alarm") Some(100)"#),
            ("pb01", 2, "08ca030000fb01f6", "None Some(16)"),
            ("pb01", 2, "0bb80301", "4 bytes on port 2; expected 8 of a PB01"),
            ("pb01", 5, "3501000bff0bb8", "None None"),
        ];
        for (model, port, frame, expected) in table {
            assert_eq!(check(model, port, frame), expected, "{model} {frame}");
        }
        assert!(check("", 1, "aa").starts_with("no `object`, and the model is not known"));
    }
}
