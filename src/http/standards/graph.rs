//! A graph of RDF, and the three syntaxes that it is written in. Nodes are named by addresses and never blank, so that two descriptions of the same
//! dataset are the same, byte for byte.

use std::borrow::Cow;

use actix_web::http::header::HeaderMap;
use chrono::{NaiveDate, NaiveDateTime};
use oxrdf::vocab::xsd;
use oxrdf::{GraphNameRef, Literal, NamedNode, NamedNodeRef, QuadRef, Term, Triple};

use crate::catalog::Text;
use crate::clock;
use crate::error::{Error, Result};
use crate::http::accept;

/// A syntax of RDF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// JSON-LD 1.1.
    JsonLd,
    /// Turtle.
    Turtle,
    /// RDF/XML.
    RdfXml,
}

impl Syntax {
    /// Every syntax; where a caller takes any of them, it is the first one.
    pub const ALL: [Syntax; 3] = [Syntax::JsonLd, Syntax::Turtle, Syntax::RdfXml];

    /// What an address in the syntax ends with.
    pub fn ending(self) -> &'static str {
        match self {
            Syntax::JsonLd => "jsonld",
            Syntax::Turtle => "ttl",
            Syntax::RdfXml => "rdf",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Syntax::JsonLd => "application/ld+json",
            Syntax::Turtle => "text/turtle",
            Syntax::RdfXml => "application/rdf+xml",
        }
    }

    /// The media type as an answer says it.
    pub fn content_type(self) -> &'static str {
        match self {
            Syntax::JsonLd => "application/ld+json",
            Syntax::Turtle => "text/turtle; charset=utf-8",
            Syntax::RdfXml => "application/rdf+xml; charset=utf-8",
        }
    }

    /// The syntax that an address ends with.
    pub fn by_ending(ending: &str) -> Option<Self> {
        Syntax::ALL.into_iter().find(|syntax| syntax.ending() == ending)
    }

    /// The syntax that the caller likes best; none where that is `text/html`, or they take none of these. Of what they like as much, it is what they name first.
    pub fn instead_of_html(headers: &HeaderMap) -> Option<Self> {
        let offered = ["text/html", "application/ld+json", "text/turtle", "application/rdf+xml"];
        let chosen = accept::best_of(headers, &offered)?;
        Syntax::ALL.into_iter().find(|syntax| syntax.media_type() == offered[chosen])
    }

    /// The syntax that the caller likes best of all of them.
    ///
    /// # Errors
    /// When they take none of them.
    pub fn of(headers: &HeaderMap) -> Result<Self> {
        let offered = Syntax::ALL.map(Syntax::media_type);
        let chosen = accept::best_of(headers, &offered);
        chosen.map(|at| Syntax::ALL[at]).ok_or_else(|| Error::NotAcceptable(format!("what is asked for is none of {}", offered.join(", "))))
    }
}

/// The prefixes that all documents have.
const PREFIXES: [(&str, &str); 16] = [
    ("adms", "http://www.w3.org/ns/adms#"),
    ("dcat", "http://www.w3.org/ns/dcat#"),
    ("dcatap", "http://data.europa.eu/r5r/"),
    ("dct", "http://purl.org/dc/terms/"),
    ("dqv", "http://www.w3.org/ns/dqv#"),
    ("foaf", "http://xmlns.com/foaf/0.1/"),
    ("geo", "http://www.opengis.net/ont/geosparql#"),
    ("hydra", "http://www.w3.org/ns/hydra/core#"),
    ("oa", "http://www.w3.org/ns/oa#"),
    ("odrl", "http://www.w3.org/ns/odrl/2/"),
    ("org", "http://www.w3.org/ns/org#"),
    ("rdfs", "http://www.w3.org/2000/01/rdf-schema#"),
    ("skos", "http://www.w3.org/2004/02/skos/core#"),
    ("spdx", "http://spdx.org/rdf/terms#"),
    ("vcard", "http://www.w3.org/2006/vcard/ns#"),
    ("xsd", "http://www.w3.org/2001/XMLSchema#"),
];

/// A graph in the making. What is said of one node is written in one go, in the order in which nodes are first spoken of.
#[derive(Default)]
pub struct Graph {
    triples: Vec<Triple>,
}

impl Graph {
    /// Says that something has a property.
    pub fn add(&mut self, subject: &NamedNode, property: NamedNodeRef<'_>, value: impl Into<Term>) {
        self.triples.push(Triple::new(subject.clone(), property.into_owned(), value.into()));
    }

    /// Says of which class something is.
    pub fn is_a(&mut self, subject: &NamedNode, class: NamedNodeRef<'_>) {
        self.add(subject, oxrdf::vocab::rdf::TYPE, class.into_owned());
    }

    /// Says a text in both languages.
    pub fn text(&mut self, subject: &NamedNode, property: NamedNodeRef<'_>, text: &Text) {
        self.tagged(subject, property, &text.zh, "zh");
        self.tagged(subject, property, &text.en, "en");
    }

    /// Says a text in one language.
    pub fn tagged(&mut self, subject: &NamedNode, property: NamedNodeRef<'_>, text: &str, language: &str) {
        if !text.is_empty() {
            self.add(subject, property, Literal::new_language_tagged_literal_unchecked(printable(text), language));
        }
    }

    /// Says a text of no language.
    pub fn plain(&mut self, subject: &NamedNode, property: NamedNodeRef<'_>, text: &str) {
        self.add(subject, property, Literal::new_simple_literal(printable(text)));
    }

    /// Says a value of a datatype.
    pub fn typed(&mut self, subject: &NamedNode, property: NamedNodeRef<'_>, text: &str, datatype: NamedNodeRef<'_>) {
        self.add(subject, property, Literal::new_typed_literal(printable(text), datatype));
    }

    /// Says a moment, which is stored in UTC.
    pub fn moment(&mut self, subject: &NamedNode, property: NamedNodeRef<'_>, at: NaiveDateTime) {
        self.typed(subject, property, &clock::format(at.and_utc()), xsd::DATE_TIME);
    }

    /// Says a day.
    pub fn day(&mut self, subject: &NamedNode, property: NamedNodeRef<'_>, day: NaiveDate) {
        self.typed(subject, property, &day.to_string(), xsd::DATE);
    }

    /// Says an address; one that cannot be written as one is left out, which no entry can have.
    pub fn link(&mut self, subject: &NamedNode, property: NamedNodeRef<'_>, address: &str) {
        if let Some(node) = node(address) {
            self.add(subject, property, node);
        }
    }

    /// The graph in a syntax.
    ///
    /// # Errors
    /// When it cannot be written, which is a fault of ours.
    pub fn write(mut self, syntax: Syntax) -> Result<Vec<u8>> {
        self.group();
        match syntax {
            Syntax::JsonLd => self.json_ld(),
            Syntax::Turtle => self.turtle(),
            Syntax::RdfXml => self.rdf_xml(),
        }
        .map_err(Error::internal)
    }

    /// What is said of one node stands together, its class first.
    fn group(&mut self) {
        let mut order = std::collections::HashMap::new();
        for triple in &self.triples {
            let next = order.len();
            order.entry(triple.subject.clone()).or_insert(next);
        }
        self.triples.sort_by_cached_key(|triple| {
            let is_class = triple.predicate.as_ref() == oxrdf::vocab::rdf::TYPE;
            (order.get(&triple.subject).copied(), !is_class, triple.predicate.as_str().to_owned())
        });
        let mut said = std::collections::HashSet::new();
        self.triples.retain(|triple| said.insert(triple.clone()));
    }

    fn turtle(&self) -> anyhow::Result<Vec<u8>> {
        let mut serializer = oxttl::TurtleSerializer::new();
        for (prefix, iri) in PREFIXES {
            serializer = serializer.with_prefix(prefix, iri)?;
        }
        let mut writer = serializer.for_writer(Vec::new());
        for triple in &self.triples {
            writer.serialize_triple(triple.as_ref())?;
        }
        Ok(writer.finish()?)
    }

    fn rdf_xml(&self) -> anyhow::Result<Vec<u8>> {
        let mut serializer = oxrdfxml::RdfXmlSerializer::new();
        for (prefix, iri) in PREFIXES {
            serializer = serializer.with_prefix(prefix, iri)?;
        }
        let mut writer = serializer.for_writer(Vec::new());
        for triple in &self.triples {
            writer.serialize_triple(triple.as_ref())?;
        }
        Ok(writer.finish()?)
    }

    fn json_ld(&self) -> anyhow::Result<Vec<u8>> {
        let mut serializer = oxjsonld::JsonLdSerializer::new();
        for (prefix, iri) in PREFIXES {
            serializer = serializer.with_prefix(prefix, iri)?;
        }
        let mut writer = serializer.for_writer(Vec::new());
        for triple in &self.triples {
            writer.serialize_quad(QuadRef::new(
                triple.subject.as_ref(),
                triple.predicate.as_ref(),
                triple.object.as_ref(),
                GraphNameRef::DefaultGraph,
            ))?;
        }
        Ok(writer.finish()?)
    }
}

/// A node by its address; one that is no IRI as it stands is written in percent form.
pub fn node(address: &str) -> Option<NamedNode> {
    NamedNode::new(address).ok().or_else(|| NamedNode::new(url::Url::parse(address).ok()?.as_str()).ok())
}

/// A part of what an address names.
pub fn part(of: &NamedNode, name: &str) -> NamedNode {
    // What names a part is letters, digits and dashes.
    NamedNode::new_unchecked(format!("{}#{name}", of.as_str()))
}

/// The text without what XML 1.0 cannot say: each such character becomes U+FFFD.
pub fn printable(text: &str) -> Cow<'_, str> {
    let fits = |letter: char| matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(fits) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|letter| if fits(letter) { letter } else { char::REPLACEMENT_CHARACTER }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_say_is_replaced_in_every_syntax() {
        for syntax in Syntax::ALL {
            let mut graph = Graph::default();
            let subject = NamedNode::new_unchecked("https://example.org/a");
            graph.plain(&subject, oxrdf::vocab::rdfs::LABEL, "a\u{1}b\u{b}c\u{ffff}d\n<&\"]]>徐汇🏙");
            let written = String::from_utf8(graph.write(syntax).unwrap()).unwrap();
            assert!(!written.contains(['\u{1}', '\u{b}', '\u{ffff}']), "{written}");
            assert_eq!(written.matches('\u{fffd}').count(), 3, "{written}");
            assert!(written.contains("徐汇🏙"), "{written}");
        }
    }

    #[test]
    fn an_address_that_is_no_iri_is_written_in_percent_form() {
        assert_eq!(node("https://example.org/a b").map(|node| node.as_str().to_owned()).as_deref(), Some("https://example.org/a%20b"));
        assert_eq!(node("no address"), None);
    }
}
