//! The pages of a person's second factor: begin, confirm, recovery codes, end.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post};
use askama::Template;

use super::account::{Section, back, show_fault};
use super::login::{explain, with_wait};
use super::visit::{Sent, Visit};
use super::{Words, private_page, see};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::browser;
use crate::identity::PersonIdentity;
use crate::identity::second_factor::{self, Enrolment};

#[derive(Template)]
#[template(path = "second-factor.html")]
struct EnrolmentPage {
    w: Words,
    csrf: String,
    enrolment: Enrolment,
    fault: Option<String>,
}

impl EnrolmentPage {
    /// The secret in groups of four, as people type it.
    fn grouped(&self) -> String {
        let signs: Vec<char> = self.enrolment.secret.chars().collect();
        signs.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }
}

#[derive(Template)]
#[template(path = "recovery-codes.html")]
struct CodesPage {
    w: Words,
    codes: Vec<String>,
}

/// Whoever still has a one-time password changes it first.
fn ready(person: PersonIdentity) -> Result<PersonIdentity> {
    if person.one_time_password { Err(Error::PasswordChangeRequired) } else { Ok(person) }
}

#[post("/account/second-factor")]
pub async fn begin(Sent { visit, filled }: Sent) -> Result<HttpResponse> {
    let Visit { caller, app, w, .. } = visit;
    app.limits.login(caller.address)?;
    let (person, password) = (ready(browser::person(caller)?)?, filled.one("password").to_owned());
    let (who, master, issuer) = (person.clone(), app.master.clone(), app.issuer.clone());
    let work = move |conn: &mut _| second_factor::begin(conn, &master, &who, &issuer);
    match app.with_password(&person, ("/password", password), work).await {
        Ok(_begun) => Ok(see(&format!("/account/second-factor?lang={}", w.short()))),
        Err(error) => show_fault(&app, w, person, Section::Factor, error).await,
    }
}

/// The page with the secret that was begun, or the account's where there is none; with what was wrong, in words.
async fn enrolment(app: &App, w: Words, person: PersonIdentity, told: Option<(&Error, String)>) -> Result<HttpResponse> {
    let (who, master, issuer) = (person.clone(), app.master.clone(), app.issuer.clone());
    let Some(enrolment) = app.db.read(move |conn| second_factor::pending(conn, &master, &who, &issuer)).await? else {
        return Ok(see(&format!("/account?lang={}", w.short())));
    };
    let csrf = browser::csrf_token(app, &person.session);
    let (error, fault) = told.unzip();
    let status = error.map_or(StatusCode::OK, |error| error.kind().status());
    let page = private_page(w, status, &EnrolmentPage { w, csrf, enrolment, fault })?;
    Ok(match error {
        Some(error) => with_wait(page, error),
        None => page,
    })
}

#[get("/account/second-factor")]
pub async fn enrolment_page(Visit { caller, app, w, .. }: Visit) -> Result<HttpResponse> {
    enrolment(&app, w, ready(browser::person(caller)?)?, None).await
}

#[post("/account/second-factor/confirmation")]
pub async fn confirm(Sent { visit, filled }: Sent) -> Result<HttpResponse> {
    let Visit { caller, app, w, .. } = visit;
    let (person, code) = (ready(browser::person(caller)?)?, filled.one("code").to_owned());
    let (who, master) = (person.clone(), app.master.clone());
    match app.db.write(move |conn| second_factor::enrol(conn, &master, &who, &code)).await? {
        Ok(enrolled) => {
            let page = private_page(w, StatusCode::OK, &CodesPage { w, codes: enrolled.codes.recovery_codes })?;
            Ok(browser::keep_renewed(page, enrolled.token.as_deref()))
        }
        Err(error) => match explain(w, &error) {
            Some(text) => enrolment(&app, w, person, Some((&error, text))).await,
            None => Err(error),
        },
    }
}

#[post("/account/second-factor/recovery-codes")]
pub async fn renew_codes(Sent { visit, filled }: Sent) -> Result<HttpResponse> {
    let Visit { caller, app, w, .. } = visit;
    let (person, code) = (browser::person(caller)?, filled.one("code").to_owned());
    let (id, master) = (person.id.clone(), app.master.clone());
    match app.db.write(move |conn| second_factor::renew_recovery_codes(conn, &master, &id, &code)).await? {
        Ok(made) => private_page(w, StatusCode::OK, &CodesPage { w, codes: made.recovery_codes }),
        Err(error) => show_fault(&app, w, person, Section::Factor, error).await,
    }
}

#[post("/account/second-factor/removal")]
pub async fn end(Sent { visit, filled }: Sent) -> Result<HttpResponse> {
    let Visit { caller, app, w, .. } = visit;
    app.limits.login(caller.address)?;
    let (person, [password, code]) = (browser::person(caller)?, ["password", "code"].map(|name| filled.one(name).to_owned()));
    let (id, master) = (person.id.clone(), app.master.clone());
    let work = move |conn: &mut _| second_factor::end(conn, &master, &id, &code);
    match app.with_password(&person, ("/password", password), work).await.flatten() {
        Ok(()) => Ok(back(w, "factor-ended")),
        Err(error) => show_fault(&app, w, person, Section::Factor, error).await,
    }
}
