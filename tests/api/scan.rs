//! The scan for personal data over the datasets that come with the service.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray};
use datafusion::arrow::record_batch::RecordBatch;
use qingdan::intake::{Declared, FieldType, FindingKind, FindingLevel, Profile, Profiler, value};

fn titles(field: &toml::Value) -> Vec<String> {
    let title = field["title"].as_table().unwrap();
    title.values().map(|title| title.as_str().unwrap().to_owned()).collect()
}

/// The columns of a dataset; decimals and the like are read as text, which is scanned as well.
fn columns(entry: &toml::Value) -> Vec<Declared> {
    let field_type = |field: &toml::Value| match field.get("type").and_then(toml::Value::as_str) {
        Some("integer") => FieldType::Integer,
        Some("date") => FieldType::Date,
        _ => FieldType::String,
    };
    let column = |field: &toml::Value| Declared {
        name: field["name"].as_str().unwrap().to_owned(),
        field_type: Some(field_type(field)),
        personal: field["sensitivity"].as_str().is_some_and(|sensitivity| sensitivity != "none"),
        titles: titles(field),
        cleared: field.get("cleared").is_some(),
        ..Declared::default()
    };
    entry["fields"].as_array().unwrap().iter().map(column).collect()
}

fn array(declared: &Declared, cells: &[String]) -> ArrayRef {
    let cells = cells.iter().map(|cell| (!cell.is_empty()).then_some(cell.as_str()));
    match declared.field_type {
        Some(FieldType::Integer) => Arc::new(Int64Array::from_iter(cells.map(|cell| cell.map(|cell| value::integer(cell).unwrap())))),
        Some(FieldType::Date) => {
            let day = |cell: &str| value::date(cell).unwrap().signed_duration_since(chrono::NaiveDate::default()).num_days() as i32;
            Arc::new(Date32Array::from_iter(cells.map(|cell| cell.map(day))))
        }
        _ => Arc::new(StringArray::from_iter(cells)),
    }
}

/// The profile of a shipped dataset, and the rows as they stand in the file; `None` when it has no data.
fn shipped(folder: &Path) -> Option<(String, Profile, Vec<Vec<String>>)> {
    let entry: toml::Value = toml::from_str(&fs::read_to_string(folder.join("dataset.toml")).unwrap()).unwrap();
    let data = entry.get("data")?.as_str()?;
    let declared = columns(&entry);
    let mut reader = csv::Reader::from_path(folder.join(data)).unwrap();
    let mut cells = vec![Vec::new(); declared.len()];
    for record in reader.records() {
        record.unwrap().iter().zip(&mut cells).for_each(|(cell, column)| column.push(cell.to_owned()));
    }
    let named = declared.iter().zip(&cells).map(|(declared, cells)| (declared.name.clone(), array(declared, cells)));
    let mut profiler = Profiler::new(&declared);
    profiler.observe(&RecordBatch::try_from_iter(named).unwrap());
    Some((entry["open_type"].as_str().unwrap().to_owned(), profiler.finish(), cells))
}

#[test]
fn shipped_open_datasets_hold_no_personal_data() {
    let mut seen = 0;
    for folder in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets")).unwrap() {
        let folder = folder.unwrap().path();
        if !folder.join("dataset.toml").exists() {
            continue;
        }
        if let Some((open_type, profile, _)) = shipped(&folder)
            && open_type == "unconditional"
        {
            let open: Vec<_> = profile.findings.iter().filter(|finding| !finding.cleared).collect();
            assert!(open.is_empty(), "{}: {open:#?}", folder.display());
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn the_synthetic_visits_are_found_completely() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/community-health-visits");
    let (_, profile, cells) = shipped(&folder).unwrap();
    let rows = cells[0].len() as i64;
    let found: Vec<_> = profile.findings.iter().map(|found| (found.column.as_str(), found.kind, found.level, found.matches)).collect();
    let wanted = [
        ("resident_id", FindingKind::ResidentId, FindingLevel::Strong, rows),
        ("resident_name", FindingKind::Name, FindingLevel::Strong, rows),
        ("mobile", FindingKind::Mobile, FindingLevel::Strong, rows),
    ];
    assert_eq!(found, wanted);
    let text = serde_json::to_string(&profile).unwrap();
    for cells in &cells[1..4] {
        let shown = cells.iter().find(|cell| text.contains(cell.as_str()));
        assert_eq!(shown, None);
    }
}
