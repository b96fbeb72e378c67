//! One grant as its firm sees it: what it gives, how to read the data, and the reports that it owes.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use chrono::{Days, NaiveDateTime};
use serde_json::{Value, json};

use super::super::sheet;
use super::super::told::{Told, both, onwards};
use super::super::visit::{Sent, Visit};
use super::super::{Words, private_page};
use super::firm_of;
use crate::access::Mode;
use crate::access::desk::{self, Happened};
use crate::access::duties::{self, UseReport};
use crate::access::grants::{self, DeletionProof, Grant, NewDeletionProof, NewRenewal};
use crate::access::register::{self, GrantState, RegisterEntry};
use crate::clock::{now_naive, shanghai};
use crate::error::{Error, Result};
use crate::http::browser::{self, Filled};
use crate::http::v1::check_text;
use crate::http::v1::use_reports::UseReportBody;
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

async fn show(Visit { caller, app, w, .. }: Visit, id: String, told: Told) -> Result<HttpResponse> {
    let (person, firm) = firm_of(&caller)?;
    let (csrf, firm, days) = (browser::csrf_token(&app, &person.session), firm.to_owned(), app.settings.duties);
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
pub async fn grant_page(visit: Visit, path: web::Path<String>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, path.into_inner(), told).await
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

/// What a form of the page says of the grant itself: that it is to last longer, or that its data is deleted. Leads to the page that says what was done.
async fn act(Sent { visit, filled }: &Sent, id: String, step: &str) -> Result<(String, &'static str)> {
    let (app, caller) = (&visit.app, visit.caller.clone());
    match step {
        "renewal" => {
            let long = |name: &str| check_text(&format!("/{name}"), &filled.text(name), 10, 4000);
            let term_days = filled.one("term_days").trim().parse();
            let term_days = term_days
                .map_err(|_no_number| Error::invalid("/term_days", "give a whole number of days, within the longest term of the offer"));
            let (term_days, (purpose, safeguards)) = both(term_days, both(long("purpose"), long("safeguards")))?;
            let (new, terms) = (NewRenewal { term_days, purpose, safeguards }, app.terms.clone());
            let asked = app.db.write(move |conn| grants::ask_renewal(conn, &caller, &id, new, &terms)).await?;
            Ok((format!("/firm/applications/{}", asked.id), "submission"))
        }
        "deletion-proof" => {
            let deleted_on = filled.one("deleted_on").parse();
            let deleted_on = deleted_on.map_err(|_unreadable| Error::invalid("/deleted_on", "give a day as YYYY-MM-DD"));
            let long = |name: &str| check_text(&format!("/{name}"), &filled.text(name), 10, 4000);
            let (deleted_on, (method, copies)) = both(deleted_on, both(long("method"), long("copies")))?;
            let new = NewDeletionProof { deleted_on, method, copies };
            let here = format!("/firm/grants/{id}");
            app.db.write(move |conn| grants::file_proof(conn, &caller, &id, new)).await?;
            Ok((here, "deletion-proof"))
        }
        other => Err(Error::not_found("page or operation at", format!("/firm/grants/{id}/steps/{other}"))),
    }
}

#[post("/firm/grants/{id}/steps/{step}")]
pub async fn take_step(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, step) = path.into_inner();
    match act(&sent, id.clone(), &step).await {
        Ok((page, done)) => Ok(onwards(sent.visit.w, &page, done)),
        Err(error) => sent.again(&step, error, async |visit, told| show(visit, id, told).await).await,
    }
}

#[post("/firm/grants/{id}/use-reports")]
pub async fn hand_in(sent: Sent, path: web::Path<String>) -> Result<HttpResponse> {
    let id = path.into_inner();
    let (who, key) = (sent.visit.caller.clone(), id.clone());
    let filed = match report_of(&sent.filled) {
        Ok(new) => sent.visit.app.db.write(move |conn| duties::file(conn, &who, &key, new)).await,
        Err(error) => Err(error),
    };
    let here = format!("/firm/grants/{id}");
    sent.answer(filed, (&here, FORM), FORM, async |visit, told| show(visit, id, told).await).await
}
