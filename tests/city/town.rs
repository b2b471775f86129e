//! The place itself: grids with their people, buttons and cameras, as the desk and as a site's files have them.

use std::{fmt::Write, sync::Arc};

use gridpost::{
    domain::{Calendar, Grid, GridWorker, Level, SourceInfo, SourceKind},
    incident::{Contact, Directory, LifeConfig, Limits},
};
use jiff::tz::TimeZone;

pub(super) const GRIDS: usize = 810;
pub(super) const TOWNSHIPS: usize = 27;
pub(crate) const BUTTONS: usize = 686;
pub(super) const CAMERAS: usize = 2_000;
/// Grids of one township stand in one column.
const ROWS: usize = GRIDS / TOWNSHIPS;

pub(super) fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

pub(crate) fn button(n: usize) -> String {
    format!("b{n}")
}

pub(super) fn camera(n: usize) -> String {
    format!("c{n}")
}

fn grid(n: usize) -> Grid {
    Grid {
        code: format!("G{n:03}"),
        name: format!("第{n}网格"),
        community: Some(format!("第{}社区", n / 5)),
        township: Some(format!("第{}镇", n / ROWS)),
        head: Some(format!("网格长{n}")),
        head_phone: Some(format!("138-{n:08}")),
        workers: vec![GridWorker { name: format!("网格员{n}"), phone: None }],
        outside_m: None,
    }
}

/// What the desk knows of the town.
pub(super) fn directory() -> Directory {
    let grids: Vec<Arc<Grid>> = (0..GRIDS).map(|n| Arc::new(grid(n))).collect();
    let info = |id: String, kind, n: usize| SourceInfo {
        id: id.as_str().into(),
        kind,
        name: format!("{id} 号"),
        place: None,
        grid: Some(Arc::clone(&grids[n % GRIDS])),
        contact: None,
        note: None,
    };
    let buttons = (0..BUTTONS).map(|n| info(button(n), SourceKind::Button, n));
    let cameras = (0..CAMERAS).map(|n| info(camera(n), SourceKind::Camera, n));
    let bureau = Contact {
        level: Level::Department,
        grids: Vec::new(),
        communities: Vec::new(),
        townships: Vec::new(),
        departments: Vec::new(),
        name: "值班局长".into(),
        phone: None,
    };
    let life = LifeConfig { contact: vec![bureau], ..LifeConfig::default() };
    Directory {
        sources: buttons.chain(cameras).map(|info| (info.id.clone(), info)).collect(),
        auto_close_after_s: 86_400,
        limits: Limits::new(&life, Calendar::default(), zone()),
        life,
        ..Directory::default()
    }
}

/// The same grids as a site's file has them.
pub(crate) fn geojson() -> String {
    let mut features = String::new();
    for n in 0..GRIDS {
        let Grid { code, name, community, township, head, .. } = grid(n);
        let [community, township, head] = [community, township, head].map(Option::unwrap);
        let west = 113.8 + (n / ROWS) as f64 * 0.01;
        let south = 30.8 + (n % ROWS) as f64 * 0.01;
        let (east, north) = (west + 0.01, south + 0.01);
        let comma = if n == 0 { "" } else { ",\n" };
        write!(
            features,
            r#"{comma}{{"type":"Feature","properties":{{"code":"{code}","name":"{name}","community":"{community}","township":"{township}","head":"{head}"}},"geometry":{{"type":"Polygon","coordinates":[[[{west:.4},{south:.4}],[{east:.4},{south:.4}],[{east:.4},{north:.4}],[{west:.4},{north:.4}],[{west:.4},{south:.4}]]]}}}}"#
        )
        .unwrap();
    }
    format!(r#"{{"type":"FeatureCollection","features":[{features}]}}"#)
}
