//! One application as its firm sees it: what it says, what happened, what to do next; and its agreement.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;

use super::super::sheet::{self, Leaving, SheetRow};
use super::super::told::{Told, onwards};
use super::super::visit::{Sent, Visit};
use super::super::wording::Side;
use super::super::{Words, private_page};
use super::firm_of;
use crate::access::agreements::{self, Agreement, Code};
use crate::access::applications::{self, Application, State, Step};
use crate::access::desk::{self, Happened};
use crate::catalog;
use crate::clock::now_naive;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::http::browser;
use crate::http::v1::check_text;
use crate::identity::clients::{self, Client};
use crate::identity::{Caller, second_factor};
use crate::settings::AttachmentSettings;

/// What is known of an application.
struct Known {
    application: Application,
    title: String,
    rows: Vec<SheetRow>,
    fields: Vec<Leaving>,
    granted: Option<Vec<(&'static str, String)>>,
    agreement: Option<Agreement>,
    history: Vec<Happened>,
    /// Whether the person can confirm with a second factor.
    has_factor: bool,
    /// The firm's client with a key, where it has one.
    signer: Option<Client>,
}

#[derive(Template)]
#[template(path = "firm-application.html")]
struct ApplicationPage {
    w: Words,
    csrf: String,
    issuer: String,
    k: Known,
    /// How much may be attached.
    most: AttachmentSettings,
    told: Told,
    side: Side,
}

impl ApplicationPage {
    fn may_submit(&self) -> bool {
        self.k.application.status.may(Step::Submit)
    }

    fn may_change(&self) -> bool {
        self.k.application.status.may(Step::Change)
    }

    /// Whether a document may be attached: those that there are may be taken away then too.
    fn has_room(&self) -> bool {
        self.may_change() && self.k.application.attachments.len() < self.most.most as usize
    }

    fn largest(&self) -> String {
        self.w.size(&i64::try_from(self.most.max_bytes).unwrap_or(i64::MAX))
    }

    fn may_answer(&self) -> bool {
        self.k.application.status.may(Step::Answer)
    }

    fn may_withdraw(&self) -> bool {
        self.k.application.status.may(Step::Withdraw)
    }

    fn may_appeal(&self) -> bool {
        let application = &self.k.application;
        application.status.may(Step::Appeal) && application.due_at.is_some_and(|due| due > now_naive())
    }

    fn may_sign(&self) -> bool {
        self.k.application.status.may(Step::Sign)
    }

    /// What the reviewer asked last.
    fn question(&self) -> Option<&str> {
        let asked = self.k.history.iter().rfind(|happened| happened.kind == "application.asked")?;
        Some(asked.words.as_deref().unwrap_or_else(|| self.w.t("（内容已移除）", "(taken out)")))
    }

    /// The client that signs in the lines to copy, or where its id goes.
    fn client_id(&self) -> &str {
        self.k.signer.as_ref().map_or("CLIENT_ID", |client| client.id.as_str())
    }
}

fn known(conn: &mut Conn, caller: &Caller, w: Words, id: &str) -> Result<Known> {
    let (person, firm) = firm_of(caller)?;
    let application = applications::find_for(conn, caller, id)?;
    let dataset = catalog::find_any(conn, &application.dataset)?;
    let agreement = application.agreement_id.as_deref().map(|id| agreements::find(conn, id)).transpose()?;
    let grant = agreement.as_ref().and_then(|agreement| agreement.grant_id.clone());
    let signs = application.status == State::Approved;
    let clients = if signs { clients::list(conn, firm)? } else { Vec::new() };
    Ok(Known {
        history: desk::history(conn, id, application.agreement_id.as_deref(), grant.as_deref())?,
        has_factor: signs && second_factor::is_enrolled(conn, &person.id)?,
        signer: clients.into_iter().find(|client| client.status == "active" && client.public_jwk.is_some()),
        title: w.text(&dataset.entry.title).to_owned(),
        rows: sheet::rows(w, &application, &dataset),
        fields: sheet::fields(w, &dataset.entry, &application.fields),
        granted: application.granted.as_ref().map(|granted| sheet::granted(w, granted)),
        agreement,
        application,
    })
}

pub(super) async fn show(Visit { caller, app, w, .. }: Visit, id: String, told: Told) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(&app, &firm_of(&caller)?.0.session);
    let k = app.db.read(move |conn| known(conn, &caller, w, &id)).await?;
    let (issuer, most) = (app.issuer.clone(), app.settings.attachments);
    private_page(w, StatusCode::OK, &ApplicationPage { w, csrf, issuer, k, most, told, side: Side::Firm })
}

#[get("/firm/applications/{id}")]
pub async fn application_page(visit: Visit, path: web::Path<String>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, path.into_inner(), told).await
}

/// Does what a form of the page says.
async fn act(Sent { visit, filled }: &Sent, id: String, step: &str) -> Result<()> {
    let (app, caller, terms) = (&visit.app, visit.caller.clone(), visit.app.terms.clone());
    let answer = filled.text("answer");
    let reason = || check_text("/reason", &filled.text("reason"), 3, 2000);
    match step {
        "submission" => app.db.write(move |conn| applications::submit(conn, &caller, &id, &terms)).await?,
        "answer" => {
            let words = check_text("/answer", &answer, 3, 4000)?;
            app.db.write(move |conn| applications::answer(conn, &caller, &id, &words, &terms)).await?
        }
        "withdrawal" => {
            let reason = reason()?;
            app.db.write(move |conn| applications::withdraw(conn, &caller, &id, &reason)).await?
        }
        "appeal" => {
            let reason = reason()?;
            app.db.write(move |conn| applications::appeal(conn, &caller, &id, &reason, &terms)).await?
        }
        other => return Err(Error::not_found("page or operation at", format!("/firm/applications/{id}/{other}"))),
    };
    Ok(())
}

#[post("/firm/applications/{id}/steps/{step}")]
pub async fn take_step(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, step) = path.into_inner();
    let taken = act(&sent, id.clone(), &step).await;
    let here = format!("/firm/applications/{id}");
    sent.answer(taken, (&here, &step), &step, async |visit, told| show(visit, id, told).await).await
}

#[post("/firm/applications/{id}/confirmation")]
pub async fn confirm(sent: Sent, path: web::Path<String>) -> Result<HttpResponse> {
    let (id, Sent { visit, filled }) = (path.into_inner(), &sent);
    let app = web::Data::clone(&visit.app);
    let given = Code { sha256: filled.one("sha256").to_owned(), code: filled.one("code").to_owned() };
    let (parts, who, agreement) = (web::Data::clone(&app), visit.caller.clone(), filled.one("agreement").to_owned());
    let work = move |conn: &mut _| agreements::confirm(conn, &parts.agreement_key, &parts.master, &who, &agreement, &given);
    match app.db.write(work).await.flatten() {
        Ok((_agreement, grant)) => {
            app.prepare(&grant).await;
            Ok(onwards(visit.w, &format!("/firm/grants/{}", grant.id), "signed"))
        }
        Err(error) => sent.again("confirmation", error, async |visit, told| show(visit, id, told).await).await,
    }
}
