//! What operators do: firms, clients, people.

use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Decision, IdPath, Reason, check_text};
use crate::access::sanctions;
use crate::app::App;
use crate::error::Result;
use crate::http::page::{Page, PageQuery};
use crate::identity::clients::{self, Client};
use crate::identity::firms::{self, Firm, FirmStep};
use crate::identity::keys::{self, Rotation};
use crate::identity::people::{self, NewPerson, Person, login};
use crate::identity::{Caller, Role, password};

/// List firms
///
/// To operators and auditors.
#[utoipa::path(tag = "administration", params(PageQuery), security(("session" = [])), responses((status = OK, body = Page<Firm>)))]
#[get("/admin/firms")]
pub async fn list_firms(caller: Caller, app: web::Data<App>, page: web::Query<PageQuery>) -> Result<web::Json<Page<Firm>>> {
    const LIST: &str = "firms";
    caller.with_role(&[Role::Operator, Role::Auditor])?;
    let (limit, after) = (page.limit()?, page.after(LIST)?);
    let (items, total) = app.db.read(move |conn| firms::list(conn, after.as_deref(), limit + 1)).await?;
    Ok(web::Json(Page::cut(LIST, items, total, limit, |item| item.id.clone())))
}

/// Decide a firm's registration
///
/// By an operator.
#[utoipa::path(tag = "administration", params(IdPath), security(("session" = [])), responses((status = OK, body = Firm)))]
#[post("/admin/firms/{id}/decision")]
pub async fn decide_firm(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Decision>,
) -> Result<web::Json<Firm>> {
    caller.with_role(&[Role::Operator])?;
    let reason = check_text("/reason", &body.reason, 3, 2000)?;
    let step = if body.approve { FirmStep::Approve } else { FirmStep::Refuse };
    let id = path.into_inner().id;
    Ok(web::Json(app.db.write(move |conn| firms::step(conn, &caller.actor(), &id, step, Some(&reason))).await?))
}

/// Suspend a firm
///
/// By an operator. Every token of every client of the firm stops at the next request and running answers break off, until it is resumed.
#[utoipa::path(tag = "administration", params(IdPath), security(("session" = [])), responses((status = OK, body = Firm)))]
#[post("/admin/firms/{id}/suspension")]
pub async fn suspend_firm(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<Firm>> {
    caller.with_role(&[Role::Operator])?;
    let (id, reason) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| firms::step(conn, &caller.actor(), &id, FirmStep::Suspend, Some(&reason))).await?))
}

/// Resume a suspended firm
///
/// By an operator. Tokens that were taken before hold again as long as they last. A suspension by a sanction ends when that is lifted.
#[utoipa::path(tag = "administration", params(IdPath), security(("session" = [])), responses((status = OK, body = Firm)))]
#[post("/admin/firms/{id}/resumption")]
pub async fn resume_firm(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>, body: web::Json<Reason>) -> Result<web::Json<Firm>> {
    caller.with_role(&[Role::Operator])?;
    let (id, reason) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| sanctions::resume(conn, &caller, &id, &reason)).await?))
}

/// Revoke a firm
///
/// By an operator. Every token of every client of the firm stops at the next request.
#[utoipa::path(tag = "administration", params(IdPath), security(("session" = [])), responses((status = OK, body = Firm)))]
#[post("/admin/firms/{id}/revocation")]
pub async fn revoke_firm(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>, body: web::Json<Reason>) -> Result<web::Json<Firm>> {
    caller.with_role(&[Role::Operator])?;
    let (id, reason) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| firms::step(conn, &caller.actor(), &id, FirmStep::Revoke, Some(&reason))).await?))
}

/// Suspend a client
///
/// By an operator. Its tokens stop at the next request and running answers break off, until it is resumed.
#[utoipa::path(tag = "administration", params(IdPath), security(("session" = [])), responses((status = OK, body = Client)))]
#[post("/admin/clients/{id}/suspension")]
pub async fn suspend_client(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<Client>> {
    caller.with_role(&[Role::Operator])?;
    let (id, reason) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| clients::suspend(conn, &caller.actor(), &id, true, &reason)).await?))
}

/// Resume a suspended client
///
/// By an operator. Tokens that were taken before hold again as long as they last.
#[utoipa::path(tag = "administration", params(IdPath), security(("session" = [])), responses((status = OK, body = Client)))]
#[post("/admin/clients/{id}/resumption")]
pub async fn resume_client(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<Client>> {
    caller.with_role(&[Role::Operator])?;
    let (id, reason) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| clients::suspend(conn, &caller.actor(), &id, false, &reason)).await?))
}

/// Revoke a client
///
/// By an operator. Its tokens stop at the next request.
#[utoipa::path(tag = "administration", params(IdPath), security(("session" = [])), responses((status = OK, body = Client)))]
#[post("/admin/clients/{id}/revocation")]
pub async fn revoke_client(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Client>> {
    caller.with_role(&[Role::Operator])?;
    let id = path.into_inner().id;
    Ok(web::Json(app.db.write(move |conn| clients::revoke(conn, &caller.actor(), &id)).await?))
}

/// End the tokens of a client
///
/// By an operator. Every access token of the client that was issued until now is refused from the next request on; the client takes new ones.
#[utoipa::path(tag = "administration", params(IdPath), security(("session" = [])), responses((status = OK, body = Client)))]
#[post("/admin/clients/{id}/token-revocation")]
pub async fn end_client_tokens(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Client>> {
    caller.with_role(&[Role::Operator])?;
    let id = path.into_inner().id;
    Ok(web::Json(app.db.write(move |conn| clients::end_tokens(conn, &caller.actor(), &id)).await?))
}

/// How keys are rotated.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotationRequest {
    /// Whether a private key may have leaked: then the new key signs at once, and every token of the keys before it is
    /// over, and every signed URL that was made with one.
    #[serde(default)]
    emergency: bool,
}

/// Rotate the signing key
///
/// By an operator. The new key is published at once and signs tokens six minutes later, when whoever keeps `/.well-known/jwks.json` for its `max-age` knows
/// it; the keys before it verify until the last token that they signed has ended, and the last signed URL that was made with one. `qingdan keys rotate` does the same while the service is stopped.
#[utoipa::path(tag = "administration", security(("session" = [])), responses((status = CREATED, body = Rotation)))]
#[post("/admin/keys/rotation")]
pub async fn rotate_keys(caller: Caller, app: web::Data<App>, body: web::Json<RotationRequest>) -> Result<HttpResponse> {
    caller.with_role(&[Role::Operator])?;
    let (emergency, master) = (body.emergency, app.master.clone());
    let rotation = app.db.write(move |conn| keys::rotate(conn, &master, &caller.actor(), emergency)).await?;
    Ok(HttpResponse::Created().json(rotation))
}

/// List people with a role
///
/// To operators and auditors.
#[utoipa::path(tag = "administration", security(("session" = [])), responses((status = OK, body = Page<Person>)))]
#[get("/admin/people")]
pub async fn list_people(caller: Caller, app: web::Data<App>) -> Result<web::Json<Page<Person>>> {
    caller.with_role(&[Role::Operator, Role::Auditor])?;
    Ok(web::Json(Page::whole(app.db.read(people::list_staff).await?)))
}

/// A person to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonRequest {
    /// 3 to 100 lower-case letters, digits and `. - _ @`.
    username: String,
    /// The name that is shown.
    display_name: String,
    /// What the person may do.
    #[schema(min_items = 1)]
    roles: Vec<Role>,
    /// The publisher whose datasets a steward edits, by slug.
    publisher: Option<String>,
}

/// A person who was added, or has a new password.
#[derive(Serialize, ToSchema)]
pub struct CreatedPerson {
    /// The person.
    person: Person,
    /// The password for the first log-in, which must be changed there. It is shown this once.
    one_time_password: String,
}

/// Add a person
///
/// By an operator. The person changes the one-time password at the first log-in.
#[utoipa::path(tag = "administration", security(("session" = [])), responses((status = CREATED, body = CreatedPerson)))]
#[post("/admin/people")]
pub async fn create_person(caller: Caller, app: web::Data<App>, body: web::Json<PersonRequest>) -> Result<HttpResponse> {
    caller.with_role(&[Role::Operator])?;
    let PersonRequest { username, display_name, roles, publisher } = body.into_inner();
    people::check_username("/username", &username)?;
    people::check_roles(&roles, publisher.as_deref())?;
    let display_name = check_text("/display_name", &display_name, 1, 100)?;
    let one_time_password = password::one_time()?;
    let clear = one_time_password.clone();
    let password_hash = app.hash(move || password::hash(&clear)).await?;
    let new =
        NewPerson { pointer: "/username", username, display_name, password_hash, one_time_password: true, roles, publisher, firm_id: None };
    let person = app.db.write(move |conn| people::create(conn, &caller.actor(), new)).await?;
    Ok(HttpResponse::Created().json(CreatedPerson { person, one_time_password }))
}

/// Reset a person's password
///
/// By an operator, for somebody else who lost it or is locked out. The sessions and every lock of the log-in end; the second factor stays. The new one-time
/// password is shown this once.
#[utoipa::path(tag = "administration", params(IdPath), security(("session" = [])), responses((status = OK, body = CreatedPerson)))]
#[post("/admin/people/{id}/password-reset")]
pub async fn reset_person_password(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<CreatedPerson>> {
    let operator = caller.with_role(&[Role::Operator])?.clone();
    let (id, reason, master) = (path.into_inner().id, body.checked()?, app.master.clone());
    let one_time_password = password::one_time()?;
    let clear = one_time_password.clone();
    let hash = app.hash(move || password::hash(&clear)).await?;
    let person = app.db.write(move |conn| login::reset_password_of(conn, &master, &operator, &id, &hash, &reason)).await?;
    Ok(web::Json(CreatedPerson { person, one_time_password }))
}

/// Revoke a person's account
///
/// By an operator, not the own one. The sessions stop at the next request.
#[utoipa::path(tag = "administration", params(IdPath), security(("session" = [])), responses((status = OK, body = Person)))]
#[post("/admin/people/{id}/revocation")]
pub async fn revoke_person(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<Person>> {
    let operator = caller.with_role(&[Role::Operator])?.clone();
    let (id, reason) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| people::revoke(conn, &operator, &id, &reason)).await?))
}
