//! What those read who follow the list without asking for a dataset: an Atom feed of changes (RFC 4287, in pages by RFC 5005), the site map of
//! crawlers, and what crawlers leave alone.

use chrono::{DateTime, NaiveDateTime};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::graph::printable;
use super::moment;
use crate::catalog::{Dataset, Text};
use crate::error::{Error, Result};
use crate::http::standards::card::Site;

/// The most addresses of one site map, by its protocol.
pub const MOST_ADDRESSES: i64 = 50_000;

type Xml = Writer<Vec<u8>>;

/// A page of the feed.
pub struct Feed<'a> {
    /// The datasets, the latest change first.
    pub datasets: &'a [Dataset],
    /// Its own address.
    pub address: String,
    /// The address of the first page.
    pub first: String,
    /// The address of the next page.
    pub next: Option<String>,
    /// Whether it is in Chinese.
    pub in_chinese: bool,
}

/// A feed of changes.
///
/// # Errors
/// When it cannot be written, which is a fault of ours.
pub fn atom(site: &Site, feed: &Feed<'_>) -> Result<Vec<u8>> {
    let pick = |text: &Text| if feed.in_chinese { text.zh.clone() } else { text.en.clone() };
    let language = if feed.in_chinese { "zh-CN" } else { "en" };
    let changed = feed.datasets.iter().map(|dataset| dataset.updated_at).max().unwrap_or(DateTime::UNIX_EPOCH.naive_utc());
    write("feed", &[("xmlns", "http://www.w3.org/2005/Atom"), ("xml:lang", language)], |xml| {
        text(xml, "id", &site.at("/feed.atom"))?;
        text(xml, "title", &pick(&Site::title()))?;
        text(xml, "updated", &moment(changed))?;
        empty(xml, "link", &[("rel", "self"), ("type", "application/atom+xml"), ("href", &feed.address)])?;
        empty(xml, "link", &[("rel", "first"), ("type", "application/atom+xml"), ("href", &feed.first)])?;
        if let Some(next) = &feed.next {
            empty(xml, "link", &[("rel", "next"), ("type", "application/atom+xml"), ("href", next)])?;
        }
        empty(xml, "link", &[("rel", "alternate"), ("type", "text/html"), ("href", &site.at("/"))])?;
        for dataset in feed.datasets {
            let page = site.at(&format!("/datasets/{}", dataset.slug));
            element(xml, "entry", &[], |xml| {
                text(xml, "id", &page)?;
                text(xml, "title", &pick(&dataset.entry.title))?;
                text(xml, "published", &moment(dataset.created_at))?;
                text(xml, "updated", &moment(dataset.updated_at))?;
                empty(xml, "link", &[("rel", "alternate"), ("type", "text/html"), ("href", &page)])?;
                let api = site.at(&format!("/api/v1/datasets/{}", dataset.slug));
                empty(xml, "link", &[("rel", "alternate"), ("type", "application/json"), ("href", &api)])?;
                element(xml, "author", &[], |xml| text(xml, "name", &pick(&dataset.publisher_name)))?;
                empty(xml, "category", &[("term", &dataset.entry.theme)])?;
                text(xml, "summary", &pick(&dataset.entry.description))
            })?;
        }
        Ok(())
    })
}

/// The pages of a part of the list: those of datasets, and before the first of them those that are no dataset's.
///
/// # Errors
/// When it cannot be written, which is a fault of ours.
pub fn site_map(site: &Site, datasets: &[(String, NaiveDateTime)], is_first: bool) -> Result<Vec<u8>> {
    let names = [("xmlns", "http://www.sitemaps.org/schemas/sitemap/0.9"), ("xmlns:xhtml", "http://www.w3.org/1999/xhtml")];
    write("urlset", &names, |xml| {
        if is_first {
            for path in ["/", "/register"] {
                address(xml, &site.at(path), None)?;
            }
        }
        for (slug, changed) in datasets {
            address(xml, &site.at(&format!("/datasets/{slug}")), Some(*changed))?;
        }
        Ok(())
    })
}

fn address(xml: &mut Xml, page: &str, changed: Option<NaiveDateTime>) -> std::io::Result<()> {
    element(xml, "url", &[], |xml| {
        text(xml, "loc", page)?;
        if let Some(changed) = changed {
            text(xml, "lastmod", &moment(changed))?;
        }
        for (language, short) in [("zh-CN", "zh"), ("en", "en")] {
            let href = format!("{page}?lang={short}");
            empty(xml, "xhtml:link", &[("rel", "alternate"), ("hreflang", language), ("href", &href)])?;
        }
        Ok(())
    })
}

/// The site maps of a list that is too long for one.
///
/// # Errors
/// When it cannot be written, which is a fault of ours.
pub fn site_map_index(addresses: &[String]) -> Result<Vec<u8>> {
    write("sitemapindex", &[("xmlns", "http://www.sitemaps.org/schemas/sitemap/0.9")], |xml| {
        for address in addresses {
            element(xml, "sitemap", &[], |xml| text(xml, "loc", address))?;
        }
        Ok(())
    })
}

/// What crawlers leave alone: pages behind a log-in, and the list under each of its filters.
pub fn robots(site: &Site) -> String {
    let closed = ["/console", "/firm", "/account", "/login", "/logout", "/register-firm", "/oauth2/", "/api/v1/sql", "/api/v1/signed/"];
    let filters = ["/*?*q=", "/*?*format=", "/*?*year=", "/*?*theme=", "/*?*publisher=", "/*?*open_type=", "/*?*after="];
    let lines: String = closed.iter().chain(&filters).map(|path| format!("Disallow: {path}\n")).collect();
    format!("User-agent: *\n{lines}\nSitemap: {}\n", site.at("/sitemap.xml"))
}

fn write(name: &str, attributes: &[(&str, &str)], content: impl FnOnce(&mut Xml) -> std::io::Result<()>) -> Result<Vec<u8>> {
    let mut xml = Writer::new(Vec::new());
    let declared = xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    declared.and_then(|()| element(&mut xml, name, attributes, content)).map_err(Error::internal)?;
    Ok(xml.into_inner())
}

fn element(
    xml: &mut Xml,
    name: &str,
    attributes: &[(&str, &str)],
    content: impl FnOnce(&mut Xml) -> std::io::Result<()>,
) -> std::io::Result<()> {
    xml.create_element(name).with_attributes(attributes.iter().copied()).write_inner_content(content)?;
    Ok(())
}

fn empty(xml: &mut Xml, name: &str, attributes: &[(&str, &str)]) -> std::io::Result<()> {
    xml.create_element(name).with_attributes(attributes.iter().copied()).write_empty()?;
    Ok(())
}

fn text(xml: &mut Xml, name: &str, words: &str) -> std::io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(&printable(words)))?;
    Ok(())
}
