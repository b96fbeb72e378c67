//! The documents of an application: its firm adds them by a form with a file, and takes them away again.

use actix_web::{HttpRequest, HttpResponse, post, web};

use super::super::login::LanguageQuery;
use super::super::told::{again, onwards};
use super::super::words;
use super::application::show;
use super::firm_of;
use crate::access::applications::attachments::{self, Attachment};
use crate::app::{Announced, App};
use crate::error::{Error, Result};
use crate::http::browser::{Filled, GuardedForm, GuardedUpload, Uploaded};
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
pub async fn attach(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    query: web::Query<LanguageQuery>,
    request: HttpRequest,
    form: GuardedUpload,
) -> Result<HttpResponse> {
    let (w, id) = (words(&request, query.lang.as_deref()), path.into_inner());
    let file = form.open(&app, &caller).await?;
    firm_of(&caller)?;
    match Box::pin(take(&app, caller.clone(), id.clone(), file)).await {
        Ok(_attached) => Ok(onwards(w, &format!("/firm/applications/{id}"), "attached")),
        Err(error) => again(w, "document", Filled::default(), error, async |told| show(&app, w, caller, id, told).await).await,
    }
}

#[post("/firm/applications/{id}/attachments/{attachment}/removal")]
pub async fn remove(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<(String, String)>,
    query: web::Query<LanguageQuery>,
    request: HttpRequest,
    form: web::Form<GuardedForm>,
) -> Result<HttpResponse> {
    let (w, (id, attachment)) = (words(&request, query.lang.as_deref()), path.into_inner());
    let filled = form.into_inner().open(&app, &caller)?;
    let (who, application) = (caller.clone(), id.clone());
    match app.db.write(move |conn| attachments::remove(conn, &who, &application, &attachment)).await {
        Ok(()) => Ok(onwards(w, &format!("/firm/applications/{id}"), "document-removed")),
        Err(error) => again(w, "document", filled, error, async |told| show(&app, w, caller, id, told).await).await,
    }
}
