//! Whether the service lives and is ready.

use actix_web::{get, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::catalog;
use crate::error::Result;

/// The state of the service.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    status: &'static str,
    /// The version of the program.
    version: &'static str,
}

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// Tell that the process lives
///
/// Asks nothing of any other part.
#[utoipa::path(tag = "operation", responses((status = OK, body = Health)))]
#[get("/healthz")]
pub async fn healthz() -> web::Json<Health> {
    web::Json(OK)
}

/// Tell whether requests can be served
///
/// Asks the database; 503 when it does not answer.
#[utoipa::path(tag = "operation", responses((status = OK, body = Health)))]
#[get("/readyz")]
pub async fn readyz(app: web::Data<App>) -> Result<web::Json<Health>> {
    app.db.read(catalog::is_empty).await?;
    Ok(web::Json(OK))
}
