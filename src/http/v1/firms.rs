//! A firm registers, and sees itself.

use std::net::IpAddr;

use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::check_text;
use crate::app::App;
use crate::error::{Error, Fault, Result};
use crate::identity::firms::{self, Firm, NewFirm};
use crate::identity::people::{self, NewPerson, Person};
use crate::identity::{Caller, password, uscc};

/// The person of a firm to talk to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FirmContact {
    /// The person's name.
    pub name: String,
    /// The person's e-mail address.
    pub email: String,
    /// The person's telephone number.
    pub phone: Option<String>,
}

/// The account with which the firm's person logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FirmAccount {
    /// 3 to 100 lower-case letters, digits and `. - _ @`.
    pub username: String,
    /// 12 to 200 characters, without the username in it.
    #[schema(format = Password, min_length = 12, max_length = 200)]
    pub password: String,
}

/// What a firm says of itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Its registered name.
    pub name: String,
    /// Its 统一社会信用代码; both check digits are verified (GB 32100-2015, GB 11714-1997).
    #[schema(min_length = 18, max_length = 18, example = "914403001922038216")]
    pub uscc: String,
    /// The person to talk to.
    pub contact: FirmContact,
    /// The account with which that person logs in.
    pub account: FirmAccount,
}

/// A firm that has registered.
#[derive(Serialize, ToSchema)]
pub struct Registered {
    /// The firm, which waits for the operator.
    firm: Firm,
    /// The person who can log in for it.
    person: Person,
}

impl Registration {
    /// Every fault at once, so that a form can show them all.
    ///
    /// # Errors
    /// When the check itself does not work.
    pub fn faults(&self) -> Result<Vec<Fault>> {
        let email_parts: Vec<&str> = self.contact.email.split('@').collect();
        let email = matches!(email_parts.as_slice(), [local, host] if !local.is_empty() && host.contains('.') && !host.starts_with('.'));
        let checks = [
            check_text("/name", &self.name, 2, 200).map(|_| ()),
            uscc::check(&self.uscc).map_err(|reason| Error::invalid("/uscc", reason)),
            check_text("/contact/name", &self.contact.name, 1, 100).map(|_| ()),
            if email { Ok(()) } else { Err(Error::invalid("/contact/email", "this is no e-mail address")) },
            self.contact.phone.as_deref().map_or(Ok(()), |phone| check_text("/contact/phone", phone, 5, 40).map(|_| ())),
            people::check_username("/account/username", &self.account.username),
            password::check_new("/account/password", &self.account.password, &self.account.username),
        ];
        let mut faults: Vec<Fault> = Vec::new();
        for check in checks {
            match check {
                Err(Error::Invalid(more)) => faults.extend(more),
                Err(other) => return Err(other),
                Ok(()) => {}
            }
        }
        Ok(faults)
    }

    /// Registers the firm, and the account of its person.
    ///
    /// # Errors
    /// When a value is not allowed, the code or the username is taken, or the address has tried too often.
    pub async fn take(self, app: &App, address: IpAddr) -> Result<Registered> {
        app.limits.login(address)?;
        let faults = self.faults()?;
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let Registration { name, uscc, contact, account } = self;
        let FirmAccount { username, password } = account;
        let password_hash = app.hash(move || password::hash(&password)).await?;
        let days = app.settings.registration_days;
        let registered = app.db.write(move |conn| {
            let new =
                NewFirm { name, uscc, contact_name: contact.name.clone(), contact_email: contact.email, contact_phone: contact.phone };
            let firm = firms::register(conn, new, days)?;
            let person = NewPerson {
                pointer: "/account/username",
                username,
                display_name: contact.name,
                password_hash,
                one_time_password: false,
                roles: Vec::new(),
                publisher: None,
                firm_id: Some(firm.id.clone()),
            };
            let person = people::create(conn, "anonymous", person)?;
            Ok(Registered { firm, person })
        });
        registered.await
    }
}

/// Register a firm
///
/// Anybody may; the firm can log in at once, and act once an operator has approved it. A registration with the same code that was refused, or that nobody has
/// decided for `registration_days`, gives way, and its account ends.
#[utoipa::path(tag = "firms", responses((status = CREATED, body = Registered)))]
#[post("/firms")]
pub async fn create_firm(caller: Caller, app: web::Data<App>, body: web::Json<Registration>) -> Result<HttpResponse> {
    Ok(HttpResponse::Created().json(body.into_inner().take(&app, caller.address).await?))
}

/// Show the own firm
///
/// As its person or its client.
#[utoipa::path(tag = "firms", security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Firm)))]
#[get("/firms/me")]
pub async fn find_my_firm(caller: Caller, app: web::Data<App>) -> Result<web::Json<Firm>> {
    let id = caller.firm()?.to_owned();
    Ok(web::Json(app.db.read(move |conn| firms::find(conn, &id)).await?))
}
