//! Log in and out, and a person's own sessions.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::IdPath;
use crate::app::{App, Credentials};
use crate::error::{Error, Result};
use crate::http::browser;
use crate::http::page::Page;
use crate::identity::people::Person;
use crate::identity::people::sessions::{self, SessionView};
use crate::identity::{Caller, Identity};

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The username.
    username: String,
    /// The password.
    #[schema(format = Password)]
    password: String,
    /// The code of the second factor, for those who have one: six digits of the app, or a recovery code.
    code: Option<String>,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub struct Session {
    /// Send it as `Authorization: Bearer`. It is shown this once.
    token: String,
    /// When it ends at the latest; it ends earlier when it is not used.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    expires_at: NaiveDateTime,
    /// Who is logged in.
    person: Person,
}

/// Log in
///
/// Answers a session's token. With a one-time password the session can do nothing but change it. Who has a second factor sends `code` too; without it the
/// problem is `second-factor-required`. After five wrong passwords or codes in a row from one network, or fifty from all together, the next try has to wait,
/// longer each time: 429 with `Retry-After`, also for the right ones.
#[utoipa::path(tag = "people", responses((status = CREATED, body = Session)))]
#[post("/sessions")]
pub async fn create_session(caller: Caller, app: web::Data<App>, request: HttpRequest, body: web::Json<Login>) -> Result<HttpResponse> {
    let Login { username, password, code } = body.into_inner();
    let origin = browser::origin(request.headers(), false);
    let started = app.log_in(caller.address, Credentials { username, password, code }, origin).await?;
    Ok(HttpResponse::Created().json(Session { token: started.token, expires_at: started.expires_at, person: started.person }))
}

/// Log out
///
/// Ends the session whose token is sent.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = NO_CONTENT, description = "The session has ended")))]
#[delete("/sessions/current")]
pub async fn end_session(caller: Caller, app: web::Data<App>) -> Result<HttpResponse> {
    let Identity::Person(person) = caller.identity else { return Err(Error::Unauthenticated("there is no session to end".to_owned())) };
    let mut response = HttpResponse::NoContent();
    if person.browser {
        browser::forget(&mut response);
    }
    app.db.write(move |conn| sessions::end_current(conn, &person)).await?;
    Ok(response.finish())
}

/// List the own sessions
///
/// Those that last, newest first: when each was used last, and what family of program it began in. No address is kept.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = OK, body = Page<SessionView>)))]
#[get("/people/me/sessions")]
pub async fn list_my_sessions(caller: Caller, app: web::Data<App>) -> Result<web::Json<Page<SessionView>>> {
    let (person, settings) = (caller.account()?.clone(), app.settings.sign_in.clone());
    Ok(web::Json(Page::whole(app.db.read(move |conn| sessions::list(conn, &settings, &person)).await?)))
}

/// End one of the own sessions
///
/// Also the one that asks.
#[utoipa::path(tag = "people", params(IdPath), security(("session" = [])), responses((status = NO_CONTENT, description = "The session has ended")))]
#[delete("/people/me/sessions/{id}")]
pub async fn end_my_session(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<HttpResponse> {
    let (person, id) = (caller.account()?.clone(), path.into_inner().id);
    app.db.write(move |conn| sessions::end(conn, &person, &id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// End all other own sessions
///
/// All but the one that asks.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = NO_CONTENT, description = "The other sessions have ended")))]
#[delete("/people/me/sessions")]
pub async fn end_my_other_sessions(caller: Caller, app: web::Data<App>) -> Result<HttpResponse> {
    let person = caller.account()?.clone();
    app.db.write(move |conn| sessions::end_others(conn, &person)).await?;
    Ok(HttpResponse::NoContent().finish())
}
