//! A dataset, and the list, in DCAT-AP 3. What each part of an entry becomes stands with the part, in `catalog::record` and `catalog::entry`.

use chrono::NaiveDateTime;
use oxrdf::NamedNode;
use oxrdf::vocab::{rdfs, xsd};

use super::card::{Card, File, Kind, Site};
use super::graph::{Graph, node, part};
use super::policy;
use super::terms::{adms, dcat, dcatap, dct, dqv, eli, foaf, geo, hydra, oa, org, skos, spdx, vcard};
use super::vocabulary;
use crate::catalog::{Link, OpenType, Period, Place, Publisher, Relation, Text};
use crate::feedback::Objections;
use crate::read::Format;

/// Where our own vocabularies are.
const THEMES: &str = "/api/v1/themes";
const SUBJECT_CLASSES: &str = "/api/v1/subject-classes";
const PUBLISHERS: &str = "/api/v1/publishers";

/// A page of the list.
pub struct View<'a> {
    /// Its own address.
    pub address: String,
    /// The address of the first page.
    pub first: String,
    /// The address of the next page.
    pub next: Option<String>,
    /// How many datasets a page has at the most.
    pub limit: i64,
    /// How many datasets there are on all pages.
    pub total: i64,
    /// When any dataset of the list last changed.
    pub changed_at: Option<NaiveDateTime>,
    /// The datasets of this page.
    pub cards: &'a [Card],
}

/// The list with the datasets of one page.
pub fn catalog(site: &Site, view: &View<'_>) -> Graph {
    let mut graph = Graph::default();
    let catalog = known(&site.at("/catalog"));
    graph.is_a(&catalog, dcat::CATALOG);
    graph.text(&catalog, dct::TITLE, &Site::title());
    graph.text(&catalog, dct::DESCRIPTION, &Site::description());
    graph.link(&catalog, foaf::HOMEPAGE, &site.at("/"));
    graph.link(&catalog, dct::LANGUAGE, &vocabulary::language("zh"));
    graph.link(&catalog, dct::LANGUAGE, &vocabulary::language("en"));
    graph.link(&catalog, dcat::THEME_TAXONOMY, &site.at(THEMES));
    graph.link(&catalog, dcat::THEME_TAXONOMY, &vocabulary::theme_scheme());
    let publisher = publisher_of_list(&mut graph, site);
    graph.add(&catalog, dct::PUBLISHER, publisher);
    if let Some(changed) = view.changed_at {
        graph.moment(&catalog, dct::MODIFIED, changed);
    }
    let service = service(&mut graph, site);
    graph.add(&catalog, dcat::SERVICE, service.clone());
    for card in view.cards {
        let dataset = known(&card.page);
        graph.add(&catalog, dcat::DATASET_OF, dataset.clone());
        let record = part(&dataset, "record");
        graph.add(&catalog, dcat::RECORD, record);
        if card.is_open() && !card.files.is_empty() {
            graph.add(&service, dcat::SERVES_DATASET, dataset);
        }
    }
    themes(&mut graph, site);
    for card in view.cards {
        describe(&mut graph, site, card);
    }
    paging(&mut graph, view);
    graph
}

/// One dataset alone.
pub fn dataset(site: &Site, card: &Card) -> Graph {
    let mut graph = Graph::default();
    describe(&mut graph, site, card);
    if card.is_open() && !card.files.is_empty() {
        let service = service(&mut graph, site);
        graph.add(&service, dcat::SERVES_DATASET, known(&card.page));
    }
    themes(&mut graph, site);
    graph
}

/// A name that is made of our own address and a slug, which is an IRI.
fn known(address: &str) -> NamedNode {
    NamedNode::new_unchecked(address)
}

fn paging(graph: &mut Graph, view: &View<'_>) {
    let page = known(&view.address);
    graph.is_a(&page, hydra::PARTIAL_COLLECTION_VIEW);
    // The name that Hydra had for it before, which harvesters still look for.
    graph.is_a(&page, hydra::PAGED_COLLECTION);
    graph.typed(&page, hydra::TOTAL_ITEMS, &view.total.to_string(), xsd::INTEGER);
    graph.typed(&page, hydra::ITEMS_PER_PAGE, &view.limit.to_string(), xsd::INTEGER);
    graph.link(&page, hydra::FIRST, &view.first);
    if let Some(next) = &view.next {
        graph.link(&page, hydra::NEXT, next);
    }
}

fn publisher_of_list(graph: &mut Graph, site: &Site) -> NamedNode {
    match &site.publisher {
        Some(publisher) => organization(graph, site, publisher),
        None => {
            let node = known(&site.at("/#publisher"));
            graph.is_a(&node, foaf::AGENT);
            graph.is_a(&node, foaf::ORGANIZATION);
            graph.text(&node, foaf::NAME, &Site::title());
            node
        }
    }
}

fn organization(graph: &mut Graph, site: &Site, publisher: &Publisher) -> NamedNode {
    let node = part(&known(&site.at(PUBLISHERS)), &publisher.slug);
    graph.is_a(&node, foaf::AGENT);
    graph.is_a(&node, foaf::ORGANIZATION);
    graph.text(&node, foaf::NAME, &publisher.name);
    if let Some(uscc) = &publisher.uscc {
        graph.plain(&node, dct::IDENTIFIER, uscc);
    }
    node
}

/// Rows by query, and everything else of the API.
fn service(graph: &mut Graph, site: &Site) -> NamedNode {
    let service = part(&known(&site.at("/api/v1")), "service");
    graph.is_a(&service, dcat::DATA_SERVICE);
    graph.text(&service, dct::TITLE, &Text { zh: "数据接口".to_owned(), en: "Data API".to_owned() });
    graph.link(&service, dcat::ENDPOINT_URL, &site.at("/api/v1"));
    graph.link(&service, dcat::ENDPOINT_DESCRIPTION, &site.at("/openapi.json"));
    graph.link(&service, foaf::PAGE, &site.at("/docs/"));
    graph.is_a(&known(&site.at("/docs/")), foaf::DOCUMENT);
    service
}

fn themes(graph: &mut Graph, site: &Site) {
    let scheme = known(&site.at(THEMES));
    graph.is_a(&scheme, skos::CONCEPT_SCHEME);
    graph.text(&scheme, dct::TITLE, &Text { zh: "领域".to_owned(), en: "Themes".to_owned() });
}

fn describe(graph: &mut Graph, site: &Site, card: &Card) {
    let dataset = known(&card.page);
    let entry = &card.dataset.entry;
    graph.is_a(&dataset, dcat::DATASET);
    graph.text(&dataset, dct::TITLE, &entry.title);
    graph.text(&dataset, dct::DESCRIPTION, &entry.description);
    graph.plain(&dataset, dct::IDENTIFIER, card.identifier());
    graph.link(&dataset, dcat::LANDING_PAGE, &card.page);
    graph.link(&dataset, dct::ACCESS_RIGHTS, &vocabulary::access_right(entry.open_type));
    graph.link(&dataset, dct::ACCRUAL_PERIODICITY, &vocabulary::frequency(entry.update_frequency));
    graph.moment(&dataset, dct::ISSUED, card.dataset.created_at);
    graph.moment(&dataset, dct::MODIFIED, card.data_changed_at());
    for (words, language) in [(&entry.keywords.zh, "zh"), (&entry.keywords.en, "en")] {
        for word in words {
            graph.tagged(&dataset, dcat::KEYWORD, word, language);
        }
    }
    for tag in &entry.languages {
        graph.link(&dataset, dct::LANGUAGE, &vocabulary::language(tag));
    }
    if let Some(newest) = &card.newest {
        graph.plain(&dataset, dcat::VERSION, &newest.number.to_string());
    }
    who(graph, site, card, &dataset);
    about(graph, site, card, &dataset);
    coverage(graph, card, &dataset);
    law(graph, card, &dataset);
    for link in &card.links {
        related(graph, site, &dataset, link);
    }
    distributions(graph, site, card, &dataset);
    objected(graph, site, card, &dataset);
    record(graph, card, &dataset);
}

/// That there are objections which are not settled. What they say is at the address of the body, once somebody has looked at it.
fn objected(graph: &mut Graph, site: &Site, card: &Card, dataset: &NamedNode) {
    let Some(objections) = &card.objections else { return };
    let node = part(dataset, "objections");
    graph.add(dataset, dqv::HAS_QUALITY_ANNOTATION, node.clone());
    graph.is_a(&node, dqv::USER_QUALITY_FEEDBACK);
    graph.add(&node, oa::HAS_TARGET, dataset.clone());
    graph.add(&node, oa::MOTIVATED_BY, dqv::QUALITY_ASSESSMENT.into_owned());
    graph.link(&node, oa::HAS_BODY, &site.at(&format!("/api/v1/datasets/{}/corrections", card.dataset.slug)));
    graph.moment(&node, dct::CREATED, objections.since);
    graph.text(&node, rdfs::LABEL, &objections_in_words(objections));
}

fn objections_in_words(Objections { count, accepted, .. }: &Objections) -> Text {
    Text {
        zh: format!("异议标注：{count}条异议尚未处理完毕，其中{accepted}条已采纳、待更正"),
        en: format!("Objections that are not settled: {count}, of which found right and to be corrected: {accepted}"),
    }
}

/// The entry of the list, which changes also when the data does not.
fn record(graph: &mut Graph, card: &Card, dataset: &NamedNode) {
    let record = part(dataset, "record");
    graph.is_a(&record, dcat::CATALOG_RECORD);
    graph.add(&record, foaf::PRIMARY_TOPIC, dataset.clone());
    graph.moment(&record, dct::ISSUED, card.dataset.created_at);
    graph.moment(&record, dct::MODIFIED, card.dataset.updated_at);
    graph.link(&record, dct::CONFORMS_TO, "http://data.europa.eu/r5r/");
}

fn who(graph: &mut Graph, site: &Site, card: &Card, dataset: &NamedNode) {
    let publisher = organization(graph, site, &card.publisher);
    if let Some(department) = &card.dataset.entry.department {
        let unit = part(dataset, "department");
        graph.add(dataset, dct::CREATOR, unit.clone());
        graph.is_a(&unit, foaf::AGENT);
        graph.is_a(&unit, foaf::ORGANIZATION);
        graph.text(&unit, foaf::NAME, department);
        graph.add(&unit, org::UNIT_OF, publisher.clone());
    }
    graph.add(dataset, dct::PUBLISHER, publisher);
    let Some(contact) = card.contact() else { return };
    let node = part(dataset, "contact");
    graph.add(dataset, dcat::CONTACT_POINT, node.clone());
    graph.is_a(&node, vcard::KIND);
    graph.is_a(&node, vcard::ORGANIZATION);
    graph.text(&node, vcard::FN, contact.name.as_ref().unwrap_or(&card.publisher.name));
    if let Some(email) = &contact.email {
        graph.link(&node, vcard::HAS_EMAIL, &format!("mailto:{email}"));
    }
    if let Some(phone) = &contact.phone {
        graph.link(&node, vcard::HAS_TELEPHONE, &telephone(phone));
    }
    if let Some(url) = &contact.url {
        graph.link(&node, vcard::HAS_URL, url);
    }
}

/// A telephone number as an address (RFC 3966): digits and what parts them.
pub fn telephone(phone: &str) -> String {
    let digits: String = phone.chars().filter(|letter| letter.is_ascii_digit() || matches!(letter, '+' | '-' | '.' | '(' | ')')).collect();
    format!("tel:{digits}")
}

fn about(graph: &mut Graph, site: &Site, card: &Card, dataset: &NamedNode) {
    let theme = part(&known(&site.at(THEMES)), &card.theme.slug);
    graph.add(dataset, dcat::THEME, theme.clone());
    concept(graph, &theme, &card.theme.name, &site.at(THEMES));
    if let Some(code) = &card.theme.data_theme {
        graph.link(dataset, dcat::THEME, &vocabulary::theme(code));
        graph.link(&theme, skos::CLOSE_MATCH, &vocabulary::theme(code));
    }
    if let Some(class) = &card.subject_class {
        let node = part(&known(&site.at(SUBJECT_CLASSES)), &class.slug);
        graph.add(dataset, dct::SUBJECT, node.clone());
        concept(graph, &node, &class.name, &site.at(SUBJECT_CLASSES));
    }
    let entry = &card.dataset.entry;
    if let Some(code) = &entry.registration_code {
        let node = part(dataset, "registration");
        graph.add(dataset, adms::IDENTIFIER, node.clone());
        graph.is_a(&node, adms::IDENTIFIER_CLASS);
        graph.plain(&node, skos::NOTATION, code);
    }
    if let Some(source) = &entry.source {
        let node = part(dataset, "provenance");
        graph.add(dataset, dct::PROVENANCE, node.clone());
        graph.is_a(&node, dct::PROVENANCE_STATEMENT);
        graph.plain(&node, rdfs::LABEL, source);
    }
}

fn concept(graph: &mut Graph, node: &NamedNode, name: &Text, scheme: &str) {
    graph.is_a(node, skos::CONCEPT);
    graph.text(node, skos::PREF_LABEL, name);
    graph.link(node, skos::IN_SCHEME, scheme);
}

fn coverage(graph: &mut Graph, card: &Card, dataset: &NamedNode) {
    for (at, place) in card.dataset.entry.spatial.iter().enumerate() {
        let node = part(dataset, &format!("place-{}", at + 1));
        graph.add(dataset, dct::SPATIAL, node.clone());
        graph.is_a(&node, dct::LOCATION);
        graph.text(&node, skos::PREF_LABEL, &place.name);
        if let Some(code) = &place.code {
            graph.plain(&node, dct::IDENTIFIER, code);
        }
        if let Some(wkt) = wkt(place) {
            graph.typed(&node, dcat::BBOX, &wkt, geo::WKT_LITERAL);
        }
    }
    if let Some(Period { start, end }) = card.dataset.entry.temporal {
        let node = part(dataset, "period");
        graph.add(dataset, dct::TEMPORAL, node.clone());
        graph.is_a(&node, dct::PERIOD_OF_TIME);
        if let Some(start) = start {
            graph.day(&node, dcat::START_DATE, start);
        }
        if let Some(end) = end {
            graph.day(&node, dcat::END_DATE, end);
        }
    }
}

/// The box of a place as a polygon, in degrees of WGS 84, longitude first.
pub fn wkt(place: &Place) -> Option<String> {
    let [west, south, east, north] = place.bbox?;
    Some(format!("POLYGON(({west} {south},{east} {south},{east} {north},{west} {north},{west} {south}))"))
}

fn law(graph: &mut Graph, card: &Card, dataset: &NamedNode) {
    let entry = &card.dataset.entry;
    for (at, basis) in entry.legal_basis.iter().enumerate() {
        let named = basis.url.as_deref().and_then(node);
        let node = named.unwrap_or_else(|| part(dataset, &format!("law-{}", at + 1)));
        graph.add(dataset, dcatap::APPLICABLE_LEGISLATION, node.clone());
        graph.is_a(&node, eli::LEGAL_RESOURCE);
        graph.text(&node, dct::TITLE, &basis.title);
    }
    if let Some(category) = entry.high_value.as_ref().and_then(|mark| mark.category) {
        graph.link(dataset, dcatap::HVD_CATEGORY, vocabulary::high_value(category));
    }
}

fn related(graph: &mut Graph, site: &Site, dataset: &NamedNode, link: &Link) {
    let other = known(&site.at(&format!("/datasets/{}", link.slug)));
    let property = match (link.relation, link.inverse) {
        (Relation::PartOf, false) => dct::IS_PART_OF,
        (Relation::PartOf, true) => dct::HAS_PART,
        (Relation::DerivedFrom, false) => dct::SOURCE,
        // What was made from it says so itself; DCAT-AP has no word for the other direction.
        (Relation::DerivedFrom, true) | (Relation::SeeAlso, _) => dct::RELATION,
        (Relation::Replaces, false) => dct::REPLACES,
        (Relation::Replaces, true) => dct::IS_REPLACED_BY,
    };
    graph.add(dataset, property, other);
}

fn distributions(graph: &mut Graph, site: &Site, card: &Card, dataset: &NamedNode) {
    if card.newest.is_none() {
        return;
    }
    match card.dataset.entry.open_type {
        OpenType::Closed => {}
        OpenType::Unconditional => {
            let service = part(&known(&site.at("/api/v1")), "service");
            for file in &card.files {
                let node = part(dataset, file.kind.as_str());
                open_file(graph, card, dataset, &node, file);
                if file.kind == Kind::Table(Format::Parquet) {
                    graph.add(&node, dcat::ACCESS_SERVICE, service.clone());
                }
            }
        }
        OpenType::Conditional => conditional(graph, site, card, dataset),
    }
}

fn distribution(graph: &mut Graph, card: &Card, dataset: &NamedNode, node: &NamedNode, kind: Kind) {
    graph.add(dataset, dcat::DISTRIBUTION_OF, node.clone());
    graph.is_a(node, dcat::DISTRIBUTION);
    if let Some(file_type) = vocabulary::file_type(kind) {
        graph.link(node, dct::FORMAT, &file_type);
    }
    if let Some(media_type) = vocabulary::media_type(kind) {
        graph.link(node, dcat::MEDIA_TYPE, &media_type);
    }
    let entry = &card.dataset.entry;
    if let Some(licence) = &entry.licence {
        graph.link(node, dct::LICENSE, &vocabulary::licence(licence));
    }
    if let Some(newest) = &card.newest {
        graph.moment(node, dct::ISSUED, newest.created_at);
        graph.moment(node, dct::MODIFIED, newest.created_at);
    }
    let rights = part(dataset, "rights");
    graph.add(node, dct::RIGHTS, rights.clone());
    graph.is_a(&rights, dct::RIGHTS_STATEMENT);
    graph.text(&rights, rdfs::LABEL, &policy::rights(card));
}

fn open_file(graph: &mut Graph, card: &Card, dataset: &NamedNode, node: &NamedNode, file: &File) {
    distribution(graph, card, dataset, node, file.kind);
    let name = file.kind.as_str().to_uppercase();
    let Text { zh, en } = &card.dataset.entry.title;
    graph.text(node, dct::TITLE, &Text { zh: format!("{zh}（{name}）"), en: format!("{en} ({name})") });
    graph.link(node, dcat::ACCESS_URL, &file.newest);
    graph.link(node, dcat::DOWNLOAD_URL, &file.pinned);
    if let Some(object) = &file.object {
        graph.typed(node, dcat::BYTE_SIZE, &object.size_bytes.to_string(), xsd::NON_NEGATIVE_INTEGER);
        let checksum = part(dataset, &format!("{}-checksum", file.kind.as_str()));
        graph.add(node, spdx::CHECKSUM, checksum.clone());
        graph.is_a(&checksum, spdx::CHECKSUM_CLASS);
        graph.add(&checksum, spdx::ALGORITHM, spdx::SHA256.into_owned());
        graph.typed(&checksum, spdx::CHECKSUM_VALUE, &object.sha256, xsd::HEX_BINARY);
    }
}

/// What the holder of a grant downloads, and on what terms a firm gets one.
fn conditional(graph: &mut Graph, site: &Site, card: &Card, dataset: &NamedNode) {
    for file in Card::BY_GRANT {
        let kind = Kind::Table(file);
        let node = part(dataset, kind.as_str());
        distribution(graph, card, dataset, &node, kind);
        let name = kind.as_str().to_uppercase();
        let title =
            Text { zh: format!("按授权提供的发布件（{name}）"), en: format!("The release that is made for a grant ({name})") };
        graph.text(&node, dct::TITLE, &title);
        graph.link(&node, dcat::ACCESS_URL, &card.page);
        graph.link(&node, dcat::DOWNLOAD_URL, &card.download_by_grant(site, file));
        policy::offer(graph, card, dataset, &node, part_of_publishers(site, card));
    }
}

fn part_of_publishers(site: &Site, card: &Card) -> NamedNode {
    part(&known(&site.at(PUBLISHERS)), &card.publisher.slug)
}
