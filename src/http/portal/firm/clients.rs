//! The clients of a firm: what its programs prove themselves with. The firm registers them, ends their tokens, and revokes them.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use chrono::NaiveDateTime;

use super::super::confirm::Confirm;
use super::super::told::{Told, onwards};
use super::super::visit::{Sent, Visit};
use super::super::{Words, private_page};
use super::firm_of;
use crate::error::{Error, Result};
use crate::http::browser::{self, Filled};
use crate::http::v1::clients::{ClientRegistration, RegisteredClient};
use crate::identity::clients::{self, Client};
use crate::identity::firms::{self, Firm};
use crate::identity::jwk::PublicKey;

/// The name of the form with which one is registered.
const FORM: &str = "client";

/// Where they are.
const HERE: &str = "/firm/clients";

#[derive(Template)]
#[template(path = "firm-clients.html")]
struct ClientsPage {
    w: Words,
    csrf: String,
    firm: Firm,
    clients: Vec<Client>,
    used: HashMap<String, NaiveDateTime>,
    told: Told,
}

impl ClientsPage {
    fn may_register(&self) -> bool {
        self.firm.status == firms::APPROVED
    }

    /// How the new one proves itself; with a key, where nothing was chosen.
    fn proves(&self, way: &str) -> bool {
        self.told.text_or(FORM, "method", "key") == way
    }

    fn bound(&self) -> bool {
        self.told.is(FORM) && self.told.ticked(FORM, "dpop", "true")
    }

    fn used_at(&self, client: &Client) -> Option<&NaiveDateTime> {
        self.used.get(&client.id)
    }
}

/// A client, its page, and that it was made with a secret, which is shown this once.
#[derive(Template)]
#[template(path = "firm-client.html")]
struct ClientPage {
    w: Words,
    csrf: String,
    issuer: String,
    client: Client,
    thumbprint: Option<String>,
    used: Option<NaiveDateTime>,
    secret: Option<String>,
    told: Told,
}

impl ClientPage {
    fn acts(&self) -> bool {
        self.client.status == "active"
    }

    fn has_secret(&self) -> bool {
        self.client.method == clients::CLIENT_SECRET
    }

    /// The algorithm of its assertions, as a library names it.
    fn algorithm(&self) -> &'static str {
        let curve = self.client.public_jwk.as_ref().and_then(|jwk| jwk.get("crv")?.as_str());
        if curve == Some("P-256") { "ES256" } else { "EdDSA" }
    }
}

async fn show(Visit { caller, app, w, .. }: Visit, told: Told) -> Result<HttpResponse> {
    let (person, firm) = firm_of(&caller)?;
    let (csrf, firm) = (browser::csrf_token(&app, &person.session), firm.to_owned());
    let found = app.db.read(move |conn| {
        let (firm, mut clients) = (firms::find(conn, &firm)?, clients::list(conn, &firm)?);
        let used = clients::last_tokens(conn, &clients)?;
        // Those that are of use come first.
        clients.sort_by_key(|client| client.status == "revoked");
        Ok(ClientsPage { w, csrf, firm, clients, used, told })
    });
    private_page(w, StatusCode::OK, &found.await?)
}

#[get("/firm/clients")]
pub async fn clients_page(visit: Visit) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, told).await
}

/// The client, as the API takes it: of the ways to prove itself the one that was chosen counts.
fn registration(filled: &Filled) -> Result<ClientRegistration> {
    let (mut public_jwk, mut jwks_uri) = (None, None);
    match filled.one("method") {
        "key" => public_jwk = Some(PublicKey::read("/public_jwk", filled.one("public_key"))?.to_jwk()),
        "keys" => jwks_uri = Some(filled.one("jwks_uri").trim().to_owned()),
        "secret" => {}
        _ => return Err(Error::invalid("/proof", "choose how the client proves itself")),
    }
    let dpop_bound_access_tokens = filled.has("dpop", "true");
    Ok(ClientRegistration { name: filled.one("name").trim().to_owned(), public_jwk, jwks_uri, dpop_bound_access_tokens })
}

#[post("/firm/clients")]
pub async fn register(mut sent: Sent) -> Result<HttpResponse> {
    let registered = match registration(&sent.filled) {
        Ok(new) => new.take(&sent.visit.app, &sent.visit.caller).await,
        Err(error) => Err(error),
    };
    match registered {
        Ok(RegisteredClient { client, secret: None }) => Ok(onwards(sent.visit.w, &format!("{HERE}/{}", client.id), "client-registered")),
        Ok(RegisteredClient { client, secret }) => {
            let told = Told::done(sent.visit.w, None);
            show_one(sent.visit, client, secret, told).await
        }
        Err(error) => {
            // A private key that somebody pasted is not sent around once more.
            if PublicKey::is_private(sent.filled.one("public_key")) {
                sent.filled = sent.filled.without("public_key");
            }
            sent.again(FORM, error, show).await
        }
    }
}

/// One client; the secret, where it has got one just now, and what is told besides.
async fn show_one(Visit { caller, app, w, .. }: Visit, client: Client, secret: Option<String>, told: Told) -> Result<HttpResponse> {
    let asked = client.clone();
    let used = app.db.read(move |conn| Ok(clients::last_tokens(conn, &[asked])?.into_values().next())).await?;
    let key = client.public_jwk.as_ref().and_then(|jwk| PublicKey::parse("/public_jwk", jwk).ok());
    let (csrf, issuer) = (browser::csrf_token(&app, &firm_of(&caller)?.0.session), app.issuer.clone());
    let thumbprint = key.map(|key| key.thumbprint());
    private_page(w, StatusCode::OK, &ClientPage { w, csrf, issuer, client, thumbprint, used, secret, told })
}

/// A client of the firm.
async fn own(visit: &Visit, id: &str) -> Result<Client> {
    let (firm, id) = (firm_of(&visit.caller)?.1.to_owned(), id.to_owned());
    visit.app.db.read(move |conn| clients::find_of(conn, &firm, &id)).await
}

#[get("/firm/clients/{id}")]
pub async fn client_page(visit: Visit, path: web::Path<String>) -> Result<HttpResponse> {
    let (client, told) = (own(&visit, &path).await?, visit.told());
    show_one(visit, client, None, told).await
}

/// Asks once more before a client is revoked.
fn ask_again(Visit { caller, app, w, .. }: &Visit, client: &Client) -> Result<HttpResponse> {
    let (w, csrf) = (*w, browser::csrf_token(app, &firm_of(caller)?.0.session));
    let here = format!("{HERE}/{}", client.id);
    let lead = w.t(
        "撤销后不能恢复：使用此接入凭证的程序从下一次请求起被拒绝，正在传输的数据随即中断。仍在使用的程序请先改用新的接入凭证。",
        "This cannot be undone. Programs that use the client are refused from the next request on, and what is being sent breaks off. Register another one first, where they go on.",
    );
    let page = Confirm {
        w,
        csrf,
        title: w.t("确认撤销接入凭证？", "Revoke the client?"),
        lead,
        facts: vec![(w.t("名称", "Name"), client.name.clone()), ("client_id", client.id.clone())],
        action: format!("{here}/steps/revocation"),
        confirmed: client.id.clone(),
        also: Vec::new(),
        reason: None,
        button: w.t("撤销接入凭证", "Revoke the client for good"),
        back: here,
    };
    private_page(w, StatusCode::OK, &page)
}

#[post("/firm/clients/{id}/steps/{step}")]
pub async fn take_step(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, step) = path.into_inner();
    let client = own(&sent.visit, &id).await?;
    // What cannot be undone is asked twice.
    if step == "revocation" && !sent.filled.has("confirmed", &id) {
        return ask_again(&sent.visit, &client);
    }
    let taken = act(&sent.visit, client, &step).await;
    let (here, done) = (format!("{HERE}/{id}"), format!("client-{step}"));
    let show = async |visit: Visit, told| {
        let client = own(&visit, &id).await?;
        show_one(visit, client, None, told).await
    };
    sent.answer(taken, (&here, &done), &step, show).await
}

/// Does what a form of the page says.
async fn act(Visit { caller, app, .. }: &Visit, client: Client, step: &str) -> Result<Client> {
    let actor = caller.actor();
    match step {
        "token-revocation" => app.db.write(move |conn| clients::end_tokens(conn, &actor, &client.id)).await,
        "revocation" => app.db.write(move |conn| clients::revoke(conn, &actor, &client.id)).await,
        other => Err(Error::not_found("page or operation at", format!("{HERE}/{}/steps/{other}", client.id))),
    }
}
