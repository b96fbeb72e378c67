//! One grant as its firm sees it: what it gives, how to read the data, and the reports that it owes.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use askama::Template;
use chrono::{Days, NaiveDateTime};
use serde_json::{Value, json};

use super::super::login::LanguageQuery;
use super::super::sheet;
use super::super::told::{Told, again, both, onwards};
use super::super::{Words, private_page, words};
use super::application::DoneQuery;
use super::firm_of;
use crate::access::Mode;
use crate::access::desk::{self, Happened};
use crate::access::duties::{self, UseReport};
use crate::access::grants::{self, DeletionProof, Grant, NewDeletionProof, NewRenewal};
use crate::access::register::{self, GrantState, RegisterEntry};
use crate::app::App;
use crate::clock::{now_naive, shanghai};
use crate::error::{Error, Result};
use crate::http::browser::{self, Filled, GuardedForm};
use crate::http::v1::check_text;
use crate::http::v1::use_reports::UseReportBody;
use crate::identity::Caller;
use crate::identity::clients::{self, Client};
use crate::limits::Used;

/// The name of the form.
const FORM: &str = "use-report";

/// Reports that are shown, and how many results and numbers the form has room for.
const SHOWN: i64 = 50;
const LINES: usize = 3;

#[derive(Template)]
#[template(path = "firm-grant.html")]
struct GrantPage {
    w: Words,
    csrf: String,
    issuer: String,
    grant: Grant,
    entry: RegisterEntry,
    history: Vec<Happened>,
    due: Option<NaiveDateTime>,
    reports: Vec<UseReport>,
    client: Option<Client>,
    reach: Vec<(&'static str, String)>,
    used: Used,
    proof: Option<DeletionProof>,
    told: Told,
}

impl GrantPage {
    fn gives(&self) -> bool {
        self.entry.state == GrantState::InForce
    }

    fn downloads(&self) -> bool {
        self.grant.modes.contains(&Mode::Download)
    }

    fn gives_rows(&self) -> bool {
        self.grant.modes.contains(&Mode::Api)
    }

    fn is_late(&self) -> bool {
        self.due.is_some_and(|due| due < now_naive())
    }

    /// Whether its firm owes a proof that it deleted the data.
    fn owes_proof(&self) -> bool {
        self.grant.deletion_proof_due.is_some() && self.proof.is_none()
    }

    fn proof_late(&self) -> bool {
        self.grant.deletion_proof_due.is_some_and(|due| due < now_naive())
    }

    fn today(&self) -> String {
        self.told.text_or("deletion-proof", "deleted_on", &shanghai(now_naive()).date().to_string()).to_owned()
    }

    fn days_more(&self) -> String {
        self.told.text_or("renewal", "term_days", "30").to_owned()
    }

    fn client_id(&self) -> &str {
        self.client.as_ref().map_or("CLIENT_ID", |client| client.id.as_str())
    }

    /// The first day that no report is about.
    fn from(&self) -> String {
        let last = self.reports.iter().map(|report| report.period.to).max();
        let next = last.and_then(|day| day.checked_add_days(Days::new(1)));
        let first = next.unwrap_or_else(|| shanghai(self.grant.starts_at).date()).to_string();
        self.told.text_or(FORM, "from", &first).to_owned()
    }

    fn to(&self) -> String {
        let today = shanghai(now_naive()).date().to_string();
        self.told.text_or(FORM, "to", &today).to_owned()
    }

    fn lines(&self) -> std::ops::Range<usize> {
        0..LINES
    }

    fn typed(&self, name: &str, line: &usize) -> &str {
        self.told.text(FORM, &format!("{name}-{line}"))
    }
}

async fn show(app: &App, w: Words, caller: Caller, id: String, told: Told) -> Result<HttpResponse> {
    let (person, firm) = firm_of(&caller)?;
    let (csrf, firm, days) = (browser::csrf_token(app, &person.session), firm.to_owned(), app.settings.duties);
    let issuer = app.issuer.clone();
    let used = app.metering.used(&app.db, &id).await?;
    let found = app.db.read(move |conn| {
        let grant = grants::find_for(conn, &caller, &id)?;
        let history = desk::history(conn, &grant.application_id, Some(&grant.agreement_id), Some(&id))?;
        let clients = clients::list(conn, &firm)?;
        let proof = grants::proof_of(conn, &id)?;
        Ok(GrantPage {
            due: duties::due_of(conn, &grant, &days)?,
            reports: duties::list_for(conn, &caller, &id, None, SHOWN)?.0,
            entry: register::find(conn, &id)?.0.entry,
            client: clients.into_iter().find(|client| client.status == "active" && client.public_jwk.is_some()),
            reach: sheet::reach(w, &grant.reach),
            grant,
            used,
            proof,
            history,
            w,
            csrf,
            issuer,
            told,
        })
    });
    private_page(w, StatusCode::OK, &found.await?)
}

#[get("/firm/grants/{id}")]
pub async fn grant_page(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    query: web::Query<DoneQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let w = words(&request, query.lang.as_deref());
    show(&app, w, caller, path.into_inner(), Told::done(w, query.done.as_deref())).await
}

/// The report, as the API takes it. Lines in which nothing stands are left out.
fn report_of(filled: &Filled) -> Result<duties::NewUseReport> {
    let at = |name: &str, line: usize| filled.one(&format!("{name}-{line}")).trim().to_owned();
    let given = |text: String| if text.is_empty() { Value::Null } else { json!(text) };
    let results =
        (0..LINES).map(|line| (at("title", line), at("link", line))).filter(|(title, link)| !title.is_empty() || !link.is_empty());
    let results: Vec<Value> = results.map(|(title, link)| json!({ "title": title, "link": given(link) })).collect();
    let numbers =
        (0..LINES).map(|line| (at("name", line), at("count", line))).filter(|(name, count)| !name.is_empty() || !count.is_empty());
    let numbers: Vec<Value> = numbers.map(|(name, count)| json!({ "name": name, "count": count.parse::<i64>().unwrap_or(-1) })).collect();
    for (name, pointer) in [("from", "/period/from"), ("to", "/period/to")] {
        if filled.one(name).parse::<chrono::NaiveDate>().is_err() {
            return Err(Error::invalid(pointer, "give a day as YYYY-MM-DD"));
        }
    }
    let body = json!({
        "period": { "from": filled.one("from"), "to": filled.one("to") }, "used_for": filled.text("used_for"), "results": results, "numbers": numbers,
    });
    let body: UseReportBody =
        serde_json::from_value(body).map_err(|cause| Error::Malformed(format!("the form is not one of this page: {cause}")))?;
    body.checked()
}

/// What a form of the page says of the grant itself: that it is to last longer, or that its data is deleted.
async fn act(app: &App, caller: Caller, id: String, step: &str, filled: &Filled) -> Result<Option<String>> {
    match step {
        "renewal" => {
            let long = |name: &str| check_text(&format!("/{name}"), &filled.text(name), 10, 4000);
            let term_days = filled.one("term_days").trim().parse();
            let term_days = term_days
                .map_err(|_no_number| Error::invalid("/term_days", "give a whole number of days, within the longest term of the offer"));
            let (term_days, (purpose, safeguards)) = both(term_days, both(long("purpose"), long("safeguards")))?;
            let (new, terms) = (NewRenewal { term_days, purpose, safeguards }, app.terms.clone());
            let asked = app.db.write(move |conn| grants::ask_renewal(conn, &caller, &id, new, &terms)).await?;
            Ok(Some(asked.id))
        }
        "deletion-proof" => {
            let deleted_on = filled.one("deleted_on").parse();
            let deleted_on = deleted_on.map_err(|_unreadable| Error::invalid("/deleted_on", "give a day as YYYY-MM-DD"));
            let long = |name: &str| check_text(&format!("/{name}"), &filled.text(name), 10, 4000);
            let (deleted_on, (method, copies)) = both(deleted_on, both(long("method"), long("copies")))?;
            let new = NewDeletionProof { deleted_on, method, copies };
            app.db.write(move |conn| grants::file_proof(conn, &caller, &id, new)).await?;
            Ok(None)
        }
        other => Err(Error::not_found("page or operation at", format!("/firm/grants/{id}/steps/{other}"))),
    }
}

#[post("/firm/grants/{id}/steps/{step}")]
pub async fn take_step(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<(String, String)>,
    query: web::Query<LanguageQuery>,
    request: HttpRequest,
    form: web::Form<GuardedForm>,
) -> Result<HttpResponse> {
    let (w, (id, step)) = (words(&request, query.lang.as_deref()), path.into_inner());
    let filled = form.into_inner().open(&app, &caller)?;
    let error = match act(&app, caller.clone(), id.clone(), &step, &filled).await {
        Ok(Some(application)) => return Ok(onwards(w, &format!("/firm/applications/{application}"), "submission")),
        Ok(None) => return Ok(onwards(w, &format!("/firm/grants/{id}"), "deletion-proof")),
        Err(error) => error,
    };
    let form = if step == "renewal" { "renewal" } else { "deletion-proof" };
    again(w, form, filled, error, async |told| show(&app, w, caller, id, told).await).await
}

#[post("/firm/grants/{id}/use-reports")]
pub async fn hand_in(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    query: web::Query<LanguageQuery>,
    request: HttpRequest,
    form: web::Form<GuardedForm>,
) -> Result<HttpResponse> {
    let (w, id) = (words(&request, query.lang.as_deref()), path.into_inner());
    let filled = form.into_inner().open(&app, &caller)?;
    let (who, key) = (caller.clone(), id.clone());
    let filed = match report_of(&filled) {
        Ok(new) => app.db.write(move |conn| duties::file(conn, &who, &key, new)).await,
        Err(error) => Err(error),
    };
    let Err(error) = filed else { return Ok(onwards(w, &format!("/firm/grants/{id}"), "use-report")) };
    again(w, FORM, filled, error, async |told| show(&app, w, caller, id, told).await).await
}
