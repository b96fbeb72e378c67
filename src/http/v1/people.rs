//! What a person does with their own account.

use actix_web::{HttpResponse, get, put, web};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{Error, Result};
use crate::identity::people::{self, Person};
use crate::identity::{Caller, Identity, PersonIdentity, password};

fn me(caller: Caller) -> Result<PersonIdentity> {
    match caller.identity {
        Identity::Person(person) => Ok(person),
        Identity::Client(_) => Err(Error::Forbidden("this is for people; a client's token does not do it".to_owned())),
        Identity::Anonymous => Err(Error::Unauthenticated("log in first: POST /api/v1/sessions".to_owned())),
    }
}

/// Show who is logged in
///
/// Also with a one-time password.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = OK, body = Person)))]
#[get("/people/me")]
pub async fn find_me(caller: Caller, app: web::Data<App>) -> Result<web::Json<Person>> {
    let id = me(caller)?.id;
    Ok(web::Json(app.db.read(move |conn| people::find(conn, &id)).await?))
}

/// A change of password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The password until now.
    #[schema(format = Password)]
    current: String,
    /// The password from now on: 12 to 200 characters, without the username in it.
    #[schema(format = Password, min_length = 12, max_length = 200)]
    new: String,
}

/// Change the own password
///
/// Ends the person's other sessions.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = NO_CONTENT, description = "The password is changed")))]
#[put("/people/me/password")]
pub async fn set_my_password(caller: Caller, app: web::Data<App>, body: web::Json<PasswordChange>) -> Result<HttpResponse> {
    app.limits.login(caller.address)?;
    let person = me(caller)?;
    let PasswordChange { current, new } = body.into_inner();
    let id = person.id.clone();
    let (username, stored) = app.db.read(move |conn| people::password_hash(conn, &id)).await?;
    password::check_new("/new", &new, &username)?;
    if new == current {
        return Err(Error::invalid("/new", "choose another password than the one until now"));
    }
    let hash = app
        .hash(move || {
            if !password::verify(&current, Some(&stored))? {
                return Err(Error::invalid("/current", "this is not the password until now"));
            }
            password::hash(&new)
        })
        .await?;
    app.db.write(move |conn| people::set_password(conn, &person, &hash)).await?;
    Ok(HttpResponse::NoContent().finish())
}
