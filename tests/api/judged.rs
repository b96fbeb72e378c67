//! How well search orders what it finds: questions whose answers people have judged (`tests/search`), as nDCG@10 for each language. Whoever changes the ranking
//! runs `cargo nextest run judged --no-capture` before and after, and says both; a mean below the floors here fails.

use std::collections::BTreeMap;
use std::path::Path;

use qingdan::catalog::{self, Entry, Field, Findings, NewVersion, Publisher, Text, Theme};
use qingdan::db::Conn;
use qingdan::error::Result;
use qingdan::intake::Profile;
use serde_json::{Value, json};

use crate::support::{TestApp, shipped};

/// The mean of each language that a change of the ranking may not fall below.
const FLOORS: [(&str, f64); 2] = [("zh", 0.87), ("en", 0.88)];

fn lines(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/search").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn entry(of: &Value) -> Entry {
    let fields: Vec<Value> = of["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| json!({ "name": field["name"], "title": field["title"], "type": "string", "sensitivity": "none" }))
        .collect();
    let mut entry = json!({
        "title": of["title"],
        "description": of["description"],
        "keywords": of["keywords"],
        "publisher": of["publisher"],
        "theme": of["theme"],
        "open_type": of["open_type"],
        "update_frequency": of["update_frequency"],
        "licence": "CC0-1.0",
        "fields": fields,
    });
    if of["high_value"] == true {
        entry["high_value"] = json!({ "reason": { "zh": "常用", "en": "much used" } });
    }
    if of["temporal"].is_object() {
        entry["temporal"] = of["temporal"].clone();
    }
    serde_json::from_value(entry).unwrap()
}

/// What intake would have found of the columns that have few values.
fn profile(of: &Value) -> Profile {
    let columns: Vec<Value> = of["fields"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|field| {
            let values = field.get("values")?.as_array()?;
            let top: Vec<Value> = values.iter().map(|value| json!({ "value": value, "count": 1 })).collect();
            Some(json!({
                "name": field["name"], "type": "string", "nulls": 0, "distinct": values.len(), "distinct_exact": true, "top": top,
            }))
        })
        .collect();
    serde_json::from_value(json!({ "row_count": 1, "columns": columns, "findings": [] })).unwrap()
}

fn fill(conn: &mut Conn, themes: &toml::Table) -> Result<()> {
    for (position, (slug, theme)) in (0..).zip(themes) {
        let name = Text { zh: theme["name"]["zh"].as_str().unwrap().to_owned(), en: theme["name"]["en"].as_str().unwrap().to_owned() };
        catalog::put_theme(conn, "test", &Theme { slug: slug.clone(), name, data_theme: None }, position)?;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/search/publishers.json");
    let publishers: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for publisher in publishers {
        let slug = publisher["slug"].as_str().unwrap().to_owned();
        let name = serde_json::from_value(publisher["name"].clone())?;
        catalog::put_publisher(conn, "test", &Publisher { slug, name, uscc: None, contact: catalog::Contact::default() })?;
    }
    for one in lines("entries.jsonl") {
        let entry = entry(&one);
        let (dataset, _) = catalog::put_entry(conn, &mut catalog::Edition::by("test"), one["slug"].as_str().unwrap(), &entry)?;
        if entry.open_type == catalog::OpenType::Unconditional {
            let fields: Vec<Field> = entry.fields.clone();
            let findings = Findings { profile: Some(profile(&one)), report: None };
            let new = NewVersion { source_sha256: "0".repeat(64), fields, parts: Vec::new(), rejects: None, findings, held: false };
            catalog::add_version(conn, "test", &dataset, new)?;
        }
    }
    Ok(())
}

/// Discounted gain of the first ten, of the best possible.
fn ndcg(found: &[String], relevant: &BTreeMap<String, u32>) -> f64 {
    let gain = |grade: u32, place: usize| (f64::from(2_u32.pow(grade)) - 1.0) / ((place + 2) as f64).log2();
    let reached: f64 = found.iter().take(10).enumerate().map(|(place, slug)| gain(relevant.get(slug).copied().unwrap_or(0), place)).sum();
    let mut grades: Vec<u32> = relevant.values().copied().collect();
    grades.sort_unstable_by(|one, other| other.cmp(one));
    let best: f64 = grades.into_iter().take(10).enumerate().map(|(place, grade)| gain(grade, place)).sum();
    reached / best
}

struct Judged {
    query: String,
    kind: String,
    score: f64,
    found: Vec<String>,
    relevant: BTreeMap<String, u32>,
}

async fn ask(app: &TestApp, line: &Value) -> Judged {
    let query = line["query"].as_str().unwrap().to_owned();
    let answer = app.query("/api/v1/datasets", &[("q", &query), ("limit", "10")]).await.expect(200).json();
    let found: Vec<String> = answer["items"].as_array().unwrap().iter().map(|item| item["slug"].as_str().unwrap().to_owned()).collect();
    let relevant: BTreeMap<String, u32> = serde_json::from_value(line["relevant"].clone()).unwrap();
    Judged { score: ndcg(&found, &relevant), kind: line["kind"].as_str().unwrap().to_owned(), query, found, relevant }
}

fn mean(scores: impl Iterator<Item = f64>) -> f64 {
    let scores: Vec<f64> = scores.collect();
    scores.iter().sum::<f64>() / scores.len() as f64
}

fn report(judged: &BTreeMap<String, Vec<Judged>>) {
    for (language, of) in judged {
        println!("{language}: nDCG@10 {:.4} of {} questions", mean(of.iter().map(|one| one.score)), of.len());
    }
    let mut kinds: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for one in judged.values().flatten() {
        kinds.entry(&one.kind).or_default().push(one.score);
    }
    for (kind, scores) in kinds {
        println!("  {kind}: {:.3} of {}", mean(scores.iter().copied()), scores.len());
    }
    let mut worst: Vec<&Judged> = judged.values().flatten().collect();
    worst.sort_by(|one, other| one.score.total_cmp(&other.score));
    for one in worst.into_iter().take(10) {
        println!("worst {:.3} {:?} ({}): {:?}; meant {:?}", one.score, one.query, one.kind, one.found, one.relevant);
    }
}

#[tokio::test]
async fn what_people_mean_comes_first() {
    let app = TestApp::empty().await;
    let themes: toml::Table = std::fs::read_to_string(shipped().join("themes.toml")).unwrap().parse().unwrap();
    app.app.tools().db.write_now(|conn| fill(conn, &themes)).unwrap();
    let mut judged: BTreeMap<String, Vec<Judged>> = BTreeMap::new();
    for line in lines("judged.jsonl") {
        judged.entry(line["lang"].as_str().unwrap().to_owned()).or_default().push(ask(&app, &line).await);
    }
    // Nothing is mended by these: they say what the others, by which the ranking was mended, cannot.
    for line in lines("held_out.jsonl") {
        judged.entry(format!("held out, {}", line["lang"].as_str().unwrap())).or_default().push(ask(&app, &line).await);
    }
    report(&judged);
    for (language, floor) in FLOORS {
        let of = &judged[language];
        let reached = mean(of.iter().map(|one| one.score));
        assert!(reached >= floor, "{language}: nDCG@10 {reached:.4} is below {floor}");
    }
}
