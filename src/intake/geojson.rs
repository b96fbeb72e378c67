//! GeoJSON: the features of a collection are rows, their properties columns, and their geometry a column of its own. Only WGS 84, as
//! RFC 7946 has it.

use serde_json::value::RawValue;

use super::block::Out;
use super::decode::{TextFile, size};
use super::faults::{Stop, shown};
use super::json::Names;
use super::json::elements::{Elements, array};
use super::json::object::{Mapper, Members, members};
use super::progress::Progress;
use super::table::{Found, Source};
use super::{Declared, FieldType, FileFault};

/// What a reference system is called that is WGS 84 with longitude first.
const WGS_84: &[&str] =
    &["urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "OGC:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4326"];

/// A feature collection.
pub struct GeoJson {
    file: TextFile,
    columns: Vec<Found>,
    geometry: String,
    size: u64,
}

impl GeoJson {
    /// Looks at a file. Where no column is declared, the whole of it is read for the names of its properties.
    pub fn open(file: TextFile, declared: &[Declared], progress: &Progress<'_>) -> Result<Self, Stop> {
        let size = size(&file.packed)?;
        let declared_geometry = declared.iter().find(|column| column.field_type == Some(FieldType::Geometry));
        let mut geometry = declared_geometry.map_or("geometry", |column| column.name.as_str()).to_owned();
        let mut names = Names::new(declared);
        if declared.is_empty() {
            progress.plan(size);
            each_feature(&file, progress, |_line, bytes| {
                if progress.stopped_at_last() {
                    return Err(Stop::Gone);
                }
                // Whatever is wrong is told when the rows are read.
                let Ok(feature) = members(bytes).and_then(|found| Feature::of(&found, 0)) else { return Ok(()) };
                feature.id.map_or(Ok(()), |_id| names.add("id"))?;
                let properties = feature.properties.map(|raw| members(raw.get().as_bytes()));
                properties.and_then(Result::ok).map_or(Ok(()), |found| found.0.iter().try_for_each(|(key, _)| names.add(key)))
            })?;
            while names.list.iter().any(|found| found.name == geometry) {
                geometry.push('_');
            }
        }
        let mut columns = names.list;
        match columns.iter_mut().find(|found| found.name == geometry) {
            Some(found) => found.field_type = Some((FieldType::Geometry, None)),
            None if declared.is_empty() => columns.push(Found { name: geometry.clone(), field_type: Some((FieldType::Geometry, None)) }),
            None => {
                return Err(Stop::whole("no field of type geometry takes the shapes of the features; declare one in [[fields]]"));
            }
        }
        Ok(GeoJson { file, columns, geometry, size })
    }
}

/// The members of a feature that are taken.
struct Feature<'a> {
    id: Option<&'a RawValue>,
    properties: Option<&'a RawValue>,
    geometry: Option<&'a RawValue>,
}

impl<'a> Feature<'a> {
    fn of(found: &Members<'a>, line: u64) -> Result<Self, String> {
        let mut feature = Feature { id: None, properties: None, geometry: None };
        let mut kind = None;
        for (key, value) in &found.0 {
            let place = match key.as_ref() {
                "type" => &mut kind,
                "id" => &mut feature.id,
                "properties" => &mut feature.properties,
                "geometry" => &mut feature.geometry,
                // Says again what the geometry says.
                "bbox" => continue,
                other => {
                    return Err(format!("the member {} of a feature has no place in a table; put it among the properties", shown(other)));
                }
            };
            if place.replace(*value).is_some() {
                return Err(format!("the member `{key}` stands twice in the feature of line {line}"));
            }
        }
        if kind.is_none_or(|kind| kind.get() != "\"Feature\"") {
            return Err("the record is no feature: its `type` must be \"Feature\"".to_owned());
        }
        feature.id = feature.id.filter(|raw| raw.get() != "null");
        feature.properties = feature.properties.filter(|raw| raw.get() != "null");
        Ok(feature)
    }
}

/// Calls `with` for each feature, and looks at the other members of the collection.
fn each_feature(file: &TextFile, progress: &Progress<'_>, mut with: impl FnMut(u64, &[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
    let mut elements = Elements::new(file.open(progress)?);
    elements.expect(b'{', "at the start of the file")?;
    let mut features = false;
    loop {
        let (line, key) = elements.value()?;
        let key: String = serde_json::from_slice(key).map_err(|_broken| Stop::at(line, "the JSON is broken: a key is missing"))?;
        elements.expect(b':', "behind a key")?;
        if key == "features" {
            if std::mem::replace(&mut features, true) {
                return Err(Stop::at(line, "the key `features` stands twice"));
            }
            array(&mut elements, &mut with)?;
        } else {
            let (line, value) = elements.value()?;
            check_member(&key, value, line)?;
        }
        if elements.peek()? == Some(b'}') {
            elements.expect(b'}', "at the end")?;
            break;
        }
        elements.expect(b',', "between two members")?;
    }
    if elements.peek()?.is_some() {
        return Err(Stop::at(elements.line(), "the JSON is broken: something stands behind the end of the collection"));
    }
    if features { Ok(()) } else { Err(Stop::whole("the GeoJSON has no `features`")) }
}

/// A collection in another reference system would put every shape in the wrong place.
fn check_member(key: &str, value: &[u8], line: u64) -> Result<(), Stop> {
    let value: serde_json::Value = serde_json::from_slice(value).map_err(|cause| Stop::at(line, format!("the JSON is broken: {cause}")))?;
    match key {
        "type" if value != "FeatureCollection" => Err(Stop::at(line, "the `type` of the file must be \"FeatureCollection\"")),
        "crs" if !value.is_null() => {
            let name = value.pointer("/properties/name").and_then(serde_json::Value::as_str).unwrap_or("without a name");
            if WGS_84.contains(&name) {
                return Ok(());
            }
            let name = shown(name);
            Err(Stop::at(line, format!("the reference system is {name}; GeoJSON is in WGS 84 (EPSG:4326): transform it and send it again")))
        }
        _ => Ok(()),
    }
}

impl Source for GeoJson {
    fn columns(&self) -> &[Found] {
        &self.columns
    }

    fn header_line(&self) -> Option<u64> {
        None
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, progress: &Progress<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let mut mapper = Mapper::new(out.names());
        each_feature(&self.file, progress, |line, bytes| {
            let found = match members(bytes).and_then(|found| Ok((Feature::of(&found, line)?, found))) {
                Ok((feature, _members)) => feature,
                Err(detail) => return out.bad_line(line, &detail),
            };
            self.row(&found, line, &mut mapper, out)
        })?;
        mapper.finish(out);
        Ok(())
    }
}

impl GeoJson {
    fn row(&self, feature: &Feature<'_>, line: u64, mapper: &mut Mapper<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let properties = match feature.properties.map(|raw| members(raw.get().as_bytes())).transpose() {
            Ok(properties) => properties.unwrap_or(Members(Vec::new())),
            Err(detail) => return out.bad_line(line, &format!("the properties: {detail}")),
        };
        let names = out.names();
        let mut cells = vec![None; names.len()];
        let mut faults = mapper.place(&properties, &mut cells, line);
        let others = [("id", feature.id), (self.geometry.as_str(), feature.geometry)];
        for (name, value) in others.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))) {
            let detail = match names.iter().position(|known| known == name) {
                None => format!("the member `{name}` of the feature has no [[fields]] in dataset.toml"),
                Some(at) if cells[at].replace(value).is_some_and(|before| before.get() != value.get()) => {
                    format!("the feature has a member `{name}` and another property of that name; rename the property")
                }
                Some(_) => continue,
            };
            faults.push(FileFault::at(line, detail));
        }
        mapper.row(&cells, faults, line, out)
    }
}
