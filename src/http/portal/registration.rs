//! The page on which a firm registers. Whoever does has no session yet, as on the page of the log-in.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use askama::Template;

use super::told::{Told, again, onwards};
use super::visit::Visit;
use super::{Words, private_page};
use crate::error::{Error, Fault, Result};
use crate::http::browser::{Filled, OpenForm};
use crate::http::v1::firms::{FirmAccount, FirmContact, Registration};

/// The name of the form.
const FORM: &str = "registration";

#[derive(Template)]
#[template(path = "register-firm.html")]
struct RegistrationPage {
    w: Words,
    told: Told,
}

/// What comes after it.
#[derive(Template)]
#[template(path = "registered-firm.html")]
struct RegisteredPage {
    w: Words,
    days: u32,
}

impl RegistrationPage {
    fn text(&self, name: &str) -> &str {
        self.told.text(FORM, name)
    }
}

fn show(w: Words, told: Told) -> Result<HttpResponse> {
    private_page(w, StatusCode::OK, &RegistrationPage { w, told })
}

#[get("/register-firm")]
pub async fn registration_page(visit: Visit) -> Result<HttpResponse> {
    let (w, app) = (visit.w, &visit.app);
    if visit.done() == Some(FORM) {
        return private_page(w, StatusCode::OK, &RegisteredPage { w, days: app.settings.registration_days });
    }
    show(w, Told::done(w, None))
}

/// The registration, as the API takes it.
fn typed(filled: &Filled) -> Registration {
    let text = |name: &str| filled.one(name).trim().to_owned();
    Registration {
        name: text("name"),
        uscc: filled.one("uscc").split_whitespace().collect::<String>().to_uppercase(),
        contact: FirmContact {
            name: text("contact_name"),
            email: text("contact_email"),
            phone: Some(text("contact_phone")).filter(|phone| !phone.is_empty()),
        },
        account: FirmAccount { username: text("username"), password: filled.one("password").to_owned() },
    }
}

/// Every fault at once; the one that the API cannot have too.
fn check(registration: &Registration, filled: &Filled) -> Result<()> {
    let mut faults = registration.faults()?;
    if filled.one("password") != filled.one("again") {
        faults.push(Fault { pointer: "/account/again".to_owned(), detail: "it is not the same both times".to_owned() });
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

#[post("/register-firm")]
pub async fn register(visit: Visit, request: HttpRequest, form: web::Form<OpenForm>) -> Result<HttpResponse> {
    let Visit { caller, app, w, .. } = visit;
    // Another site must not register anything with the browser of somebody either.
    let filled = form.into_inner().open(&app, request.headers())?;
    let registration = typed(&filled);
    let registered = match check(&registration, &filled) {
        Ok(()) => registration.take(&app, caller.address).await.map(|_registered| ()),
        // A wrong try counts too.
        Err(error) => Err(app.limits.login(caller.address).err().unwrap_or(error)),
    };
    let Err(error) = registered else { return Ok(onwards(w, "/register-firm", FORM)) };
    // The password goes back to nobody.
    let filled = filled.without("password").without("again");
    again(w, FORM, filled, error, async |told| show(w, told)).await
}
