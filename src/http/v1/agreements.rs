//! Agreements and their signatures.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::IdPath;
use crate::access::agreements::{self, Agreement, AgreementBundle, Code, FirmSignature};
use crate::access::grants::Grant;
use crate::app::App;
use crate::error::Result;
use crate::http::problem::Problem;
use crate::identity::Caller;
use crate::identity::keys::PUBLISHED_SECONDS;
use crate::identity::keys::agreements::{KeySet, published};

/// A firm's signature.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The client whose key signed.
    client_id: String,
    /// A JWS in compact form with detached payload (RFC 7515, appendix F): `header..signature`. The payload is the agreement's
    /// `sha256`, its 64 lower-case hexadecimal characters; `alg` is Ed25519 (or EdDSA) or ES256, as the client's key says.
    signature: String,
}

/// What a person of the firm confirms, and by which code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgreementCode {
    /// The agreement's `sha256`, of the text that the person saw.
    sha256: String,
    /// Six digits of the app, or a recovery code. It is used up.
    code: String,
}

/// A signed agreement and the grant that it gives.
#[derive(Serialize, ToSchema)]
pub struct SignedAgreement {
    /// The agreement.
    agreement: Agreement,
    /// The grant.
    grant: Grant,
}

/// Show an agreement
///
/// To its firm, reviewers, operators and auditors.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Agreement)))]
#[get("/agreements/{id}")]
pub async fn find_agreement(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Agreement>> {
    let id = path.into_inner().id;
    Ok(web::Json(app.db.read(move |conn| agreements::find_for(conn, &caller, &id)).await?))
}

/// Sign an agreement
///
/// By its firm, with the key of one of its clients. The service countersigns. Gives the grant, and makes its release.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = SignedAgreement)))]
#[post("/agreements/{id}/signature")]
pub async fn sign_agreement(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Signature>,
) -> Result<web::Json<SignedAgreement>> {
    let (id, Signature { client_id, signature }) = (path.into_inner().id, body.into_inner());
    let published = app.published_key(&client_id, Some(caller.firm()?), &signature).await?;
    let (parts, given) = (web::Data::clone(&app), FirmSignature { client_id, signature, published });
    let work = move |conn: &mut _| agreements::sign(conn, &parts.agreement_key, &caller, &id, &given);
    let (agreement, grant) = app.db.write(work).await?;
    app.prepare(&grant).await;
    Ok(web::Json(SignedAgreement { agreement, grant }))
}

/// Confirm an agreement
///
/// In place of a signature: by a person of its firm with a second factor, who says what text they saw. The service countersigns. Gives the grant, and makes
/// its release. A wrong code counts, and after five the next try has to wait: 429 with `Retry-After`.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])),
    responses((status = OK, body = SignedAgreement), (status = CONFLICT, description = "It is signed already, or the person has no second factor", body = Problem)))]
#[post("/agreements/{id}/confirmation")]
pub async fn confirm_agreement(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<AgreementCode>,
) -> Result<web::Json<SignedAgreement>> {
    let (id, AgreementCode { sha256, code }) = (path.into_inner().id, body.into_inner());
    let (parts, given) = (web::Data::clone(&app), Code { sha256, code });
    let work = move |conn: &mut _| agreements::confirm(conn, &parts.agreement_key, &parts.master, &caller, &id, &given);
    let (agreement, grant) = app.db.write(work).await??;
    app.prepare(&grant).await;
    Ok(web::Json(SignedAgreement { agreement, grant }))
}

/// Show the bundle of an agreement
///
/// The signed text with both signatures and the keys that they hold under, as one file that anybody can check anywhere: `qingdan agreement verify`. To its
/// firm, reviewers, operators and auditors. The same agreement is the same bytes for ever.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])),
    responses((status = OK, body = AgreementBundle), (status = CONFLICT, description = "Nobody has signed it yet", body = Problem)))]
#[get("/agreements/{id}/bundle")]
pub async fn find_agreement_bundle(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<HttpResponse> {
    let id = path.into_inner().id;
    let bundle = app.db.read(move |conn| agreements::bundle_for(conn, &caller, &id)).await?;
    let name = format!("attachment; filename=\"agreement-{}.json\"", bundle.agreement);
    Ok(HttpResponse::Ok().insert_header((CONTENT_DISPOSITION, name)).insert_header((CACHE_CONTROL, "private, no-store")).json(bundle))
}

/// List the keys of agreements
///
/// RFC 7517; countersignatures are verified with them. Every key that ever countersigned stays here. They may be kept for five minutes.
#[utoipa::path(tag = "access", responses((status = OK, body = KeySet, content_type = "application/jwk-set+json")))]
#[get("/agreements/keys")]
pub async fn list_agreement_keys(app: web::Data<App>) -> Result<HttpResponse> {
    let (keys, kept) = (app.db.read(published).await?, format!("public, max-age={PUBLISHED_SECONDS}"));
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, kept)).content_type("application/jwk-set+json").json(keys))
}
