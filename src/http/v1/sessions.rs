//! Log in and out.

use actix_web::{HttpResponse, delete, post, web};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{Error, Result};
use crate::identity::people::{self, Person};
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
}

/// A session.
#[derive(Serialize, ToSchema)]
pub struct Session {
    /// Send it as `Authorization: Bearer`. It is shown this once.
    token: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    expires_at: NaiveDateTime,
    /// Who is logged in.
    person: Person,
}

/// Log in
///
/// Answers a session's token. With a one-time password the session can do nothing but change it.
#[utoipa::path(tag = "people", responses((status = CREATED, body = Session)))]
#[post("/sessions")]
pub async fn create_session(caller: Caller, app: web::Data<App>, body: web::Json<Login>) -> Result<HttpResponse> {
    app.limits.login(caller.address)?;
    let Login { username, password } = body.into_inner();
    let known = app.db.read(move |conn| people::credentials(conn, &username)).await?;
    let person = known.as_ref().map(|(id, _)| id.clone());
    let right = app.hash(move || people::verify_login(&password, known.as_ref())).await?;
    match (person, right) {
        (Some(id), true) => {
            let (token, expires_at, person) = app.db.write(move |conn| people::start_session(conn, &id)).await?;
            Ok(HttpResponse::Created().json(Session { token, expires_at, person }))
        }
        (person, _) => {
            if let Some(id) = person {
                app.db.write(move |conn| people::refuse_session(conn, &id)).await?;
            }
            Err(Error::Unauthenticated("the username or the password is wrong".to_owned()))
        }
    }
}

/// Log out
///
/// Ends the session whose token is sent.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = NO_CONTENT, description = "The session has ended")))]
#[delete("/sessions/current")]
pub async fn end_session(caller: Caller, app: web::Data<App>) -> Result<HttpResponse> {
    let Identity::Person(person) = caller.identity else { return Err(Error::Unauthenticated("there is no session to end".to_owned())) };
    app.db.write(move |conn| people::end_session(conn, &person)).await?;
    Ok(HttpResponse::NoContent().finish())
}
