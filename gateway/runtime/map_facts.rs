//! The map of a configuration: its grids with their borders, and where each source is. Pure.

use std::collections::HashMap;

use crate::{
    config::Config,
    console::{MapGrid, MapGround, MapSector, MapSource, MapView, SiteMap},
    domain::{SourceInfo, SourceKind},
    sources::camera,
};

/// A usual lens of a fixed camera.
const VIEW_DEG: f64 = 70.0;
/// As far as a person can be told in its picture.
const VIEW_M: f64 = 40.0;

/// Ready to be sent.
pub(super) fn site_map(config: &Config) -> SiteMap {
    SiteMap::of(map_view(config), config.map.ground_file.clone())
}

fn map_view(config: &Config) -> MapView {
    let ground = config.map.corners.filter(|_| config.map.ground_file.is_some());
    let grid = |(grid, outline): (std::sync::Arc<crate::domain::Grid>, _)| MapGrid {
        code: grid.code.clone(),
        name: grid.name.clone(),
        community: grid.community.clone(),
        head: grid.head.clone(),
        outline,
    };
    let sectors: HashMap<&str, MapSector> = config
        .cameras
        .iter()
        .filter_map(|camera| Some((camera.id.as_str(), sector(camera)?)))
        .collect();
    let site = config.site.place;
    let source = |info: &SourceInfo| {
        let place = info.place.as_ref().map(|place| [place.lon, place.lat]);
        let grid = info.grid.as_deref();
        MapSource {
            id: info.id.to_string(),
            kind: info.kind,
            name: info.name.clone(),
            // A source that has none of its own stands in nobody's way on the map.
            place: place.filter(|place| Some(*place) != site),
            address: info.place.as_ref().and_then(|place| place.text.clone()),
            grid: grid.map(|grid| grid.code.clone()),
            grid_name: grid.map(|grid| grid.name.clone()),
            sees: sectors
                .get(info.id.as_str())
                .copied()
                .filter(|_| info.kind == SourceKind::Camera),
        }
    };
    MapView {
        place: site,
        ground: ground.map(|corners| MapGround { url: "/api/v1/map/ground", corners }),
        grids: config.grids.outlines().into_iter().map(grid).collect(),
        sources: config.sources.iter().map(source).collect(),
    }
}

fn sector(camera: &camera::Config) -> Option<MapSector> {
    Some(MapSector {
        bearing_deg: camera.bearing_deg?,
        view_deg: camera.view_deg.unwrap_or(VIEW_DEG),
        view_m: camera.view_m.unwrap_or(VIEW_M),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{env::FixedEnvironment, parse};

    #[test]
    fn each_source_has_its_place_its_grid_and_what_it_sees() {
        let folder = tempfile::tempdir().unwrap();
        let grids = folder.path().join("g.geojson");
        std::fs::write(&grids, r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"G1","name":"x","head":"h"},"geometry":{"type":"Polygon","coordinates":[[[113,30],[113.01,30],[113.01,30.01],[113,30.01],[113,30]]]}}]}"#).unwrap();
        let text = format!(
            "[site]\nid = \"x\"\ngrids = {grids:?}\nplace = [113.005, 30.005]\n\
             [[button]]\nid = \"own\"\nplace = [113.002, 30.002]\naddress = \"a\"\n[[button]]\nid = \"none\"\n\
             [[camera]]\nid = \"c1\"\nurl = \"rtsp://h/1\"\nplace = [113.003, 30.003]\nbearing_deg = 90\n\
             [[camera]]\nid = \"c2\"\nurl = \"rtsp://h/2\"\nplace = [113.004, 30.003]\nbearing_deg = 0\nview_deg = 100\nview_m = 15\n\
             [[camera]]\nid = \"c3\"\nurl = \"rtsp://h/3\"\n"
        );
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        let view = map_view(&config.unwrap_or_else(|| panic!("{problems:?}")));
        let of = |id: &str| view.sources.iter().find(|one| one.id == id).unwrap();
        assert_eq!(view.grids.len(), 1);
        assert_eq!((view.grids[0].code.as_str(), view.grids[0].outline[0][0].len()), ("G1", 5));
        assert_eq!(of("own").place, Some([113.002, 30.002]));
        assert_eq!(
            (of("own").address.as_deref(), of("own").grid.as_deref()),
            (Some("a"), Some("G1"))
        );
        assert_eq!(of("none").place, None, "the site's own place is nothing that it is at");
        let sees = |id: &str| of(id).sees.map(|one| [one.bearing_deg, one.view_deg, one.view_m]);
        assert_eq!(sees("c1"), Some([90.0, VIEW_DEG, VIEW_M]));
        assert_eq!(sees("c2"), Some([0.0, 100.0, 15.0]));
        assert_eq!(sees("c3"), None);
        assert!(view.ground.is_none());
    }
}
