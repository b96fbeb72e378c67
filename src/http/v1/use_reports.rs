//! Reports of firms on the use of what they were given.

use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{IdPath, check_text};
use crate::access::duties::{self, NewUseReport, OverdueReport, Period, UseNumber, UseReport, UseResult};
use crate::app::App;
use crate::error::{Error, Fault, Result};
use crate::http::page::{Page, PageQuery};
use crate::identity::{Caller, Role};

/// The most results, and the most numbers, of one report.
const MOST: usize = 100;

/// A new report.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UseReportBody {
    /// The days that it is about; the first one no later than the day after the last report's.
    period: Period,
    /// What the data was used for, in 10 to 4000 characters.
    #[schema(min_length = 10, max_length = 4000)]
    used_for: String,
    /// What was made with it: titles of 1 to 300 characters, and links by http or https.
    #[serde(default)]
    #[schema(max_items = 100)]
    results: Vec<UseResult>,
    /// How much it was used: names of 1 to 100 characters with counts from 0.
    #[serde(default)]
    #[schema(max_items = 100)]
    numbers: Vec<UseNumber>,
}

fn is_link(link: &str) -> bool {
    link.len() <= 1000 && url::Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

impl UseReportBody {
    /// The report, with every fault at once.
    ///
    /// # Errors
    /// Names each fault.
    pub fn checked(self) -> Result<NewUseReport> {
        let mut faults: Vec<Fault> = Vec::new();
        let mut check = |pointer: &str, text: &str, min, max| match check_text(pointer, text, min, max) {
            Ok(text) => text,
            Err(Error::Invalid(more)) => {
                faults.extend(more);
                String::new()
            }
            Err(other) => {
                faults.push(Fault { pointer: pointer.to_owned(), detail: other.to_string() });
                String::new()
            }
        };
        let used_for = check("/used_for", &self.used_for, 10, 4000);
        for (at, result) in self.results.iter().take(MOST).enumerate() {
            check(&format!("/results/{at}/title"), &result.title, 1, 300);
        }
        for (at, number) in self.numbers.iter().take(MOST).enumerate() {
            check(&format!("/numbers/{at}/name"), &number.name, 1, 100);
        }
        let mut fault = |pointer: String, detail: &str| faults.push(Fault { pointer, detail: detail.to_owned() });
        for (pointer, count) in [("/results", self.results.len()), ("/numbers", self.numbers.len())] {
            if count > MOST {
                fault(pointer.to_owned(), "give at most 100");
            }
        }
        for (at, result) in self.results.iter().enumerate() {
            if result.link.as_deref().is_some_and(|link| !is_link(link)) {
                fault(format!("/results/{at}/link"), "give an http or https address of at most 1000 characters");
            }
        }
        for (at, number) in self.numbers.iter().enumerate() {
            if number.count < 0 {
                fault(format!("/numbers/{at}/count"), "give a whole number from 0");
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        Ok(NewUseReport { period: self.period, used_for, results: self.results, numbers: self.numbers })
    }
}

/// Report the use of a grant
///
/// By its firm: what the data was used for in a period, what was made with it, and how much it was used. A grant owes such a report every so many days
/// (the setting `use_report_days`), and one for the rest when it ends (within `use_report_grace_days`); `use_report_due` of the grant says when the next one is due.
#[utoipa::path(
    tag = "access",
    params(IdPath),
    security(("session" = []), ("oauth2" = [])),
    responses((status = CREATED, body = UseReport))
)]
#[post("/grants/{id}/use-reports")]
pub async fn create_use_report(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<UseReportBody>,
) -> Result<HttpResponse> {
    caller.firm()?;
    let (id, new) = (path.into_inner().id, body.into_inner().checked()?);
    let report = app.db.write(move |conn| duties::file(conn, &caller, &id, new)).await?;
    Ok(HttpResponse::Created().json(report))
}

/// List the reports on the use of a grant
///
/// To its firm, reviewers, operators and auditors, oldest first.
#[utoipa::path(
    tag = "access",
    params(IdPath, PageQuery),
    security(("session" = []), ("oauth2" = [])),
    responses((status = OK, body = Page<UseReport>))
)]
#[get("/grants/{id}/use-reports")]
pub async fn list_use_reports(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    page: web::Query<PageQuery>,
) -> Result<web::Json<Page<UseReport>>> {
    let id = path.into_inner().id;
    let list = format!("use_reports {id}");
    let (limit, after) = (page.limit()?, page.after(&list)?);
    let (items, total) = app.db.read(move |conn| duties::list_for(conn, &caller, &id, after.as_deref(), limit + 1)).await?;
    Ok(web::Json(Page::cut(&list, items, total, limit, |item| item.id.clone())))
}

/// List overdue reports
///
/// Reports on the use of a grant that did not come in time, to operators and auditors; those that are due longest come first.
#[utoipa::path(tag = "administration", security(("session" = [])), responses((status = OK, body = Page<OverdueReport>)))]
#[get("/admin/use-reports/overdue")]
pub async fn list_overdue_reports(caller: Caller, app: web::Data<App>) -> Result<web::Json<Page<OverdueReport>>> {
    caller.with_role(&[Role::Operator, Role::Auditor])?;
    let settings = app.settings.duties;
    Ok(web::Json(Page::whole(app.db.read(move |conn| duties::overdue_for(conn, &caller, &settings)).await?)))
}
