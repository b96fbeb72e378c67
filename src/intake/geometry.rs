//! Geometries: GeoJSON (RFC 7946) outside, well-known binary (ISO WKB) inside, as GeoParquet keeps them. Heights are kept.

mod json;
mod wkb;

use std::collections::BTreeSet;

/// The deepest that geometry collections may be nested.
const MAX_DEPTH: usize = 8;

/// The kinds of shapes by their number in WKB, and how many brackets their coordinates have.
const KINDS: &[(u32, &str, usize)] = &[
    (1, "Point", 1),
    (2, "LineString", 2),
    (3, "Polygon", 3),
    (4, "MultiPoint", 2),
    (5, "MultiLineString", 3),
    (6, "MultiPolygon", 4),
    (7, "GeometryCollection", 0),
];

/// A shape on its way from one form to the other.
#[derive(Debug, Clone, PartialEq)]
struct Shape {
    kind: u32,
    body: Body,
}

#[derive(Debug, Clone, PartialEq)]
enum Body {
    /// Positions with two or three numbers each, in lists of lists.
    Positions(Positions),
    /// The parts of a geometry collection.
    Parts(Vec<Shape>),
}

#[derive(Debug, Clone, PartialEq)]
enum Positions {
    One(Vec<f64>),
    Many(Vec<Positions>),
}

impl Positions {
    /// Calls `with` for every position.
    fn each(&self, with: &mut dyn FnMut(&[f64])) {
        match self {
            Positions::One(numbers) => with(numbers),
            Positions::Many(list) => list.iter().for_each(|positions| positions.each(with)),
        }
    }
}

impl Shape {
    fn each(&self, with: &mut dyn FnMut(&[f64])) {
        match &self.body {
            Body::Positions(positions) => positions.each(with),
            Body::Parts(parts) => parts.iter().for_each(|part| part.each(with)),
        }
    }

    /// How many numbers its positions have; `None` where they differ.
    fn dimensions(&self) -> Option<usize> {
        let (mut found, mut same) = (None, true);
        self.each(&mut |numbers| {
            same &= found.is_none_or(|known| known == numbers.len());
            found = Some(numbers.len());
        });
        same.then_some(found.unwrap_or(2))
    }
}

/// What the shapes of a column are and how far they reach: what GeoParquet says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extent {
    kinds: BTreeSet<String>,
    bounds: Option<[f64; 4]>,
}

impl Extent {
    fn add(&mut self, shape: &Shape, dimensions: usize) {
        let name = KINDS.iter().find(|(kind, ..)| *kind == shape.kind).map_or("", |(_, name, _)| name);
        self.kinds.insert(if dimensions == 3 { format!("{name} Z") } else { name.to_owned() });
        shape.each(&mut |numbers| {
            let (x, y) = (numbers[0], numbers[1]);
            let [west, south, east, north] = self.bounds.unwrap_or([x, y, x, y]);
            self.bounds = Some([west.min(x), south.min(y), east.max(x), north.max(y)]);
        });
    }

    /// The metadata of a column, as GeoParquet 1.1 wants it. Without a reference system the column is in OGC:CRS84.
    pub fn metadata(&self) -> serde_json::Value {
        let mut column = serde_json::json!({ "encoding": "WKB", "geometry_types": self.kinds });
        if let (Some(bounds), Some(column)) = (self.bounds, column.as_object_mut()) {
            column.insert("bbox".to_owned(), serde_json::json!(bounds));
        }
        column
    }
}

/// What a file with these columns of shapes says under `geo`, as GeoParquet 1.1 wants it; `None` without any. An extent of nothing says
/// neither which kinds there are nor how far they reach.
pub fn geoparquet<'c>(columns: impl Iterator<Item = (&'c str, &'c Extent)>) -> Option<String> {
    let (mut all, mut primary) = (serde_json::Map::new(), None);
    for (name, extent) in columns {
        primary.get_or_insert(name);
        all.insert(name.to_owned(), extent.metadata());
    }
    primary.map(|primary| serde_json::json!({ "version": "1.1.0", "primary_column": primary, "columns": all }).to_string())
}

/// The WKB of a GeoJSON geometry, which is added to the extent.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(geojson: &str, extent: &mut Extent) -> Result<Vec<u8>, String> {
    let shape = json::read(geojson)?;
    let dimensions = shape.dimensions().ok_or("some of its positions have a height and some have none")?;
    let mut outside = None;
    shape.each(&mut |numbers| {
        if numbers[0].abs() > 180.0 || numbers[1].abs() > 90.0 {
            outside = Some(format!("{}, {}", numbers[0], numbers[1]));
        }
    });
    if let Some(position) = outside {
        return Err(format!("the position {position} lies outside of the earth; give longitude and latitude in degrees (WGS 84)"));
    }
    extent.add(&shape, dimensions);
    Ok(wkb::write(&shape, dimensions))
}

/// The WKB of a GeoJSON geometry; `None` where it is none.
pub fn wkb(geojson: &str) -> Option<Vec<u8>> {
    read(geojson, &mut Extent::default()).ok()
}

/// The GeoJSON geometry of a WKB; `None` where it is none.
pub fn geojson(wkb: &[u8]) -> Option<String> {
    wkb::read(wkb).map(|shape| json::write(&shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_geometry_comes_back() {
        for text in [
            r#"{"type":"Point","coordinates":[121.4365,31.1884]}"#,
            r#"{"type":"Point","coordinates":[121.43650000000001,31.1884,4.5]}"#,
            r#"{"type":"LineString","coordinates":[[0,0],[1,1]]}"#,
            r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]],[[0.1,0.1],[0.2,0.1],[0.2,0.2],[0.1,0.1]]]}"#,
            r#"{"type":"MultiPoint","coordinates":[[0,0],[1,1]]}"#,
            r#"{"type":"MultiLineString","coordinates":[[[0,0],[1,1]]]}"#,
            r#"{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]]]}"#,
            r#"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,2]}]}"#,
        ] {
            let there = wkb(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(geojson(&there).as_deref(), Some(text));
        }
        assert_eq!(geojson(b"no"), None);
    }

    #[test]
    fn what_is_no_geometry_is_told() {
        let cases = [
            ("{}", "type"),
            ("no", "JSON"),
            (r#"{"type":"Circle","coordinates":[1,2]}"#, "Circle"),
            (r#"{"type":"Point","coordinates":[1]}"#, "two numbers"),
            (r#"{"type":"Point","coordinates":[1,2,3,4]}"#, "two numbers"),
            (r#"{"type":"Point","coordinates":[[1,2]]}"#, "number"),
            (r#"{"type":"Point","coordinates":[200,2]}"#, "outside of the earth"),
            (r#"{"type":"Point","coordinates":[1,1e999]}"#, "number"),
            (r#"{"type":"LineString","coordinates":[[1,2],[1,2,3]]}"#, "height"),
            (r#"{"type":"LineString","coordinates":[[1,2]]}"#, "two positions"),
            (r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1]]]}"#, "closed"),
        ];
        for (text, wanted) in cases {
            let told = read(text, &mut Extent::default()).unwrap_err();
            assert!(told.contains(wanted), "{text}: {told}");
        }
        let mut deep = r#"{"type":"Point","coordinates":[1,2]}"#.to_owned();
        for _ in 0..40 {
            deep = format!(r#"{{"type":"GeometryCollection","geometries":[{deep}]}}"#);
        }
        assert!(wkb(&deep).is_none());
    }

    #[test]
    fn wkb_is_read_in_its_dialects() {
        let big_endian = [vec![0, 0, 0, 0, 1], 1.5_f64.to_be_bytes().to_vec(), 2_f64.to_be_bytes().to_vec()].concat();
        assert_eq!(geojson(&big_endian).as_deref(), Some(r#"{"type":"Point","coordinates":[1.5,2]}"#));
        let header = [1_u8].into_iter().chain((1_u32 | 0x2000_0000).to_le_bytes());
        let with_srid = |srid: u32| -> Vec<u8> {
            header.clone().chain(srid.to_le_bytes()).chain(1_f64.to_le_bytes()).chain(2_f64.to_le_bytes()).collect()
        };
        assert!(geojson(&with_srid(4326)).is_some());
        assert!(geojson(&with_srid(3857)).is_none());
    }

    #[test]
    fn the_extent_covers_all() {
        let mut extent = Extent::default();
        for text in [r#"{"type":"Point","coordinates":[1,2]}"#, r#"{"type":"Point","coordinates":[-3,4,5]}"#] {
            read(text, &mut extent).unwrap();
        }
        let wanted = serde_json::json!({ "encoding": "WKB", "geometry_types": ["Point", "Point Z"], "bbox": [-3.0, 2.0, 1.0, 4.0] });
        assert_eq!(extent.metadata(), wanted);
    }
}
