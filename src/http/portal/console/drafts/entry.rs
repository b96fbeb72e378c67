//! An entry of a draft as a form: each value in a field of its own, with what is wrong and what could be better beside it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;

use super::super::super::told::{Told, onwards};
use super::super::super::visit::{Sent, Visit};
use super::super::super::{Words, private_page};
use super::super::{ANY, staff_of};
use super::revision;
use crate::catalog::book::{Form, FormText, TextKind};
use crate::catalog::drafts::{self, Draft, DraftState, EntryLook, Put};
use crate::catalog::{self, Publisher, SubjectClass, Theme};
use crate::error::{Error, Fault, Result};
use crate::http::browser::{self, Filled};

/// Fields that can be added to one entry at a time.
const NEW_FIELDS: usize = 1;

/// A part of the form: its heading, and the first key of it.
const PARTS: [(&str, &str, &str); 7] = [
    ("名称与摘要", "Name and summary", "title.zh"),
    ("主体与分类", "Publisher and subject", "publisher"),
    ("开放类型与条件", "How it is open", "open_type"),
    ("更新与范围", "Updates and coverage", "update_frequency"),
    ("共享、依据与关联", "Sharing, rules and relations", "sharing"),
    ("许可、来源与关键词", "Licence, source and keywords", "licence"),
    ("数据文件", "The data file", "kind"),
];

/// What all entries can choose from.
struct Choices {
    publishers: Vec<Publisher>,
    themes: Vec<Theme>,
    classes: Vec<SubjectClass>,
}

/// What is told beside a text.
struct Remarks {
    faults: Vec<String>,
    advice: Vec<String>,
}

#[derive(Template)]
#[template(path = "console-draft-entry.html")]
struct EntryPage {
    w: Words,
    csrf: String,
    draft: Draft,
    look: EntryLook,
    form: Form,
    /// The revision and the list's digest that the form is about.
    revision: i32,
    base_sha256: Option<String>,
    choices: Choices,
    /// Whether the person may edit it now.
    edits: bool,
    /// What somebody else has changed meanwhile.
    conflict: Vec<Fault>,
    /// What cannot be read as it was typed: the place and why.
    unread: Vec<(String, String)>,
    told: Told,
}

impl EntryPage {
    /// The form's parts: a heading and its texts.
    fn parts(&self) -> Vec<(&'static str, Vec<&FormText>)> {
        let mut parts: Vec<(&'static str, Vec<&FormText>)> = Vec::new();
        for text in &self.form.dataset {
            if let Some((zh, en, _)) = PARTS.iter().find(|(_, _, first)| *first == text.key) {
                parts.push((self.w.t(zh, en), Vec::new()));
            }
            if let Some((_, texts)) = parts.last_mut() {
                texts.push(text);
            }
        }
        parts
    }

    /// What a text is called: by curators in Chinese, by its key in English.
    fn label(&self, text: &FormText) -> String {
        match self.w.short() {
            "zh" => text.zh.to_owned(),
            _ => {
                let (head, language) = match text.key.rsplit_once('.') {
                    Some((head, "zh")) => (head, " (Chinese)"),
                    Some((head, "en")) => (head, " (English)"),
                    Some(_) | None => (text.key, ""),
                };
                format!("{}{language}", super::super::super::wording::capital(&head.replace(['_', '.'], " ")))
            }
        }
    }

    /// How the names of a field's texts begin.
    fn prefix(&self, at: &usize) -> String {
        format!("f{at}")
    }

    /// The name of a text in the form.
    fn name(&self, of: &str, text: &FormText) -> String {
        format!("{of}.{}", text.key)
    }

    /// What a text can be chosen from: each value with its name.
    fn options(&self, text: &FormText) -> Vec<(String, String)> {
        let w = self.w;
        let plain = |values: &[&str]| values.iter().map(|value| ((*value).to_owned(), w.choice(value).to_owned())).collect();
        match text.key {
            "publisher" => self.choices.publishers.iter().map(|one| (one.slug.clone(), w.text(&one.name).to_owned())).collect(),
            "theme" => self.choices.themes.iter().map(|one| (one.slug.clone(), w.text(&one.name).to_owned())).collect(),
            "subject_class" => self.choices.classes.iter().map(|one| (one.slug.clone(), w.text(&one.name).to_owned())).collect(),
            "open_type" => plain(&["unconditional", "conditional", "closed"]),
            "update_frequency" => {
                plain(&["realtime", "daily", "weekly", "monthly", "quarterly", "half-yearly", "yearly", "irregular", "never"])
            }
            "kind" => plain(&["table", "collection"]),
            "type" => plain(&["string", "integer", "decimal", "number", "boolean", "date", "datetime", "geometry"]),
            "sensitivity" => plain(&["none", "quasi", "direct", "sensitive"]),
            _ => Vec::new(),
        }
    }

    fn is_chosen(&self, text: &FormText) -> bool {
        !self.options(text).is_empty()
    }

    /// Whether a text needs room for several lines.
    fn is_long(&self, text: &FormText) -> bool {
        matches!(text.kind, TextKind::List)
            || matches!(text.kind, TextKind::Toml) && text.text.len() > 60
            || ["description", "open_type_reason", "conditions", "source", "cleared"].iter().any(|long| text.key.starts_with(long))
    }

    /// How a text is written, where that is not plain.
    fn hint(&self, text: &FormText) -> &'static str {
        match text.kind {
            TextKind::List => self.w.t("每行一个", "One on each line"),
            TextKind::Toml => self.w.t("按条目文件的 TOML 写法", "As in an entry file, in TOML"),
            TextKind::Boolean => self.w.t("true 或 false", "true or false"),
            TextKind::Text | TextKind::Integer | TextKind::Number => "",
        }
    }

    /// What is wrong: with what was typed and cannot be read, or else with what the draft says.
    fn faults(&self) -> &[(String, String)] {
        if self.unread.is_empty() { &self.look.faults } else { &self.unread }
    }

    /// Whether a remark on a key of the entry stands beside a text.
    fn is_beside(of: &str, text: &FormText, key: &str) -> bool {
        let field = of.strip_prefix('f').and_then(|at| at.parse::<usize>().ok());
        let here = field.map_or_else(|| text.key.to_owned(), |at| format!("fields[{at}].{}", text.key));
        // A remark on both languages stands beside the first.
        let whole = here.strip_suffix(".zh").unwrap_or(&here);
        key == here || key == whole || key.strip_prefix(&here).is_some_and(|rest| rest.starts_with(['[', '.']))
    }

    /// What is wrong with a text and what could be better.
    fn remarks(&self, of: &str, text: &FormText) -> Remarks {
        let told = |list: &[(String, String)]| {
            list.iter().filter(|(key, _)| Self::is_beside(of, text, key)).map(|(_, detail)| detail.clone()).collect()
        };
        let advice = if self.unread.is_empty() { told(&self.look.advice) } else { Vec::new() };
        Remarks { faults: told(self.faults()), advice }
    }

    /// What is wrong and stands beside no text.
    fn elsewhere(&self) -> Vec<&String> {
        let beside = |key: &str| {
            self.form.dataset.iter().any(|text| Self::is_beside("d", text, key))
                || self.form.fields.iter().enumerate().any(|(at, texts)| {
                    let of = self.prefix(&at);
                    texts.iter().any(|text| Self::is_beside(&of, text, key))
                })
        };
        self.faults().iter().filter(|(key, _)| !beside(key)).map(|(_, detail)| detail).collect()
    }

    /// How many mistakes a field has.
    fn wrong_in(&self, at: &usize) -> usize {
        let begin = format!("fields[{at}]");
        self.faults().iter().filter(|(key, _)| key.starts_with(&begin)).count()
    }

    /// What a field is called.
    fn field_title(&self, texts: &[FormText]) -> String {
        let of = |key: &str| texts.iter().find(|text| text.key == key).map(|text| text.text.as_str()).unwrap_or_default();
        let title = if self.w.short() == "zh" { of("title.zh") } else { of("title.en") };
        match (of("name"), title) {
            ("", "") => self.w.t("添加数据项", "Add a field").to_owned(),
            (name, title) => format!("{name} {title}"),
        }
    }

    /// Whether a field is one that can be added.
    fn is_new(&self, at: &usize) -> bool {
        self.edits && *at + NEW_FIELDS >= self.form.fields.len()
    }
}

/// What the page shows beside what the draft has.
#[derive(Default)]
struct Shown {
    form: Option<Form>,
    /// The revision and the digest that the form was sent with, where it is still about them.
    about: Option<(i32, Option<String>)>,
    conflict: Vec<Fault>,
    unread: Vec<(String, String)>,
}

async fn show(visit: Visit, (id, slug): (String, String), told: Told, shown: Shown) -> Result<HttpResponse> {
    let Visit { caller, app, w, .. } = visit;
    let csrf = browser::csrf_token(&app, &staff_of(&caller, &ANY)?.session);
    let grades = app.tools().grades;
    let found = app.db.read(move |conn| {
        let draft = drafts::find_draft(conn, &caller, &id)?;
        let looked = drafts::look(conn, &grades, &draft, std::slice::from_ref(&slug))?;
        let look = looked.into_iter().next().ok_or_else(|| Error::not_found("entry of this draft", slug.as_str()))?;
        let edits = draft.state == DraftState::Draft && drafts::may_edit(&caller, &draft);
        let mut form = match shown.form {
            Some(form) => form,
            None => Form::of(&look.entry.entry)?,
        };
        if edits {
            form.fields.extend(std::iter::repeat_with(Form::empty_field).take(NEW_FIELDS));
        }
        let choices =
            Choices { publishers: catalog::publishers(conn)?, themes: catalog::themes(conn)?, classes: catalog::subject_classes(conn)? };
        let (revision, base_sha256) = shown.about.unwrap_or((look.entry.revision, look.listed_sha256.clone()));
        Ok(EntryPage {
            w,
            csrf,
            draft,
            look,
            form,
            revision,
            base_sha256,
            choices,
            edits,
            conflict: shown.conflict,
            unread: shown.unread,
            told,
        })
    });
    private_page(w, StatusCode::OK, &found.await?)
}

#[get("/console/drafts/{id}/entries/{slug}")]
pub async fn entry_page(visit: Visit, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, path.into_inner(), told, Shown::default()).await
}

/// The form as it was typed; fields in which nothing stands any more are left out.
///
/// # Errors
/// When it says that it has more fields than it can have.
fn typed(filled: &Filled) -> Result<Form> {
    let said = filled.by_name();
    let text = |name: String| said.get(name.as_str()).map(|text| text.replace("\r\n", "\n")).unwrap_or_default();
    let mut form = Form { dataset: Form::empty_dataset(), fields: Vec::new() };
    form.dataset.iter_mut().for_each(|one| one.text = text(format!("d.{}", one.key)));
    let count = filled.one("fields").parse::<usize>().ok().filter(|count| *count <= said.len());
    let count = count.ok_or_else(|| Error::Malformed("the form does not say how many fields it has; load the page again".to_owned()))?;
    for at in (0..count).filter(|at| !said.contains_key(format!("f{at}.remove").as_str())) {
        let mut field = Form::empty_field();
        field.iter_mut().for_each(|one| one.text = text(format!("f{at}.{}", one.key)));
        if field.iter().any(|one| !one.text.trim().is_empty()) {
            form.fields.push(field);
        }
    }
    Ok(form)
}

#[post("/console/drafts/{id}/entries/{slug}")]
pub async fn save_entry(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let Sent { visit, filled } = sent;
    visit.caller.with_role(&drafts::EDITORS)?;
    let ((id, slug), w, form) = (path.into_inner(), visit.w, typed(&filled)?);
    let base_sha256 = Some(filled.text("base_sha256")).filter(|text| !text.is_empty());
    let about = Some((revision(&filled), base_sha256.clone()));
    let entry = match form.entry() {
        Ok(entry) => entry,
        Err(faults) => {
            let place = |field: Option<usize>, key: String| field.map_or_else(|| key.clone(), |at| format!("fields[{at}].{key}"));
            let unread = faults.into_iter().map(|fault| (place(fault.field, fault.key), fault.detail)).collect();
            let told = Told::done(w, None)
                .saying(w.t("未保存：请更正下面标出的内容。", "Nothing was saved: mend what is marked below.").to_owned());
            let shown = Shown { form: Some(form), about, unread, ..Shown::default() };
            return with_status(show(visit, (id, slug), told, shown).await, StatusCode::BAD_REQUEST);
        }
    };
    let put = Put { slug: slug.clone(), entry, expected: Some(revision(&filled)), base_sha256 };
    let (caller, draft) = (visit.caller.clone(), id.clone());
    match visit.app.db.write(move |conn| drafts::put_draft_entry(conn, &caller, &draft, put).map(|_put| ())).await {
        Ok(()) => Ok(onwards(w, &format!("/console/drafts/{id}/entries/{slug}"), "draft-entry")),
        Err(error) => not_saved(visit, (id, slug), filled, Shown { form: Some(form), about, ..Shown::default() }, error).await,
    }
}

/// The page once more with what was typed, and why it was not saved.
async fn not_saved(visit: Visit, at: (String, String), filled: Filled, shown: Shown, error: Error) -> Result<HttpResponse> {
    let w = visit.w;
    if let Error::Stale { differences, .. } = error {
        let text = w.t(
            "您打开本页后，他人已修改此条目。您填写的内容保留在下面，尚未保存；请核对差异，再次保存将以您的内容为准。",
            "Somebody else has changed this entry since you opened the page. What you typed is below and is not saved yet. Look at the differences; saving again puts yours.",
        );
        let told = Told::done(w, None).saying(text.to_owned());
        // The differences are shown: from here on it is about what there is now.
        let shown = Shown { about: None, conflict: differences, ..shown };
        return with_status(show(visit, at, told, shown).await, StatusCode::CONFLICT);
    }
    let error = error.in_body();
    let status = error.kind().status();
    match Told::refused(w, "entry", filled, &error) {
        Some(told) => with_status(show(visit, at, told, shown).await, status),
        None => Err(error),
    }
}

fn with_status(page: Result<HttpResponse>, status: StatusCode) -> Result<HttpResponse> {
    let mut page = page?;
    *page.status_mut() = status;
    Ok(page)
}

#[post("/console/drafts/{id}/entries/{slug}/removal")]
pub async fn remove_entry(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, slug) = path.into_inner();
    let (caller, draft, name, expected) = (sent.visit.caller.clone(), id.clone(), slug.clone(), revision(&sent.filled));
    let removed = sent.visit.app.db.write(move |conn| drafts::take_out(conn, &caller, &draft, &name, expected)).await;
    let here = format!("/console/drafts/{id}");
    let shown = async |visit, told| show(visit, (id, slug), told, Shown::default()).await;
    sent.answer(removed.map_err(super::as_conflict), (&here, "draft-entry-removed"), "removal", shown).await
}
