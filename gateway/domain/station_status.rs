//! What a hydrological station says of itself: the 32 bits of element 45H (SL 651-2014, table 58).

use serde::{Deserialize, Serialize};

/// The bits as they came; bits 12 to 31 are reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StationStatus(pub u32);

/// Bit, Chinese, English: what is not well when the bit is set.
const FAULTS: [(u32, &str, &str); 4] = [
    (0, "交流电停电", "no mains power"),
    (5, "流量仪表故障", "the flow instrument is at fault"),
    (6, "水位仪表故障", "the level instrument is at fault"),
    (8, "存储器异常", "the memory is at fault"),
];
/// What the station itself compares, with limits of its own.
const ALARMS: [(u32, &str, &str); 4] = [
    (2, "水位超限", "its own level limit is passed"),
    (3, "流量超限", "its own flow limit is passed"),
    (4, "水质超限", "its own water quality limit is passed"),
    (11, "剩余水量超限", "its own limit of remaining water is passed"),
];
const BATTERY_LOW: u32 = 1;
const DOOR_CLOSED: u32 = 7;

impl StationStatus {
    fn has(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }

    /// What is broken, as (Chinese, English).
    pub fn faults(self) -> Vec<(&'static str, &'static str)> {
        self.of(&FAULTS)
    }

    /// Limits of the station's own that are passed, as (Chinese, English).
    pub fn alarms(self) -> Vec<(&'static str, &'static str)> {
        self.of(&ALARMS)
    }

    fn of(self, table: &[(u32, &'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        let set = table.iter().filter(|(bit, ..)| self.has(*bit));
        set.map(|(_, zh, en)| (*zh, *en)).collect()
    }

    /// The voltage of its battery is low.
    pub fn battery_low(self) -> bool {
        self.has(BATTERY_LOW)
    }

    /// The door of its box is open: bit 7 is 1 when it is closed.
    pub fn door_open(self) -> bool {
        !self.has(DOOR_CLOSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_of_table_58_means_what_the_table_says() {
        let said = |bits: u32| {
            let status = StationStatus(bits);
            let words = status.faults().into_iter().chain(status.alarms());
            let mut words: Vec<&str> = words.map(|(_, en)| en).collect();
            words.extend(status.battery_low().then_some("battery"));
            words.extend(status.door_open().then_some("door"));
            words.join("|")
        };
        for (bits, expected) in [
            (0x80, ""),
            (0, "door"),
            (0xC0, "the level instrument is at fault"),
            (0x81, "no mains power"),
            (0x82, "battery"),
            (0x84, "its own level limit is passed"),
            (0xA0, "the flow instrument is at fault"),
            (0x180, "the memory is at fault"),
            // The card of a user and a pump are nobody's fault, and bits 12 to 31 are reserved.
            (0xFFFF_F680, ""),
        ] {
            assert_eq!(said(bits), expected, "{bits:08X}");
        }
    }
}
