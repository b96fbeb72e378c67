//! Geometries: GeoJSON outside, well-known binary (WKB) inside, as GeoParquet keeps them.

use geozero::wkb::Wkb;
use geozero::{CoordDimensions, ToJson, ToWkb};

/// The WKB of a GeoJSON geometry; `None` where it is none.
pub fn wkb(geojson: &str) -> Option<Vec<u8>> {
    geozero::geojson::GeoJson(geojson).to_wkb(CoordDimensions::xy()).ok()
}

/// The GeoJSON geometry of a WKB; `None` where it is none.
pub fn geojson(wkb: &[u8]) -> Option<String> {
    Wkb(wkb).to_json().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_geometry_comes_back() {
        let there = wkb(r#"{"type":"Point","coordinates":[121.4365,31.1884]}"#).unwrap();
        let back: serde_json::Value = serde_json::from_str(&geojson(&there).unwrap()).unwrap();
        assert_eq!(back, serde_json::json!({ "type": "Point", "coordinates": [121.4365, 31.1884] }));
        assert_eq!(wkb("{}"), None);
        assert_eq!(geojson(b"no"), None);
    }
}
