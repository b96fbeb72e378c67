//! What letters say, in Chinese and in English, as text and as HTML. They show nothing but what stands in the open list.

use askama::Template;
use chrono::{DateTime, NaiveDateTime};

use super::super::App;
use crate::access::mail::outbox::{Claimed, Digest};
use crate::access::mail::unsubscribe_token;
use crate::catalog::{Change, Text};
use crate::clock::shanghai;
use crate::error::{Error, Result};
use crate::outbound::mail::{Letter, one_line};

/// The longest title that is shown whole.
const LONGEST: usize = 120;

#[derive(Template)]
#[template(path = "mail/confirmation.txt")]
struct ConfirmationText<'a> {
    firm: &'a str,
    link: &'a str,
    unsubscribe: &'a str,
}

#[derive(Template)]
#[template(path = "mail/confirmation.html")]
struct ConfirmationHtml<'a> {
    firm: &'a str,
    link: &'a str,
    unsubscribe: &'a str,
}

#[derive(Template)]
#[template(path = "mail/changes.txt")]
struct ChangesText<'a> {
    firm: &'a str,
    lines: &'a [Line],
    list: &'a str,
    unsubscribe: &'a str,
}

#[derive(Template)]
#[template(path = "mail/changes.html")]
struct ChangesHtml<'a> {
    firm: &'a str,
    lines: &'a [Line],
    list: &'a str,
    unsubscribe: &'a str,
}

/// What a letter says of one change.
struct Line {
    at: String,
    title: Text,
    event: Text,
    slug: String,
    link: Option<String>,
}

/// The address at which a subscription ends.
fn unsubscribe_link(app: &App, claimed: &Claimed) -> String {
    format!("{}/mail/unsubscribe?token={}", app.issuer, unsubscribe_token(&app.master, &claimed.id))
}

/// The letter that asks whether the address wants what comes.
pub(super) fn confirmation(app: &App, claimed: &Claimed, id: String, token: &str) -> Result<Letter> {
    let (firm, unsubscribe) = (&one_line(&claimed.firm, LONGEST), &unsubscribe_link(app, claimed));
    let link = &format!("{}/mail/confirm?token={token}", app.issuer);
    Ok(Letter {
        id,
        to: claimed.address.clone(),
        subject: "请确认邮件订阅 · Please confirm the mail subscription".to_owned(),
        plain: ConfirmationText { firm, link, unsubscribe }.render().map_err(Error::internal)?,
        html: ConfirmationHtml { firm, link, unsubscribe }.render().map_err(Error::internal)?,
        unsubscribe: unsubscribe.clone(),
    })
}

/// The letter that tells what happened.
pub(super) fn changes(app: &App, claimed: &Claimed, id: String, digest: &Digest) -> Result<Letter> {
    let lines: Vec<Line> = digest.changes.iter().map(|change| line(&app.issuer, digest, change)).collect::<Result<_>>()?;
    let (firm, unsubscribe) = (&one_line(&claimed.firm, LONGEST), &unsubscribe_link(app, claimed));
    let (lines, list) = (lines.as_slice(), &format!("{}/open-list", app.issuer));
    Ok(Letter {
        id,
        to: claimed.address.clone(),
        subject: subject(lines),
        plain: ChangesText { firm, lines, list, unsubscribe }.render().map_err(Error::internal)?,
        html: ChangesHtml { firm, lines, list, unsubscribe }.render().map_err(Error::internal)?,
        unsubscribe: unsubscribe.clone(),
    })
}

fn subject(lines: &[Line]) -> String {
    match lines {
        [] => String::new(),
        [only] => format!("{}：{} · {}: {}", only.title.zh, only.event.zh, only.title.en, only.event.en),
        [first, others @ ..] => {
            let (all, more) = (lines.len(), others.len());
            format!("{}等 {all} 项变更 · {} and {more} more change{}", first.title.zh, first.title.en, if more == 1 { "" } else { "s" })
        }
    }
}

fn line(issuer: &str, digest: &Digest, change: &Change) -> Result<Line> {
    let at: NaiveDateTime = DateTime::parse_from_rfc3339(&change.moment).map_err(Error::internal)?.naive_utc();
    let title = digest.title(change);
    let shown = ["dataset.", "version."].iter().any(|of| change.event.starts_with(of)) && change.event != "dataset.withdrawn";
    Ok(Line {
        at: shanghai(at).format("%Y-%m-%d %H:%M").to_string(),
        title: Text { zh: one_line(&title.zh, LONGEST), en: one_line(&title.en, LONGEST) },
        event: event(change),
        slug: change.slug.clone(),
        link: shown.then(|| format!("{issuer}/datasets/{}", change.slug)),
    })
}

/// What happened, in words; an event of a newer program that shares the database by its name.
fn event(change: &Change) -> Text {
    let words = |zh: &str, en: &str| Text { zh: zh.to_owned(), en: en.to_owned() };
    match (change.event.as_str(), change.version) {
        ("dataset.created", _) => words("列入清单", "added to the list"),
        ("dataset.updated", _) => words("条目已修改", "entry changed"),
        ("dataset.suspended", _) => words("暂停开放", "suspended"),
        ("dataset.restored", _) => words("恢复开放", "given out again"),
        ("dataset.withdrawn", _) => words("已撤回", "withdrawn"),
        ("dataset.reopened", _) => words("重新开放", "reopened"),
        ("version.published", Some(version)) => words(&format!("发布第 {version} 版"), &format!("version {version} published")),
        ("publisher.updated", _) => words("开放主体信息已修改", "publisher changed"),
        ("theme.updated", _) => words("重点领域信息已修改", "theme changed"),
        ("subject_class.updated", _) => words("分类信息已修改", "class changed"),
        (other, _) => words(other, other),
    }
}
