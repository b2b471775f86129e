//! What a place that somebody typed refers to: the device's own word counts before its file's, that before the site's.

use super::{button::ButtonConfig, sections::Items, site::SiteConfig};
use crate::{
    console::MapConfig,
    domain::Datum,
    rules::rain::GaugeConfig,
    sources::{camera, drone, presence},
};

/// All places of the configuration file, from here on in WGS 84.
pub(super) fn to_wgs84(
    site: &mut SiteConfig,
    map: Option<&mut MapConfig>,
    buttons: &mut Items<ButtonConfig>,
    cameras: &mut Items<camera::Config>,
    drones: &mut Items<drone::Config>,
    gauges: &mut Items<GaugeConfig>,
) {
    let of_site = site.datum;
    let convert = |place: &mut Option<[f64; 2]>, datum: Option<Datum>| {
        *place = place.map(|place| datum.unwrap_or(of_site).to_wgs84(place));
    };
    convert(&mut site.place, None);
    if let Some(map) = map {
        let datum = map.datum.unwrap_or(of_site);
        map.corners = map.corners.map(|corners| corners.map(|corner| datum.to_wgs84(corner)));
    }
    buttons.iter_mut().for_each(|(_, one)| convert(&mut one.place, one.datum));
    cameras.iter_mut().for_each(|(_, one)| convert(&mut one.place, one.datum));
    drones.iter_mut().for_each(|(_, one)| convert(&mut one.place, one.datum));
    gauges.iter_mut().for_each(|(_, one)| convert(&mut one.place, one.datum));
}

/// Places at which devices are counted, from here on in WGS 84: they have no word of their own.
pub(super) fn presence_to_wgs84(site: &SiteConfig, places: &mut Items<presence::Config>) {
    for (_, one) in places {
        one.place = one.place.map(|place| site.datum.to_wgs84(place));
    }
}

/// A row of the list of buttons, from here on in WGS 84.
pub(super) fn row_to_wgs84(site: &SiteConfig, button: &mut ButtonConfig) {
    let datum = button.datum.or(site.buttons_datum).unwrap_or(site.datum);
    button.place = button.place.map(|place| datum.to_wgs84(place));
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, env::FixedEnvironment, parse};

    /// Shenzhen, as a map in GCJ-02 shows it, and where it is.
    const MAP: &str = "[113.9171764808363, 22.540796131694766]";
    const TRUE: [f64; 2] = [113.912316, 22.543847];

    fn place(config: &Config, id: &str) -> [f64; 2] {
        let source = config.sources.iter().find(|one| one.id.as_str() == id).unwrap();
        let place = source.place.as_ref().unwrap();
        [place.lon, place.lat]
    }

    fn is_true(place: [f64; 2]) -> bool {
        (place[0] - TRUE[0]).abs().max((place[1] - TRUE[1]).abs()) < 1e-8
    }

    #[test]
    fn a_device_says_it_before_its_file_and_that_before_the_site() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("b.csv");
        let row = "113.9171764808363,22.540796131694766";
        let rows = format!("id,lon,lat,datum\nr1,{row},\nr2,{row},gcj02\nr3,{row},wgs84\n");
        std::fs::write(&list, rows).unwrap();
        let text = |site: &str| {
            format!(
                "[site]\nid = \"x\"\nbuttons = {list:?}\nplace = {MAP}\n{site}\n\
                 [[button]]\nid = \"b1\"\nplace = {MAP}\n[[button]]\nid = \"b2\"\nplace = {MAP}\ndatum = \"wgs84\"\n\
                 [[camera]]\nid = \"c1\"\nurl = \"rtsp://h/c\"\nplace = {MAP}\ndatum = \"gcj02\"\n\
                 [[gauge]]\nid = \"g1\"\nplace = {MAP}\n[[gauge]]\nid = \"g2\"\n\
                 [[drone]]\nid = \"d1\"\nlisten = \"srt://127.0.0.1:9000?passphrase=long-enough-1\"\nplace = {MAP}\n"
            )
        };
        let shifted = |site: &str| {
            let (config, problems) = parse("a.toml", &text(site), &FixedEnvironment::default());
            let config = config.unwrap_or_else(|| panic!("{problems:?}"));
            let all = ["b1", "b2", "c1", "g1", "g2", "d1", "r1", "r2", "r3"];
            all.into_iter().filter(|id| is_true(place(&config, id))).collect::<Vec<_>>()
        };
        assert_eq!(shifted(""), ["c1", "r2"]);
        assert_eq!(shifted("datum = \"gcj02\""), ["b1", "c1", "g1", "g2", "d1", "r1", "r2"]);
        assert_eq!(shifted("buttons_datum = \"gcj02\""), ["c1", "r1", "r2"]);
        let both = "datum = \"gcj02\"\nbuttons_datum = \"cgcs2000\"";
        assert_eq!(shifted(both), ["b1", "c1", "g1", "g2", "d1", "r2"]);
        let (_, problems) =
            parse("a.toml", &text("datum = \"gcj2\""), &FixedEnvironment::default());
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|line| line.contains("site.datum")), "{told:?}");
    }

    #[test]
    fn who_lies_in_no_grid_is_told_once_and_answered_for_by_the_nearest() {
        let folder = tempfile::tempdir().unwrap();
        let grids = folder.path().join("g.geojson");
        std::fs::write(&grids, r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"G1","name":"x"},"geometry":{"type":"Polygon","coordinates":[[[113,30],[113.01,30],[113.01,30.01],[113,30.01],[113,30]]]}}]}"#).unwrap();
        let text = format!(
            "[site]\nid = \"x\"\ngrids = {grids:?}\n[[button]]\nid = \"in\"\nplace = [113.005, 30.005]\n\
             [[button]]\nid = \"out\"\nplace = [113.011, 30.005]\n[[button]]\nid = \"nowhere\"\n\
             [[button]]\nid = \"named\"\nplace = [113.5, 30.005]\ngrid = \"G1\"\n"
        );
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        let config = config.unwrap_or_else(|| panic!("{problems:?}"));
        let grid = |id: &str| {
            let source = config.sources.iter().find(|one| one.id.as_str() == id).unwrap();
            source.grid.as_ref().map(|grid| (grid.code.clone(), grid.outside_m))
        };
        assert_eq!(grid("in"), Some(("G1".into(), None)));
        assert_eq!(grid("out"), Some(("G1".into(), Some(96))));
        assert_eq!(grid("nowhere"), None, "where it is nobody said");
        assert_eq!(grid("named"), Some(("G1".into(), None)), "as it is written");
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains(
                "lies in none of the 1 grids; the nearest, G1, is 96 m away and answers for it"
            ),
            "{told:?}"
        );
    }
}
