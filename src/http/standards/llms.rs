//! What a language model is told about the service, as Markdown with addresses.

use super::card::{Card, Cards, Site};
use crate::catalog::OpenType;

/// How many datasets are named; the rest is said to be elsewhere.
pub const DATASETS: i64 = 100;

/// The text, with the first datasets of the list.
pub fn text(found: &Cards) -> String {
    let site = &found.site;
    let (title, description) = (Site::title(), Site::description());
    let link = |name: &str, path: &str, what: &str| format!("- [{name}]({}): {what}\n", site.at(path));
    let mut text = format!("# {} · {}\n\n> {}\n\n", title.en, title.zh, description.en);
    text.push_str("Every dataset has a slug. Rows, files and SQL of unconditional datasets need no key. Conditional ones are read with the token of a grant.\n\n");
    text.push_str("## Find\n\n");
    text.push_str(&link(
        "Datasets",
        "/api/v1/datasets",
        "the list as JSON, in pages: `q` (words in Chinese or English), `theme`, `publisher`, `open_type`, `format`, `year`, `facets`, `limit`, `cursor`",
    ));
    text.push_str(&link("Catalogue in DCAT-AP", "/catalog.jsonld", "JSON-LD; also `/catalog.ttl` and `/catalog.rdf`"));
    text.push_str(&link("Catalogue in DCAT-US", "/data.json", "the whole list as one document"));
    text.push_str(&link("Changes", "/feed.atom", "the latest changes first"));
    text.push_str("\n## Read\n\n");
    text.push_str(&link("API document", "/openapi.json", "every operation with its parameters and errors"));
    text.push_str(&format!(
        "- Rows: `{0}/api/v1/datasets/{{slug}}/rows?select=&where=&order_by=&limit=&cursor=`; the answer says `total` and `next_cursor`\n\
         - Files: `{0}/api/v1/datasets/{{slug}}/download?format=parquet|csv|ndjson|json|arrow|xlsx`\n\
         - SQL: `POST {0}/api/v1/sql` with `{{\"sql\": \"SELECT …\"}}`; the tables are the slugs, in double quotes\n\
         - Fields, their meaning and the licence: `{0}/api/v1/datasets/{{slug}}`; for machine learning `{0}/datasets/{{slug}}/croissant.json`\n",
        site.base
    ));
    text.push_str("\n## Datasets\n\n");
    for card in &found.cards {
        text.push_str(&line(card));
    }
    if found.more {
        text.push_str(&format!("\nThese are the first {} of {}; the list has all of them.\n", found.cards.len(), found.total));
    }
    text
}

fn line(card: &Card) -> String {
    let entry = &card.dataset.entry;
    let open = match entry.open_type {
        OpenType::Unconditional => "open",
        OpenType::Conditional => "conditional",
        OpenType::Closed => "closed, named only",
    };
    let rows = card.newest.as_ref().map(|newest| format!(", {} rows", newest.row_count)).unwrap_or_default();
    format!("- [{}]({}): {} ({open}{rows})\n", plain(&entry.title.en), card.page, plain(&entry.title.zh))
}

/// A text that is nothing but text in Markdown, on one line.
fn plain(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        if "\\[]()*_`<>#".contains(letter) {
            written.push('\\');
        }
        written.push(if letter == '\n' { ' ' } else { letter });
    }
    written
}
