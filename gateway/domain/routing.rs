//! 准入清单, the list of admitted items: whose business an incident is, by kind, place and posture. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Grid, Kind, Posture};

/// 准入清单: whose business an incident is, as the list said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// 部门: who answers for it.
    pub department: String,
    /// 事项, as the list names it.
    pub item: String,
    /// The site's own number of the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whom to ask for there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Telephone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// `false`: 准入清单 does not hold it, and this is the person for all else.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub admitted: bool,
}

fn yes() -> bool {
    true
}

/// An item 事项 of the list and the department 部门 that answers for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmittedItem {
    /// The site's own number of the item.
    pub code: Option<String>,
    /// Its name.
    pub item: String,
    /// Only incidents of these kinds.
    pub kinds: Vec<Kind>,
    /// Only in these: codes of grids, names of communities or of townships. Empty: everywhere.
    pub areas: Vec<String>,
    /// Only while one of these postures is held. Empty: always.
    pub postures: Vec<Posture>,
    /// Who answers for it.
    pub department: String,
    /// Whom to ask for there.
    pub person: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
}

/// Who gets what the list does not admit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otherwise {
    /// Where this person is, or what the person is.
    pub department: String,
    /// A named person.
    pub person: String,
    /// Telephone.
    pub phone: Option<String>,
}

/// What the record says of an item that the list does not hold.
const NOT_ADMITTED: &str = "未列入准入清单";

/// The whole list of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// In the order of the file.
    pub items: Vec<AdmittedItem>,
    /// For everything else.
    pub otherwise: Option<Otherwise>,
}

impl AdmittedItem {
    /// How exactly it is meant for such an incident: posture before area; nothing if it is not.
    fn fits(&self, kind: Kind, grid: Option<&Grid>, held: &[Posture]) -> Option<(bool, u8)> {
        let of_posture = !self.postures.is_empty();
        if !self.kinds.contains(&kind)
            || (of_posture && !self.postures.iter().any(|posture| held.contains(posture)))
        {
            return None;
        }
        Some((of_posture, Grid::nearness(grid, &self.areas)?))
    }
}

impl Routes {
    /// Whose business it is: of the items that fit, the one with a posture, then with the nearest area,
    /// then the first of the list. What none admits goes to the person named for that.
    pub fn route(&self, kind: Kind, grid: Option<&Grid>, held: &[Posture]) -> Option<Route> {
        let mut best: Option<((bool, u8), &AdmittedItem)> = None;
        for item in &self.items {
            let Some(fits) = item.fits(kind, grid, held) else { continue };
            if best.is_none_or(|(most, _)| fits > most) {
                best = Some((fits, item));
            }
        }
        if let Some((_, item)) = best {
            return Some(Route {
                department: item.department.clone(),
                item: item.item.clone(),
                code: item.code.clone(),
                person: item.person.clone(),
                phone: item.phone.clone(),
                admitted: true,
            });
        }
        self.otherwise.as_ref().map(|otherwise| Route {
            department: otherwise.department.clone(),
            item: NOT_ADMITTED.into(),
            code: None,
            person: Some(otherwise.person.clone()),
            phone: otherwise.phone.clone(),
            admitted: false,
        })
    }

    /// Departments of the list and of the person for all else, each once, in order.
    pub fn departments(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        let otherwise = self.otherwise.iter().map(|one| one.department.as_str());
        for name in self.items.iter().map(|item| item.department.as_str()).chain(otherwise) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(department: &str, areas: &[&str], postures: &[Posture]) -> AdmittedItem {
        AdmittedItem {
            code: None,
            item: format!("of {department}"),
            kinds: vec![Kind::FireLane, Kind::Crowd],
            areas: areas.iter().map(|&area| area.to_owned()).collect(),
            postures: postures.to_vec(),
            department: department.into(),
            person: None,
            phone: None,
        }
    }

    fn grid() -> Grid {
        Grid {
            code: "G1".into(),
            community: Some("东湖社区".into()),
            township: Some("北街道".into()),
            ..Grid::default()
        }
    }

    #[test]
    fn the_most_exact_item_wins_in_whichever_order_they_stand() {
        let mut items = vec![
            item("everywhere", &[], &[]),
            item("township", &["北街道"], &[]),
            item("community", &["东湖社区"], &[]),
            item("grid", &["G0", "G1"], &[]),
            item("elsewhere", &["G9"], &[]),
            item("flood", &[], &[Posture::Flood]),
        ];
        let expected = [
            (Some(grid()), vec![], "grid"),
            (Some(Grid { code: "G7".into(), ..grid() }), vec![], "community"),
            (Some(Grid { code: "G7".into(), community: None, ..grid() }), vec![], "township"),
            (Some(Grid { code: "G7".into(), ..Grid::default() }), vec![], "everywhere"),
            (None, vec![], "everywhere"),
            (Some(grid()), vec![Posture::KeyPeriod], "grid"),
            (Some(grid()), vec![Posture::KeyPeriod, Posture::Flood], "flood"),
        ];
        for _ in 0..items.len() {
            let routes = Routes { items: items.clone(), otherwise: None };
            for (grid, held, department) in &expected {
                let route = routes.route(Kind::FireLane, grid.as_ref(), held).unwrap();
                assert_eq!((route.department.as_str(), route.admitted), (*department, true));
            }
            items.rotate_left(1);
        }
    }

    #[test]
    fn of_two_that_fit_alike_the_first_of_the_list_is_taken() {
        let routes =
            Routes { items: vec![item("a", &[], &[]), item("b", &[], &[])], otherwise: None };
        assert_eq!(routes.route(Kind::Crowd, None, &[]).unwrap().department, "a");
    }

    #[test]
    fn l5_what_the_list_does_not_admit_goes_to_a_named_person() {
        let otherwise =
            Otherwise { department: "综治中心".into(), person: "李四".into(), phone: None };
        let routes = Routes { items: vec![item("a", &["G1"], &[])], otherwise: Some(otherwise) };
        let route = routes.route(Kind::Rain, Some(&grid()), &[]).unwrap();
        assert_eq!((route.person.as_deref(), route.admitted), (Some("李四"), false));
        let outside = routes.route(Kind::FireLane, None, &[]).unwrap();
        assert!(!outside.admitted, "an item of an area is not for a place in none");
        assert_eq!(Routes::default().route(Kind::Rain, None, &[]), None);
        assert_eq!(routes.departments(), ["a", "综治中心"]);
    }
}
