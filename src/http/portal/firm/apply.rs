//! A firm applies for a conditional dataset: it writes a draft, and changes it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use serde_json::json;

use super::super::sheet::{self, Leaving};
use super::super::told::{Told, onwards};
use super::super::visit::{Sent, Visit};
use super::super::wording::capital;
use super::super::{Words, private_page};
use super::firm_of;
use crate::access::Mode;
use crate::access::applications::{self, Application, NewApplication, Step};
use crate::catalog::{self, Dataset, OpenType, Purpose, Safeguard, Versions};
use crate::error::{Error, Result};
use crate::http::browser::{self, Filled};
use crate::http::v1::applications::ApplicationRequest;
use crate::identity::firms;
use crate::limits::ReadQuota;

/// The name of the form.
const FORM: &str = "application";

/// Something that can be chosen.
struct Choice {
    value: &'static str,
    label: String,
    ticked: bool,
    /// What the offer says of it.
    note: &'static str,
}

/// What stands in the fields of the form.
#[derive(Default)]
struct Draft {
    purpose: String,
    purposes: Vec<String>,
    shares_models: bool,
    fields: Vec<String>,
    modes: Vec<String>,
    term_days: String,
    safeguards: String,
    safeguards_met: Vec<String>,
    this_version: bool,
    /// The bounds of what is read, by their keys.
    quota: Vec<(&'static str, String)>,
    condition: String,
    sender_constrained: bool,
}

/// The bounds of a quota, by their keys.
const BOUNDS: [&str; 4] = ["calls_per_day", "rows_per_day", "bytes_per_day", "days"];

impl Draft {
    fn typed(filled: &Filled) -> Self {
        Draft {
            purpose: filled.text("purpose"),
            purposes: filled.list("purposes"),
            shares_models: filled.has("shares_models", "true"),
            fields: filled.list("fields"),
            modes: filled.list("modes"),
            term_days: filled.one("term_days").to_owned(),
            safeguards: filled.text("safeguards"),
            safeguards_met: filled.list("safeguards_met"),
            this_version: filled.one("versions") == Versions::This.as_str(),
            quota: BOUNDS.map(|key| (key, filled.one(key).trim().to_owned())).to_vec(),
            condition: filled.text("where"),
            sender_constrained: filled.has("sender_constrained", "true"),
        }
    }

    fn of(application: &Application) -> Self {
        Draft {
            purpose: application.purpose.clone(),
            purposes: application.wish.purposes.iter().map(|purpose| purpose.as_str().to_owned()).collect(),
            shares_models: application.wish.shares_models,
            fields: application.fields.clone(),
            modes: application.modes.iter().map(|mode| mode.as_str().to_owned()).collect(),
            term_days: application.term_days.to_string(),
            safeguards: application.safeguards.clone(),
            safeguards_met: application.wish.safeguards_met.iter().map(|safeguard| safeguard.as_str().to_owned()).collect(),
            this_version: application.wish.versions == Versions::This,
            quota: BOUNDS.map(|key| (key, bound(&application.wish.quota, key))).to_vec(),
            condition: application.wish.condition.clone().unwrap_or_default(),
            sender_constrained: application.wish.sender_constrained,
        }
    }

    /// The request, as the API takes it.
    fn request(&self, dataset: &str) -> Result<NewApplication> {
        let term_days = self.term_days.trim().parse::<i32>().unwrap_or_default();
        let quota = sheet::quota(self.quota.iter().map(|(key, text)| (*key, text.as_str())), "/quota")?;
        let condition = Some(self.condition.trim()).filter(|text| !text.is_empty());
        let versions = if self.this_version { Versions::This } else { Versions::Each };
        let body = json!({
            "dataset": dataset, "purpose": self.purpose, "purposes": self.purposes, "shares_models": self.shares_models, "fields": self.fields,
            "modes": self.modes, "term_days": term_days, "safeguards": self.safeguards, "safeguards_met": self.safeguards_met,
            "versions": versions, "quota": quota, "where": condition, "sender_constrained": self.sender_constrained,
        });
        let body: ApplicationRequest =
            serde_json::from_value(body).map_err(|cause| Error::Malformed(format!("the form is not one of this page: {cause}")))?;
        body.checked()
    }
}

/// One bound of a quota as it stands in a form.
fn bound(quota: &ReadQuota, key: &str) -> String {
    quota.bounds().find(|(known, ..)| *known == key).map(|(_, most, ..)| most.to_string()).unwrap_or_default()
}

#[derive(Template)]
#[template(path = "apply.html")]
struct ApplyPage {
    w: Words,
    csrf: String,
    /// Where the form goes, which is where it is.
    here: String,
    slug: String,
    title: String,
    conditions: String,
    offer: Vec<(String, String)>,
    fields: Vec<Leaving>,
    purposes: Vec<Choice>,
    modes: Vec<Choice>,
    safeguards: Vec<Choice>,
    most_days: u32,
    draft: Draft,
    /// The application as it was saved last.
    saved: Option<Application>,
    told: Told,
}

impl ApplyPage {
    fn fault(&self, pointer: &str) -> Option<String> {
        self.told.fault(FORM, pointer)
    }

    fn has_field(&self, name: &str) -> bool {
        self.draft.fields.iter().any(|field| field == name)
    }

    /// Where the saved application does not meet the offer at this place; `None` where the offer says nothing, or nothing was saved.
    fn conflicts(&self, pointer: &str) -> Option<Vec<String>> {
        let saved = self.saved.as_ref()?;
        let says = match pointer {
            "/purposes" => !saved.wish.purposes.is_empty(),
            "/modes" => !saved.modes.is_empty(),
            "/quota" => !saved.wish.quota.is_unbounded(),
            other => ["/versions", "/shares_models", "/term_days", "/safeguards_met"].contains(&other),
        };
        if !says {
            return None;
        }
        let of_it = saved.conflicts.iter().filter(|conflict| conflict.pointer.starts_with(pointer));
        Some(of_it.map(|conflict| capital(self.w.text(&conflict.detail))).collect())
    }
}

fn choices(w: Words, dataset: &Dataset, draft: &Draft) -> [Vec<Choice>; 3] {
    let offer = dataset.entry.offer();
    let unoffered = |offered: bool| if offered { "" } else { w.t("不在开放要约内", "not in the offer") };
    let ticked = |list: &[String], value: &str| list.iter().any(|one| one == value);
    let purposes = Purpose::ALL.into_iter().map(|one| Choice {
        value: one.as_str(),
        label: w.purpose(&one),
        ticked: ticked(&draft.purposes, one.as_str()),
        note: unoffered(offer.purposes.contains(&one)),
    });
    let modes = Mode::ALL.into_iter().map(|one| Choice {
        value: one.as_str(),
        label: capital(w.mode(&one)),
        ticked: ticked(&draft.modes, one.as_str()),
        note: unoffered(offer.modes.contains(&one)),
    });
    let safeguards = Safeguard::ALL.into_iter().map(|one| Choice {
        value: one.as_str(),
        label: w.safeguard(&one),
        ticked: ticked(&draft.safeguards_met, one.as_str()),
        note: if offer.safeguards.contains(&one) { w.t("须具备", "asked for") } else { "" },
    });
    [purposes.collect(), modes.collect(), safeguards.collect()]
}

/// What the form is about.
enum About {
    /// A new application for a dataset, by slug.
    Dataset(String),
    /// An application, by id.
    Application(String),
}

impl About {
    fn address(&self) -> String {
        match self {
            About::Dataset(slug) => format!("/datasets/{slug}/apply"),
            About::Application(id) => format!("/firm/applications/{id}/edit"),
        }
    }
}

/// The page with the form: as it was typed, as it was saved, or empty.
async fn show(Visit { caller, app, w, .. }: Visit, about: About, typed: Option<Draft>, told: Told) -> Result<HttpResponse> {
    let here = about.address();
    let (person, firm) = firm_of(&caller)?;
    let (csrf, firm, who) = (browser::csrf_token(&app, &person.session), firm.to_owned(), caller.clone());
    let found = app.db.read(move |conn| {
        firms::require_approved(conn, &firm)?;
        let (saved, slug) = match about {
            About::Dataset(slug) => (None, slug),
            About::Application(id) => {
                let application = applications::find_for(conn, &who, &id)?;
                let slug = application.dataset.clone();
                (Some(application), slug)
            }
        };
        Ok((catalog::find(conn, &slug)?, saved))
    });
    let (dataset, saved) = found.await?;
    dataset.require_published()?;
    require_open(&dataset, saved.as_ref())?;
    let blank = || Draft {
        term_days: dataset.entry.max_term_days().to_string(),
        quota: BOUNDS.map(|key| (key, String::new())).to_vec(),
        ..Draft::default()
    };
    let draft = typed.or_else(|| saved.as_ref().map(Draft::of)).unwrap_or_else(blank);
    let [purposes, modes, safeguards] = choices(w, &dataset, &draft);
    let entry = &dataset.entry;
    let page = ApplyPage {
        title: w.text(&entry.title).to_owned(),
        conditions: entry.conditions.as_ref().map(|text| w.text(text).to_owned()).unwrap_or_default(),
        offer: sheet::offer(w, entry, app.terms.fingerprint_share),
        fields: sheet::all_fields(w, entry),
        most_days: entry.max_term_days(),
        slug: dataset.slug.clone(),
        w,
        csrf,
        here,
        purposes,
        modes,
        safeguards,
        draft,
        saved,
        told,
    };
    private_page(w, StatusCode::OK, &page)
}

/// Whether there is anything to fill in.
fn require_open(dataset: &Dataset, saved: Option<&Application>) -> Result<()> {
    let kind = dataset.entry.open_type;
    if kind != OpenType::Conditional {
        return Err(Error::Conflict(format!("only a conditional dataset is applied for; `{}` is {}", dataset.slug, kind.as_str())));
    }
    match saved {
        Some(saved) if !saved.status.may(Step::Change) => {
            Err(Error::Conflict(format!("the application is {}, and cannot be changed any more", saved.status.as_str())))
        }
        Some(_) | None => Ok(()),
    }
}

#[get("/datasets/{slug}/apply")]
pub async fn apply_page(visit: Visit, path: web::Path<String>) -> Result<HttpResponse> {
    let told = Told::done(visit.w, None);
    show(visit, About::Dataset(path.into_inner()), None, told).await
}

#[get("/firm/applications/{id}/edit")]
pub async fn edit_page(visit: Visit, path: web::Path<String>) -> Result<HttpResponse> {
    let told = Told::done(visit.w, None);
    show(visit, About::Application(path.into_inner()), None, told).await
}

/// The page once more, with what was wrong.
async fn refused(sent: Sent, about: About, error: Error) -> Result<HttpResponse> {
    let draft = Draft::typed(&sent.filled);
    sent.again(FORM, error, async |visit, told| show(visit, about, Some(draft), told).await).await
}

#[post("/datasets/{slug}/apply")]
pub async fn save_new(sent: Sent, path: web::Path<String>) -> Result<HttpResponse> {
    let (slug, app) = (path.into_inner(), &sent.visit.app);
    let (who, terms) = (sent.visit.caller.clone(), app.terms.clone());
    let saved = match Draft::typed(&sent.filled).request(&slug) {
        Ok(new) => app.db.write(move |conn| applications::create(conn, &who, new, true, &terms)).await,
        Err(error) => Err(error),
    };
    match saved {
        Ok(application) => Ok(onwards(sent.visit.w, &format!("/firm/applications/{}", application.id), "saved")),
        Err(error) => refused(sent, About::Dataset(slug), error).await,
    }
}

#[post("/firm/applications/{id}/edit")]
pub async fn save_changes(sent: Sent, path: web::Path<String>) -> Result<HttpResponse> {
    let id = path.into_inner();
    let (who, key) = (sent.visit.caller.clone(), id.clone());
    let saved = match Draft::typed(&sent.filled).request(sent.filled.one("dataset")) {
        Ok(new) => sent.visit.app.db.write(move |conn| applications::change(conn, &who, &key, new)).await,
        Err(error) => Err(error),
    };
    match saved {
        Ok(application) => Ok(onwards(sent.visit.w, &format!("/firm/applications/{}", application.id), "changed")),
        Err(error) => refused(sent, About::Application(id), error).await,
    }
}
