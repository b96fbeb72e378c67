//! One application as the publisher sees it: held against the offer, tried out, asked about, decided.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use serde::Deserialize;

use super::super::sheet::{self, Leaving, SheetRow};
use super::super::told::Told;
use super::super::visit::{Sent, Visit};
use super::super::wording::{Side, capital};
use super::super::{Words, private_page, see};
use super::report::ReportView;
use super::{ANY, OVER_GRANTS, staff_of};
use crate::access::agreements::{self, Agreement};
use crate::access::applications::{self, Application, Conditions, NewDecision, State, Step};
use crate::access::desk::{self, Happened};
use crate::access::grants::{self, Grant};
use crate::access::reports::{self, FiledReport};
use crate::catalog::{self, Dataset, Mode, Versions};
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::http::browser::{self, Filled};
use crate::http::v1::check_text;
use crate::identity::firms::{self, Firm};
use crate::identity::{Caller, Role};

/// Which report is looked at.
#[derive(Deserialize)]
pub struct ReviewQuery {
    report: Option<String>,
}

#[derive(Template)]
#[template(path = "console-application.html")]
struct ReviewPage {
    w: Words,
    csrf: String,
    application: Application,
    firm: Firm,
    title: String,
    publisher: String,
    rows: Vec<SheetRow>,
    fields: Vec<Leaving>,
    granted: Option<Vec<(&'static str, String)>>,
    /// What else the firm has or had of the dataset.
    besides: Vec<Grant>,
    agreement: Option<Agreement>,
    history: Vec<Happened>,
    /// The report that is looked at.
    report: Option<ReportView>,
    reviews: bool,
    /// Whether it is the person's own dataset, which somebody else decides.
    own: bool,
    sees_grants: bool,
    /// The modes that an approval may give.
    modes: Vec<Mode>,
    /// A steward alone sees the application, and not its documents.
    reads_documents: bool,
    told: Told,
    side: Side,
}

impl ReviewPage {
    fn bounds(&self) -> [&'static str; 4] {
        BOUNDS
    }

    fn bound_fault(&self, key: &str) -> Option<String> {
        self.told.fault("approval", &format!("/conditions/quota/{key}"))
    }

    fn may(&self, step: Step) -> bool {
        self.reviews && !self.own && self.application.status.may(step)
    }

    fn may_accept(&self) -> bool {
        self.may(Step::Accept)
    }

    fn may_ask(&self) -> bool {
        self.may(Step::Ask)
    }

    fn may_decide(&self) -> bool {
        self.may(Step::Decide)
    }

    fn may_decide_appeal(&self) -> bool {
        self.may(Step::DecideAppeal)
    }

    /// Whether a report may be made: the steward of the dataset may, who decides nothing.
    fn may_try(&self) -> bool {
        self.reviews && self.application.status.may(Step::Decide)
    }

    /// Whether an approval gives the mode: as typed, or else as asked for.
    fn gives(&self, mode: &Mode) -> bool {
        self.told.ticked("approval", "modes", mode.as_str()) && (self.told.is("approval") || self.application.modes.contains(mode))
    }

    /// A mode as it stands beside its box.
    fn label(&self, mode: &Mode) -> String {
        capital(self.w.mode(mode))
    }

    /// Whether one of the modes is not asked for, and may stand for one that is.
    fn has_stand_in(&self) -> bool {
        self.modes.len() > self.application.modes.len()
    }

    /// Whether a grant stands at this moment.
    fn stands(&self, grant: &Grant) -> &'static str {
        if grant.status == "revoked" {
            self.w.t("已撤销", "revoked")
        } else if grants::require_in_force(grant).is_ok() {
            self.w.t("有效", "in force")
        } else if grant.status == "suspended" {
            self.w.t("已暂停", "suspended")
        } else {
            self.w.t("已到期", "ended")
        }
    }

    /// Whether what is asked for and what the firm has or had can be held against each other: rows of other fields, or of a part of the rows.
    fn compares(&self) -> bool {
        let asked = &self.application;
        self.besides.iter().any(|grant| {
            let fields = &grant.policy.fields;
            let same = fields.len() == asked.fields.len() && fields.iter().all(|field| asked.fields.contains(&field.name));
            !same || grant.policy.rows.receiver_condition != asked.wish.condition
        })
    }

    /// The days of the term that are granted, as typed.
    fn days(&self) -> String {
        let asked = self.application.term_days.to_string();
        self.told.text_or("approval", "term_days", &asked).to_owned()
    }

    /// Whether a field is tried, or was in the report that is looked at.
    fn tries(&self, name: &str) -> bool {
        match &self.report {
            Some(report) if !self.told.is("reports") => report.has(name),
            Some(_) | None => self.told.ticked("reports", "fields", name),
        }
    }
}

/// What the page shows, but for what was said and done.
struct Asked {
    w: Words,
    csrf: String,
    told: Told,
    /// The report that is looked at, by hash; the newest one otherwise.
    report: Option<String>,
}

fn page_of(conn: &mut Conn, caller: &Caller, id: &str, asked: Asked) -> Result<ReviewPage> {
    let Asked { w, csrf, told, report } = asked;
    let person = staff_of(caller, &ANY)?;
    let application = desk::find(conn, caller, id)?;
    let dataset = catalog::find_any(conn, &application.dataset)?;
    let agreement = application.agreement_id.as_deref().map(|id| agreements::find(conn, id)).transpose()?;
    let grant = agreement.as_ref().and_then(|agreement| agreement.grant_id.clone());
    let filed = if caller.with_role(&[Role::Reviewer, Role::Auditor]).is_ok() { reports::list(conn, caller, id)? } else { Vec::new() };
    let wanted = |filed: &FiledReport| report.as_ref().is_none_or(|sha256| *sha256 == filed.sha256);
    let found = filed.into_iter().find(wanted);
    Ok(ReviewPage {
        firm: firms::find(conn, &application.firm_id)?,
        history: desk::history(conn, id, application.agreement_id.as_deref(), grant.as_deref())?,
        report: found.map(|filed| ReportView::of(w, &dataset.entry, filed)).transpose()?,
        title: w.text(&dataset.entry.title).to_owned(),
        publisher: w.text(&dataset.publisher_name).to_owned(),
        rows: sheet::rows(w, &application, &dataset),
        fields: sheet::fields(w, &dataset.entry, &application.fields),
        besides: grants::besides(conn, &application, &dataset)?,
        granted: application.granted.as_ref().map(|granted| sheet::granted(w, granted)),
        reviews: person.roles.contains(&Role::Reviewer),
        own: person.roles.contains(&Role::Steward) && person.publisher.as_deref() == Some(dataset.entry.publisher.as_str()),
        sees_grants: caller.with_role(&OVER_GRANTS).is_ok(),
        modes: modes(&application, &dataset),
        reads_documents: caller.with_role(&OVER_GRANTS).is_ok(),
        agreement,
        application,
        w,
        csrf,
        told,
        side: Side::Staff,
    })
}

/// Those that are asked for, and the sandbox where it is offered and may stand for the API.
fn modes(application: &Application, dataset: &Dataset) -> Vec<Mode> {
    let (asked, offered) = (&application.modes, dataset.entry.offer().modes);
    let instead = asked.contains(&Mode::Api) && !asked.contains(&Mode::Sandbox) && offered.contains(&Mode::Sandbox);
    asked.iter().copied().chain(instead.then_some(Mode::Sandbox)).collect()
}

async fn show(Visit { caller, app, w, .. }: Visit, id: String, told: Told, report: Option<String>) -> Result<HttpResponse> {
    let asked = Asked { w, csrf: browser::csrf_token(&app, &browser::signed_in(&caller)?.session), told, report };
    let page = app.db.read(move |conn| page_of(conn, &caller, &id, asked)).await?;
    private_page(w, StatusCode::OK, &page)
}

#[get("/console/applications/{id}")]
pub async fn review_page(visit: Visit, path: web::Path<String>, query: web::Query<ReviewQuery>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, path.into_inner(), told, query.into_inner().report).await
}

/// The bounds of a quota, by their keys.
const BOUNDS: [&str; 4] = ["calls_per_day", "rows_per_day", "bytes_per_day", "days"];

/// What a reviewer grants: what is ticked of what was asked for.
fn conditions(filled: &Filled) -> Result<Conditions> {
    let modes = filled.all("modes").map(|mode| serde_json::from_value(mode.into())).collect::<Result<_, _>>();
    let purposes = filled.all("purposes").map(|purpose| serde_json::from_value(purpose.into())).collect::<Result<_, _>>();
    let unknown = |cause| Error::Malformed(format!("the form is not one of this page: {cause}"));
    Ok(Conditions {
        fields: Some(filled.list("fields")),
        modes: Some(modes.map_err(unknown)?),
        purposes: Some(purposes.map_err(unknown)?),
        term_days: Some(filled.one("term_days").trim().parse().unwrap_or_default()),
        shares_models: Some(filled.has("shares_models", "true")),
        text: Some(check_text("/conditions/text", &filled.text("text"), 0, 4000)?),
        versions: filled.has("versions", "this").then_some(Versions::This),
        quota: Some(sheet::quota(BOUNDS.into_iter().map(|key| (key, filled.one(key).trim())), "/conditions/quota")?),
        sender_constrained: Some(filled.has("sender_constrained", "true")),
    })
}

fn decision(filled: &Filled, approve: bool) -> Result<NewDecision> {
    let reason = check_text("/reason", &filled.text("reason"), 3, 2000)?;
    let sha256 = filled.one("report_sha256");
    let report_sha256 = Some(sha256.to_owned()).filter(|sha256| approve && !sha256.is_empty());
    let conditions = if approve { Some(conditions(filled)?) } else { None };
    Ok(NewDecision { approve, reason, report_sha256, conditions })
}

/// Does what a form of the page says.
async fn act(Sent { visit, filled }: &Sent, id: String, step: &str) -> Result<()> {
    let (app, caller, terms) = (&visit.app, visit.caller.clone(), Arc::clone(&visit.app.terms));
    match step {
        "acceptance" => app.db.write(move |conn| applications::accept(conn, &caller, &id, &terms)).await.map(|_accepted| ()),
        "questions" => {
            let question = check_text("/question", &filled.text("question"), 3, 4000)?;
            app.db.write(move |conn| applications::ask(conn, &caller, &id, &question, &terms)).await.map(|_asked| ())
        }
        "approval" | "refusal" => {
            let new = decision(filled, step == "approval")?;
            app.db.write(move |conn| applications::decide(conn, &caller, &id, &new, &terms)).await.map(|_decided| ())
        }
        "appeal-dismissed" | "appeal-granted" => {
            let (uphold, reason) = (step == "appeal-dismissed", check_text("/reason", &filled.text("reason"), 3, 2000)?);
            app.db.write(move |conn| applications::decide_appeal(conn, &caller, &id, uphold, &reason, &terms)).await.map(|_decided| ())
        }
        other => Err(Error::not_found("page or operation at", format!("/console/applications/{id}/{other}"))),
    }
}

#[post("/console/applications/{id}/steps/{step}")]
pub async fn take_step(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, step) = path.into_inner();
    let taken = act(&sent, id.clone(), &step).await;
    let here = format!("/console/applications/{id}");
    let looked_at = Some(sent.filled.one("report_sha256").to_owned()).filter(|sha256| !sha256.is_empty());
    let fields = sent.filled.list("fields");
    let show = async |visit: Visit, told| {
        let (told, report) = match (step.as_str(), looked_at) {
            ("approval", Some(report)) => anew(&visit, &id, told, (report, fields)).await?,
            (_, report) => (told, report),
        };
        show(visit, id, told, report).await
    };
    sent.answer(taken, (&here, &step), &step, show).await
}

/// An approval was refused: where the report that it named is not what would be released now, a fresh one is made and shown in its place.
async fn anew(Visit { caller, app, w, .. }: &Visit, id: &str, told: Told, on: (String, Vec<String>)) -> Result<(Told, Option<String>)> {
    let (sha256, fields) = on;
    let (who, key) = (caller.clone(), id.to_owned());
    let found = app.db.read(move |conn| Ok((applications::find_for(conn, &who, &key)?.status, reports::list(conn, &who, &key)?)));
    let (status, filed) = found.await?;
    let before = filed.into_iter().find(|filed| filed.sha256 == sha256);
    if !matches!(status, State::Submitted | State::Accepted) {
        return Ok((told, Some(sha256)));
    }
    // What keeps a fresh report from being made is what the refusal has said already.
    let Ok(fresh) = Box::pin(app.report(caller, id, Some(fields))).await else { return Ok((told, Some(sha256))) };
    let policy = |filed: &FiledReport| filed.report.get("policy").cloned();
    if before.is_some_and(|before| before.version == fresh.version && policy(&before) == policy(&fresh)) {
        return Ok((told, Some(fresh.sha256)));
    }
    let text = w.t(
        "尚未批准：您查看报告之后，数据集或其脱敏策略有变化。已按现状重新试制，请查看下面的新报告后再作决定；您填写的内容已保留。",
        "Nothing is approved yet: the dataset or its policy has changed since the report that you looked at. A fresh report was made. Look at it below and decide again; what you typed is kept.",
    );
    Ok((told.saying(text.to_owned()), Some(fresh.sha256)))
}

#[post("/console/applications/{id}/reports")]
pub async fn try_out(sent: Sent, path: web::Path<String>) -> Result<HttpResponse> {
    let (id, Visit { caller, app, w, .. }) = (path.into_inner(), sent.visit.clone());
    match Box::pin(app.report(&caller, &id, Some(sent.filled.list("fields")))).await {
        Ok(filed) => {
            let lang = w.short();
            Ok(see(&format!("/console/applications/{id}?lang={lang}&done=reports&report={}#report", filed.sha256)))
        }
        Err(error) => sent.again("reports", error, async |visit, told| show(visit, id, told, None).await).await,
    }
}
