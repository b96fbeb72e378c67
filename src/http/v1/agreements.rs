//! Agreements and their signatures.

use actix_web::{get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::IdPath;
use crate::access::agreements::{self, Agreement};
use crate::access::grants::Grant;
use crate::app::App;
use crate::error::Result;
use crate::identity::Caller;

/// A firm's signature.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The client whose key signed.
    client_id: String,
    /// A JWS in compact form with detached payload (RFC 7515, appendix F): `header..signature`. The payload is the agreement's
    /// `sha256`, its 64 lower-case hexadecimal characters; `alg` is EdDSA or ES256, as the client's key says.
    signature: String,
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
/// By its firm, with the key of one of its clients. Gives the grant, and makes its release.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = SignedAgreement)))]
#[post("/agreements/{id}/signature")]
pub async fn sign_agreement(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Signature>,
) -> Result<web::Json<SignedAgreement>> {
    let (id, Signature { client_id, signature }) = (path.into_inner().id, body.into_inner());
    let (agreement, grant) = app.db.write(move |conn| agreements::sign(conn, &caller, &id, &client_id, &signature)).await?;
    app.prepare(&grant).await;
    Ok(web::Json(SignedAgreement { agreement, grant }))
}
