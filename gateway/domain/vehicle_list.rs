//! Whose vehicles are known: residents, visitors for a time, staff, and those that somebody may look for by law. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Plate, PlateState};

/// On which list a vehicle is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum VehicleList {
    /// 居民.
    Resident,
    /// 访客: for a time, and expires by itself.
    Visitor,
    /// 工作人员.
    Staff,
    /// 关注: by a lawful order, of an author, until it ends.
    Attention,
}

/// What a vehicle is at this site, at a time.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum VehicleStanding {
    Resident,
    Visitor,
    Staff,
    /// Its plate was read, and is on no list.
    Unknown,
    /// Its plate could not be read.
    Unread,
    /// It was on a list, until a time that is over.
    Expired,
    /// It is looked for, whatever else it is.
    Attention,
}

impl VehicleStanding {
    /// As in the configuration and in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resident => "resident",
            Self::Visitor => "visitor",
            Self::Staff => "staff",
            Self::Unknown => "unknown",
            Self::Unread => "unread",
            Self::Expired => "expired",
            Self::Attention => "attention",
        }
    }
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedVehicle {
    pub plate: Plate,
    pub list: VehicleList,
    /// It counts no more from then on.
    pub until: Option<Timestamp>,
    /// Attention: the order by which it is looked for, and who put it here.
    pub order: Option<String>,
    pub author: Option<String>,
}

/// All lists of a site.
#[derive(Clone, Debug, Default)]
pub struct VehicleLists {
    by_plate: BTreeMap<Plate, Vec<ListedVehicle>>,
}

impl VehicleLists {
    /// Of lines in any order.
    pub fn new(lines: impl IntoIterator<Item = ListedVehicle>) -> Self {
        let mut by_plate: BTreeMap<Plate, Vec<ListedVehicle>> = BTreeMap::new();
        for line in lines {
            by_plate.entry(line.plate.clone()).or_default().push(line);
        }
        Self { by_plate }
    }

    /// What a vehicle is at this time. None: its plate may still be read.
    pub fn standing(&self, plate: &PlateState, at: Timestamp) -> Option<VehicleStanding> {
        match plate {
            PlateState::Open => None,
            PlateState::Unread => Some(VehicleStanding::Unread),
            PlateState::Read(plate) => Some(self.of_plate(plate, at)),
        }
    }

    /// The line by which it is looked for at this time.
    pub fn attention(&self, plate: &Plate, at: Timestamp) -> Option<&ListedVehicle> {
        let is_it = |line: &&ListedVehicle| line.list == VehicleList::Attention && holds(line, at);
        self.by_plate.get(plate)?.iter().find(is_it)
    }

    fn of_plate(&self, plate: &Plate, at: Timestamp) -> VehicleStanding {
        let Some(lines) = self.by_plate.get(plate) else { return VehicleStanding::Unknown };
        let standing = |line: &ListedVehicle| match line.list {
            VehicleList::Attention => VehicleStanding::Attention,
            VehicleList::Staff => VehicleStanding::Staff,
            VehicleList::Resident => VehicleStanding::Resident,
            VehicleList::Visitor => VehicleStanding::Visitor,
        };
        let now =
            lines.iter().filter(|line| holds(line, at)).map(|line| (line.list, standing(line)));
        // Attention before all; of the others the one that gives most.
        let order = |list: VehicleList| match list {
            VehicleList::Attention => 0,
            VehicleList::Staff => 1,
            VehicleList::Resident => 2,
            VehicleList::Visitor => 3,
        };
        let best = now.min_by_key(|(list, _)| order(*list)).map(|(_, standing)| standing);
        // That an order has ended makes nobody a guest whose time is over.
        let was_let_in = lines.iter().any(|line| line.list != VehicleList::Attention);
        best.unwrap_or(match was_let_in {
            true => VehicleStanding::Expired,
            false => VehicleStanding::Unknown,
        })
    }
}

fn holds(line: &ListedVehicle, at: Timestamp) -> bool {
    line.until.is_none_or(|until| at < until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn line(plate: &str, list: VehicleList, until: Option<i64>) -> ListedVehicle {
        let (order, author) = (None, None);
        let plate = Plate::parse(plate).unwrap();
        ListedVehicle { plate, list, until: until.map(at), order, author }
    }

    #[test]
    fn a_list_counts_until_its_end_and_attention_before_all() {
        let lists = VehicleLists::new([
            line("晋B12345", VehicleList::Resident, None),
            line("晋B22222", VehicleList::Visitor, Some(10)),
            line("晋B33333", VehicleList::Attention, Some(10)),
            line("晋B44444", VehicleList::Staff, None),
            line("晋B44444", VehicleList::Attention, Some(10)),
            line("晋B55555", VehicleList::Visitor, Some(10)),
            line("晋B55555", VehicleList::Resident, None),
        ]);
        let standing = |plate: &str, second: i64| {
            let plate = PlateState::Read(Plate::parse(plate).unwrap());
            lists.standing(&plate, at(second)).unwrap().as_str()
        };
        for (plate, before, after) in [
            ("晋B12345", "resident", "resident"),
            ("晋B22222", "visitor", "expired"),
            ("晋B33333", "attention", "unknown"),
            ("晋B44444", "attention", "staff"),
            ("晋B55555", "resident", "resident"),
            ("晋B66666", "unknown", "unknown"),
        ] {
            // The end itself is no part of it.
            assert_eq!((standing(plate, 9), standing(plate, 10)), (before, after), "{plate}");
        }
        assert_eq!(lists.standing(&PlateState::Open, at(0)), None);
        assert_eq!(lists.standing(&PlateState::Unread, at(0)), Some(VehicleStanding::Unread));
        let looked_for = Plate::parse("晋B33333").unwrap();
        assert!(lists.attention(&looked_for, at(9)).is_some());
        assert!(lists.attention(&looked_for, at(10)).is_none());
    }
}
