//! Where a firm has the changes of the list sent: to its people by mail, and to its programs by webhooks. 变更通知

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use chrono::NaiveDateTime;

use super::super::confirm::Confirm;
use super::super::told::{Told, onwards};
use super::super::visit::{Sent, Visit};
use super::super::{Words, private_page};
use super::firm_of;
use crate::access::mail::{self, MailSubscription, NewMailSubscription};
use crate::access::webhooks::{self, EVENTS, NewWebhook, Webhook};
use crate::app::App;
use crate::crypto::MasterKey;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::http::browser::{self, Filled};
use crate::http::v1;
use crate::http::v1::webhooks::RegisteredWebhook;
use crate::identity::Caller;
use crate::identity::firms::{self, Firm};

/// Where they are.
const HERE: &str = "/firm/following";

/// The forms with which one is asked for.
const MAIL: &str = "mail";
const WEBHOOK: &str = "webhook";

/// How the changes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Mail,
    Webhook,
}

impl Way {
    /// Its name in addresses.
    fn as_str(self) -> &'static str {
        match self {
            Way::Mail => "mail",
            Way::Webhook => "webhooks",
        }
    }

    fn of(name: &str) -> Result<Self> {
        let found = [Way::Mail, Way::Webhook].into_iter().find(|way| way.as_str() == name);
        found.ok_or_else(|| Error::not_found("page or operation at", format!("{HERE}/{name}")))
    }
}

/// Where changes are sent, and how far it has come.
struct Receiver {
    way: Way,
    id: String,
    /// The mailbox, or the address of the program.
    address: String,
    status: String,
    events: Vec<String>,
    datasets: Vec<String>,
    created_at: NaiveDateTime,
    delivered_at: Option<NaiveDateTime>,
    next_at: Option<NaiveDateTime>,
    last_error: Option<String>,
    /// What was refused many times and laid aside, and why the first of it was.
    dead: i64,
    first_error: Option<String>,
    /// The entry of the ledger up to which all was taken.
    taken_to: i64,
    /// Whether it ever was to be sent anything: an address that nobody confirmed is asked for anew.
    confirmed: bool,
}

impl Receiver {
    fn of_mail(conn: &mut Conn, caller: &Caller, mail: MailSubscription) -> Result<Self> {
        let (letters, dead) = mail::letters(conn, caller, &mail.id, 0, 1)?;
        let first = letters.into_iter().next();
        Ok(Receiver {
            way: Way::Mail,
            confirmed: mail.confirmed_at_entry.is_some(),
            taken_to: first.as_ref().map_or(mail.sent_to, |letter| letter.after.min(mail.sent_to)),
            first_error: first.map(|letter| letter.error),
            dead,
            id: mail.id,
            address: mail.address,
            status: mail.status,
            events: mail.events,
            datasets: mail.datasets,
            created_at: mail.created_at,
            delivered_at: mail.delivered_at,
            next_at: mail.next_at,
            last_error: mail.last_error,
        })
    }

    fn of_webhook(conn: &mut Conn, caller: &Caller, webhook: Webhook) -> Result<Self> {
        let (letters, dead) = webhooks::letters(conn, caller, &webhook.id, 0, 1)?;
        let first = letters.into_iter().next();
        Ok(Receiver {
            way: Way::Webhook,
            confirmed: true,
            taken_to: first.as_ref().map_or(webhook.sent_to, |letter| (letter.seq - 1).min(webhook.sent_to)),
            first_error: first.map(|letter| letter.error),
            dead,
            id: webhook.id,
            address: webhook.url,
            status: webhook.status,
            events: webhook.events,
            datasets: webhook.datasets,
            created_at: webhook.created_at,
            delivered_at: webhook.delivered_at,
            next_at: webhook.next_at,
            last_error: webhook.last_error,
        })
    }

    /// The receivers of the caller's firm.
    fn all(conn: &mut Conn, caller: &Caller, master: &MasterKey) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for mail in mail::list(conn, caller, master)? {
            all.push(Self::of_mail(conn, caller, mail)?);
        }
        for webhook in webhooks::list(conn, caller)? {
            all.push(Self::of_webhook(conn, caller, webhook)?);
        }
        Ok(all)
    }

    /// Where its forms go.
    fn steps(&self) -> String {
        format!("{HERE}/{}/{}/steps", self.way.as_str(), self.id)
    }

    fn is_disabled(&self) -> bool {
        self.status == "disabled"
    }

    /// Whether something was not taken that can be sent once more.
    fn may_resume(&self) -> bool {
        self.confirmed && (self.is_disabled() || self.dead > 0)
    }
}

#[derive(Template)]
#[template(path = "firm-following.html")]
struct FollowingPage {
    w: Words,
    csrf: String,
    firm: Firm,
    /// Whether the service sends mail.
    mails: bool,
    receivers: Vec<Receiver>,
    /// One that was registered just now, with its secret.
    made: Option<RegisteredWebhook>,
    told: Told,
}

impl FollowingPage {
    fn may_ask(&self) -> bool {
        self.firm.status == firms::APPROVED
    }

    fn by_mail(&self) -> Vec<&Receiver> {
        self.receivers.iter().filter(|receiver| receiver.way == Way::Mail).collect()
    }

    fn by_webhook(&self) -> Vec<&Receiver> {
        self.receivers.iter().filter(|receiver| receiver.way == Way::Webhook).collect()
    }

    fn events(&self) -> [&'static str; 10] {
        EVENTS
    }
}

async fn show_with(Visit { caller, app, w, .. }: Visit, told: Told, made: Option<RegisteredWebhook>) -> Result<HttpResponse> {
    let (person, firm) = firm_of(&caller)?;
    let (csrf, firm, mails) = (browser::csrf_token(&app, &person.session), firm.to_owned(), app.require_mail().is_ok());
    let master = app.master.clone();
    let found = app.db.read(move |conn| {
        let (firm, receivers) = (firms::find(conn, &firm)?, Receiver::all(conn, &caller, &master)?);
        Ok(FollowingPage { w, csrf, firm, mails, receivers, made, told })
    });
    private_page(w, StatusCode::OK, &found.await?)
}

async fn show(visit: Visit, told: Told) -> Result<HttpResponse> {
    show_with(visit, told, None).await
}

#[get("/firm/following")]
pub async fn following_page(visit: Visit) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, told).await
}

/// The datasets that somebody named, with anything between them that no slug has.
fn datasets(filled: &Filled) -> Vec<String> {
    let parts = filled.one("datasets").split(|letter: char| letter.is_whitespace() || matches!(letter, ',' | ';' | '，' | '、' | '；'));
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[post("/firm/following/mail")]
pub async fn subscribe(sent: Sent) -> Result<HttpResponse> {
    let (address, events) = (sent.filled.one("address").trim().to_owned(), sent.filled.list("event"));
    let new = NewMailSubscription { address, events, datasets: datasets(&sent.filled) };
    let subscribed = v1::mail::subscribe(&sent.visit.app, &sent.visit.caller, new).await;
    sent.answer(subscribed, (HERE, "mail-subscribed"), MAIL, show).await
}

#[post("/firm/following/webhooks")]
pub async fn register(sent: Sent) -> Result<HttpResponse> {
    let (url, events) = (sent.filled.one("url").trim().to_owned(), sent.filled.list("event"));
    let new = NewWebhook { url, events, datasets: datasets(&sent.filled) };
    match v1::webhooks::register(&sent.visit.app, &sent.visit.caller, new).await {
        // The secret is on this page and on no other.
        Ok(made) => {
            let told = Told::done(sent.visit.w, None);
            show_with(sent.visit, told, Some(made)).await
        }
        Err(error) => sent.again(WEBHOOK, error, show).await,
    }
}

/// A receiver of the firm.
async fn own(visit: &Visit, way: Way, id: &str) -> Result<Receiver> {
    firm_of(&visit.caller)?;
    let (caller, master) = (visit.caller.clone(), visit.app.master.clone());
    let all = visit.app.db.read(move |conn| Receiver::all(conn, &caller, &master)).await?;
    let found = all.into_iter().find(|receiver| receiver.way == way && receiver.id == id);
    found.ok_or_else(|| Error::not_found(if way == Way::Mail { "mail subscription" } else { "webhook" }, id))
}

/// Asks once more before a receiver is removed.
fn ask_again(Visit { caller, app, w, .. }: &Visit, receiver: &Receiver) -> Result<HttpResponse> {
    let (w, csrf) = (*w, browser::csrf_token(app, &firm_of(caller)?.0.session));
    let (title, lead, button) = match receiver.way {
        Way::Mail => (
            w.t("确认删除邮件订阅？", "Remove the subscription?"),
            w.t(
                "删除后不再发送邮件，邮箱地址也不再保存。再次订阅须由收件人重新确认。",
                "No more mail is sent then, and the address is forgotten. To subscribe it again, its reader has to say yes again.",
            ),
            w.t("删除订阅", "Remove the subscription"),
        ),
        Way::Webhook => (
            w.t("确认删除推送地址？", "Remove the webhook?"),
            w.t(
                "删除后不再推送，密钥随即作废，尚未送达的变更不再发送。",
                "Nothing more is sent to it, its secret is of no use, and what was not taken yet is never sent.",
            ),
            w.t("删除推送地址", "Remove the webhook"),
        ),
    };
    let page = Confirm {
        w,
        csrf,
        title,
        lead,
        facts: vec![(w.t("地址", "Address"), receiver.address.clone())],
        action: format!("{}/removal", receiver.steps()),
        confirmed: receiver.id.clone(),
        also: Vec::new(),
        reason: None,
        button,
        back: HERE.to_owned(),
    };
    private_page(w, StatusCode::OK, &page)
}

#[post("/firm/following/{way}/{id}/steps/{step}")]
pub async fn take_step(sent: Sent, path: web::Path<(String, String, String)>) -> Result<HttpResponse> {
    let (way, id, step) = path.into_inner();
    let receiver = own(&sent.visit, Way::of(&way)?, &id).await?;
    // What cannot be undone is asked twice.
    if step == "removal" && !sent.filled.has("confirmed", &id) {
        return ask_again(&sent.visit, &receiver);
    }
    let taken = act(&sent.visit.app, sent.visit.caller.clone(), receiver, &step).await;
    match taken {
        Ok(()) => Ok(onwards(sent.visit.w, HERE, &format!("{way}-{step}"))),
        Err(error) => sent.again(&id, error, show).await,
    }
}

/// Does what a form of the page says.
async fn act(app: &App, caller: Caller, receiver: Receiver, step: &str) -> Result<()> {
    let Receiver { way, id, taken_to, .. } = receiver;
    match (way, step) {
        (Way::Mail, "replay") => v1::mail::replay(app, &caller, id, taken_to).await.map(drop),
        (Way::Mail, "removal") => app.db.write(move |conn| mail::remove(conn, &caller, &id)).await,
        (Way::Webhook, "replay") => app.db.write(move |conn| webhooks::replay(conn, &caller, &id, taken_to)).await.map(drop),
        (Way::Webhook, "removal") => app.db.write(move |conn| webhooks::remove(conn, &caller, &id)).await,
        (_, other) => Err(Error::not_found("page or operation at", format!("{HERE}/{}/{id}/steps/{other}", way.as_str()))),
    }
}
