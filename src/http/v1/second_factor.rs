//! The second factor: a person's own, and what operators do for those who lost theirs.

use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{IdPath, Reason};
use crate::app::App;
use crate::error::Result;
use crate::http::browser;
use crate::identity::people::Person;
use crate::identity::second_factor::{self, Enrolment, RecoveryCodes, SecondFactor};
use crate::identity::{Caller, Role};

/// The password of who asks, again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordAgain {
    /// The password.
    #[schema(format = Password)]
    password: String,
}

/// A code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorCode {
    /// Six digits of the app; or, where a second factor is enrolled already, a recovery code.
    code: String,
}

/// What ends a second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordAndCode {
    /// The password.
    #[schema(format = Password)]
    password: String,
    /// Six digits of the app, or a recovery code.
    code: String,
}

/// Show the own second factor
///
/// Whether there is one, and how many recovery codes are left.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = OK, body = SecondFactor)))]
#[get("/people/me/second-factor")]
pub async fn find_my_second_factor(caller: Caller, app: web::Data<App>) -> Result<web::Json<SecondFactor>> {
    let (id, settings) = (caller.account()?.id.clone(), app.settings.sign_in.clone());
    Ok(web::Json(app.db.read(move |conn| second_factor::state(conn, &settings, &id)).await?))
}

/// Begin a second factor
///
/// Answers the secret for an app that makes codes (TOTP, RFC 6238: SHA-1, six digits, 30 seconds). It counts once a code of it is confirmed in
/// the same session within ten minutes; until then a new beginning replaces it.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = CREATED, body = Enrolment)))]
#[post("/people/me/second-factor")]
pub async fn begin_my_second_factor(caller: Caller, app: web::Data<App>, body: web::Json<PasswordAgain>) -> Result<HttpResponse> {
    app.limits.login(caller.address)?;
    let person = caller.account()?;
    let (who, master, issuer) = (person.clone(), app.master.clone(), app.issuer.clone());
    let work = move |conn: &mut _| second_factor::begin(conn, &master, &who, &issuer);
    let enrolment = app.with_password(person, ("/password", body.into_inner().password), work).await?;
    Ok(HttpResponse::Created().json(enrolment))
}

/// Confirm the second factor
///
/// By a code of the secret that was begun: from now on a log-in asks for one. Ends the person's other sessions, and answers ten recovery codes, shown this once.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = OK, body = RecoveryCodes)))]
#[post("/people/me/second-factor/confirmation")]
pub async fn confirm_my_second_factor(caller: Caller, app: web::Data<App>, body: web::Json<SecondFactorCode>) -> Result<HttpResponse> {
    let (person, master) = (caller.account()?.clone(), app.master.clone());
    let enrolled = app.db.write(move |conn| second_factor::enrol(conn, &master, &person, &body.code)).await??;
    Ok(browser::keep_renewed(HttpResponse::Ok().json(enrolled.codes), enrolled.token.as_deref()))
}

/// Make new recovery codes
///
/// By a code. Those until now are worth nothing from then on.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = CREATED, body = RecoveryCodes)))]
#[post("/people/me/second-factor/recovery-codes")]
pub async fn create_my_recovery_codes(caller: Caller, app: web::Data<App>, body: web::Json<SecondFactorCode>) -> Result<HttpResponse> {
    let (id, master) = (caller.account()?.id.clone(), app.master.clone());
    let codes = app.db.write(move |conn| second_factor::renew_recovery_codes(conn, &master, &id, &body.code)).await??;
    Ok(HttpResponse::Created().json(codes))
}

/// End the own second factor
///
/// By the password and a code.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = NO_CONTENT, description = "A log-in asks for no code")))]
#[post("/people/me/second-factor/removal")]
pub async fn end_my_second_factor(caller: Caller, app: web::Data<App>, body: web::Json<PasswordAndCode>) -> Result<HttpResponse> {
    app.limits.login(caller.address)?;
    let person = caller.account()?;
    let (id, master) = (person.id.clone(), app.master.clone());
    let PasswordAndCode { password, code } = body.into_inner();
    app.with_password(person, ("/password", password), move |conn| second_factor::end(conn, &master, &id, &code)).await??;
    Ok(HttpResponse::NoContent().finish())
}

/// Reset a person's second factor
///
/// By an operator, for somebody who lost it; not the own one. The sessions stop at the next request, and a log-in asks for no code.
#[utoipa::path(tag = "administration", params(IdPath), security(("session" = [])), responses((status = OK, body = Person)))]
#[post("/admin/people/{id}/second-factor-reset")]
pub async fn reset_second_factor(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<Person>> {
    let operator = caller.with_role(&[Role::Operator])?.clone();
    let (id, reason) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| second_factor::reset(conn, &operator, &id, &reason)).await?))
}
