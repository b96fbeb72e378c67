//! What a person does with their own account.

use actix_web::{HttpResponse, get, put, web};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::Result;
use crate::http::browser;
use crate::identity::Caller;
use crate::identity::people::{self, Person};

/// Show who is logged in
///
/// Also with a one-time password. To a browser that keeps its session in a cookie, the header `X-CSRF-Token` of the answer says what to send, in the same
/// header, with each request that changes something.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = OK, body = Person)))]
#[get("/people/me")]
pub async fn find_me(caller: Caller, app: web::Data<App>) -> Result<HttpResponse> {
    let person = caller.somebody()?.clone();
    let mut response = HttpResponse::Ok();
    if person.browser {
        response.insert_header((browser::CSRF_HEADER, browser::csrf_token(&app, &person.session)));
    }
    Ok(response.json(app.db.read(move |conn| people::find(conn, &person.id)).await?))
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
/// Ends the person's other sessions. A browser's session gets another token.
#[utoipa::path(tag = "people", security(("session" = [])), responses((status = NO_CONTENT, description = "The password is changed")))]
#[put("/people/me/password")]
pub async fn set_my_password(caller: Caller, app: web::Data<App>, body: web::Json<PasswordChange>) -> Result<HttpResponse> {
    let person = caller.somebody()?.clone();
    let PasswordChange { current, new } = body.into_inner();
    let token = app.change_password(caller.address, person, current, new).await?;
    Ok(browser::keep_renewed(HttpResponse::NoContent().finish(), token.as_deref()))
}
