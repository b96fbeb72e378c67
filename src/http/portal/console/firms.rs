//! Firms as the operator sees them: those that wait for a decision first; and one of them with its clients and sanctions.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use chrono::NaiveDateTime;
use serde::Deserialize;

use super::super::confirm::Confirm;
use super::super::told::Told;
use super::super::visit::{Sent, Visit};
use super::super::{Words, private_page};
use super::queue::page_number;
use super::{OVER_FIRMS, Rooms, staff_of};
use crate::access::desk::{self, Happened};
use crate::access::sanctions::{self, Sanction};
use crate::error::{Error, Result};
use crate::http::browser::{self, Filled};
use crate::http::v1::check_text;
use crate::identity::Role;
use crate::identity::clients::{self, Client};
use crate::identity::firms::{self, Firm, FirmListing, FirmStep, PAGE};

/// Sanctions of a firm that are shown.
const SHOWN: i64 = 50;

/// Which part of the list.
#[derive(Deserialize)]
pub struct FirmsQuery {
    state: Option<String>,
    page: Option<String>,
}

#[derive(Template)]
#[template(path = "console-firms.html")]
struct FirmsPage {
    w: Words,
    rooms: Rooms,
    listing: FirmListing,
    /// The state that is shown; `all` for every one.
    state: &'static str,
    page: i64,
}

impl FirmsPage {
    fn waiting(&self) -> i64 {
        self.rooms.firms.unwrap_or_default()
    }

    fn all(&self) -> i64 {
        self.listing.counts.iter().map(|(_, count)| count).sum()
    }

    fn has_more(&self) -> bool {
        self.page * PAGE < self.listing.total
    }
}

#[get("/console/firms")]
pub async fn firms_page(Visit { caller, app, w, .. }: Visit, query: web::Query<FirmsQuery>) -> Result<HttpResponse> {
    staff_of(&caller, &OVER_FIRMS)?;
    let known = firms::STATES.into_iter().find(|state| query.state.as_deref() == Some(*state));
    let all = query.state.as_deref() == Some("all");
    // Those that wait, unless others are asked for.
    let status = if all { None } else { Some(known.unwrap_or(firms::STATES[0])) };
    let page = page_number(query.page.as_deref());
    let found = app.db.read(move |conn| Ok((firms::page(conn, status, page - 1)?, Rooms::of(conn, &caller)?)));
    let (listing, rooms) = found.await?;
    private_page(w, StatusCode::OK, &FirmsPage { w, rooms, listing, state: status.unwrap_or("all"), page })
}

/// A client on the page of its firm.
struct ClientView {
    client: Client,
    used: Option<NaiveDateTime>,
}

impl ClientView {
    /// Where its forms go.
    fn steps(&self) -> String {
        format!("/console/firms/{}/clients/{}/steps", self.client.firm_id, self.client.id)
    }

    /// The name of a form of this client.
    fn form(&self, step: &str) -> String {
        form_of(&self.client.id, step)
    }
}

fn form_of(client: &str, step: &str) -> String {
    format!("{step}-{client}")
}

#[derive(Template)]
#[template(path = "console-firm.html")]
struct FirmPage {
    w: Words,
    csrf: String,
    firm: Firm,
    clients: Vec<ClientView>,
    sanctions: Vec<Sanction>,
    history: Vec<Happened>,
    /// Whether the person decides, and does not look alone.
    acts: bool,
    told: Told,
}

impl FirmPage {
    fn may_decide(&self) -> bool {
        self.acts && self.firm.status == firms::STATES[0]
    }

    fn may_suspend(&self) -> bool {
        self.acts && self.firm.status == firms::APPROVED
    }

    fn may_resume(&self) -> bool {
        self.acts && self.firm.status == firms::SUSPENDED
    }

    fn may_revoke(&self) -> bool {
        self.may_suspend() || self.may_resume()
    }

    fn may_end(&self, view: &ClientView) -> bool {
        self.acts && view.client.status != "revoked"
    }

    /// Whether the form that came back is one of this client's.
    fn is_about(&self, view: &ClientView) -> bool {
        self.told.form.ends_with(&view.client.id)
    }
}

async fn show(Visit { caller, app, w, .. }: Visit, id: String, told: Told) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(&app, &staff_of(&caller, &OVER_FIRMS)?.session);
    let found = app.db.read(move |conn| {
        let (firm, clients) = (firms::find(conn, &id)?, clients::list(conn, &id)?);
        let mut used = clients::last_tokens(conn, &clients)?;
        Ok(FirmPage {
            clients: clients.into_iter().map(|client| ClientView { used: used.remove(&client.id), client }).collect(),
            sanctions: sanctions::list_for(conn, &caller, Some(id.clone()), None, SHOWN)?.0,
            history: desk::history_of_firm(conn, &id)?,
            acts: caller.with_role(&[Role::Operator]).is_ok(),
            firm,
            w,
            csrf,
            told,
        })
    });
    private_page(w, StatusCode::OK, &found.await?)
}

#[get("/console/firms/{id}")]
pub async fn firm_page(visit: Visit, path: web::Path<String>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, path.into_inner(), told).await
}

fn reason(filled: &Filled) -> Result<String> {
    check_text("/reason", &filled.text("reason"), 3, 2000)
}

/// Does what a form about the firm says.
async fn act(Sent { visit, filled }: &Sent, id: String, step: &str) -> Result<Firm> {
    let step = match step {
        "approval" => FirmStep::Approve,
        "refusal" => FirmStep::Refuse,
        "suspension" => FirmStep::Suspend,
        "resumption" => FirmStep::Resume,
        "revocation" => FirmStep::Revoke,
        other => return Err(Error::not_found("page or operation at", format!("/console/firms/{id}/steps/{other}"))),
    };
    let (reason, caller) = (reason(filled)?, visit.caller.clone());
    visit
        .app
        .db
        .write(move |conn| match step {
            // One that a sanction suspended is resumed by lifting that.
            FirmStep::Resume => sanctions::resume(conn, &caller, &id, &reason),
            FirmStep::Approve | FirmStep::Refuse | FirmStep::Suspend | FirmStep::Revoke | FirmStep::Reinstate => {
                firms::step(conn, &caller.actor(), &id, step, Some(&reason))
            }
        })
        .await
}

/// Asks once more before a firm is revoked.
async fn ask_again(Visit { caller, app, w, .. }: Visit, id: String, reason: String) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(&app, &staff_of(&caller, &[Role::Operator])?.session);
    let firm = app.db.read(move |conn| firms::find(conn, &id)).await?;
    let here = format!("/console/firms/{}", firm.id);
    let lead = w.t(
        "企业的全部接入凭证从下一次请求起被拒绝，正在传输的数据随即中断，企业不能再申请数据。撤销后不能在此恢复。",
        "All clients of the firm are refused from the next request on, what is being sent breaks off, and the firm can apply for nothing any more. It cannot be undone here.",
    );
    let page = Confirm {
        w,
        csrf,
        title: w.t("确认撤销企业注册？", "Revoke the firm’s registration?"),
        lead,
        facts: vec![(w.t("企业", "Firm"), firm.name), (w.t("统一社会信用代码", "Credit code"), firm.uscc)],
        action: format!("{here}/steps/revocation"),
        confirmed: firm.id,
        also: Vec::new(),
        reason: Some((w.t("撤销理由", "Why it is revoked"), reason)),
        button: w.t("撤销企业注册", "Revoke the firm for good"),
        back: here,
    };
    private_page(w, StatusCode::OK, &page)
}

#[post("/console/firms/{id}/steps/{step}")]
pub async fn take_step(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, step) = path.into_inner();
    staff_of(&sent.visit.caller, &[Role::Operator])?;
    // What cannot be undone is asked twice.
    if step == "revocation" && !sent.filled.has("confirmed", &id) && reason(&sent.filled).is_ok() {
        return ask_again(sent.visit, id, sent.filled.text("reason")).await;
    }
    let taken = act(&sent, id.clone(), &step).await;
    let (here, done) = (format!("/console/firms/{id}"), format!("firm-{step}"));
    sent.answer(taken, (&here, &done), &step, async |visit, told| show(visit, id, told).await).await
}

/// Does what a form about a client says.
async fn act_on_client(Sent { visit, filled }: &Sent, client: String, step: &str) -> Result<Client> {
    let (app, actor) = (&visit.app, visit.caller.actor());
    match step {
        "suspension" | "resumption" => {
            let (suspended, reason) = (step == "suspension", reason(filled)?);
            app.db.write(move |conn| clients::suspend(conn, &actor, &client, suspended, &reason)).await
        }
        "token-revocation" => app.db.write(move |conn| clients::end_tokens(conn, &actor, &client)).await,
        "revocation" => app.db.write(move |conn| clients::revoke(conn, &actor, &client)).await,
        other => Err(Error::not_found("page or operation at", format!("/console/firms/…/clients/{client}/steps/{other}"))),
    }
}

/// Asks once more before a client is revoked.
fn ask_again_of(Visit { caller, app, w, .. }: &Visit, client: &Client) -> Result<HttpResponse> {
    let (w, csrf) = (*w, browser::csrf_token(app, &staff_of(caller, &[Role::Operator])?.session));
    let here = format!("/console/firms/{}", client.firm_id);
    let lead = w.t(
        "使用此接入凭证的程序从下一次请求起被拒绝，正在传输的数据随即中断。撤销后不能恢复；企业可以登记新的接入凭证。",
        "Programs that use the client are refused from the next request on, and what is being sent breaks off. It cannot be undone; the firm may register another one.",
    );
    let page = Confirm {
        w,
        csrf,
        title: w.t("确认撤销接入凭证？", "Revoke the client?"),
        lead,
        facts: vec![(w.t("名称", "Name"), client.name.clone()), ("client_id", client.id.clone())],
        action: format!("{here}/clients/{}/steps/revocation", client.id),
        confirmed: client.id.clone(),
        also: Vec::new(),
        reason: None,
        button: w.t("撤销接入凭证", "Revoke the client for good"),
        back: here,
    };
    private_page(w, StatusCode::OK, &page)
}

#[post("/console/firms/{id}/clients/{client}/steps/{step}")]
pub async fn take_client_step(sent: Sent, path: web::Path<(String, String, String)>) -> Result<HttpResponse> {
    let (id, client, step) = path.into_inner();
    staff_of(&sent.visit.caller, &[Role::Operator])?;
    let (firm, key) = (id.clone(), client.clone());
    let found = sent.visit.app.db.read(move |conn| clients::find_of(conn, &firm, &key)).await?;
    if step == "revocation" && !sent.filled.has("confirmed", &client) {
        return ask_again_of(&sent.visit, &found);
    }
    let taken = act_on_client(&sent, found.id, &step).await;
    let (here, done) = (format!("/console/firms/{id}"), format!("client-{step}"));
    sent.answer(taken, (&here, &done), &form_of(&client, &step), async |visit, told| show(visit, id, told).await).await
}
