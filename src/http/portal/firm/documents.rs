//! The documents of an application: its firm adds them by a form with a file, and takes them away again.

use actix_web::{HttpResponse, post, web};

use super::super::told::{again, onwards};
use super::super::visit::{Sent, Visit};
use super::application::show;
use super::firm_of;
use crate::access::applications::attachments::{self, Attachment};
use crate::app::{Announced, App};
use crate::error::{Error, Result};
use crate::http::browser::{Filled, GuardedUpload, Uploaded};
use crate::http::v1::attachments::file_name;
use crate::identity::Caller;

/// Takes the file in as the API does. Its name says of what kind it is.
async fn take(app: &App, caller: Caller, application: String, file: Uploaded) -> Result<Attachment> {
    if file.name().is_empty() {
        return Err(Error::invalid("/document", "choose a file"));
    }
    let name = file_name(file.name())?;
    let media_type = attachments::named_type(&name)?;
    app.attach(caller, Announced { application, name, media_type }, file).await
}

#[post("/firm/applications/{id}/attachments")]
pub async fn attach(visit: Visit, path: web::Path<String>, form: GuardedUpload) -> Result<HttpResponse> {
    let (w, id) = (visit.w, path.into_inner());
    let file = form.open(&visit.app, &visit.caller).await?;
    firm_of(&visit.caller)?;
    match Box::pin(take(&visit.app, visit.caller.clone(), id.clone(), file)).await {
        Ok(_attached) => Ok(onwards(w, &format!("/firm/applications/{id}"), "attached")),
        Err(error) => again(w, "document", Filled::default(), error, async |told| show(visit, id, told).await).await,
    }
}

#[post("/firm/applications/{id}/attachments/{attachment}/removal")]
pub async fn remove(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, attachment) = path.into_inner();
    let (who, application) = (sent.visit.caller.clone(), id.clone());
    let removed = sent.visit.app.db.write(move |conn| attachments::remove(conn, &who, &application, &attachment)).await;
    let here = format!("/firm/applications/{id}");
    sent.answer(removed, (&here, "document-removed"), "document", async |visit, told| show(visit, id, told).await).await
}
