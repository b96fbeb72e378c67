//! One file of a release for whoever may have it, whichever address or signature they came by.

use std::sync::Arc;

use actix_web::http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use actix_web::http::{Method, Version};
use actix_web::{HttpRequest, HttpResponse, web};

use super::coding;
use super::sending::{Look, Sending};
use crate::app::{App, Watch};
use crate::catalog;
use crate::error::Result;
use crate::http::caller::{asked_method, limit_key};
use crate::identity::Caller;
use crate::read::{Archive, Export, Opened, TargetFile, Wanted};
use crate::release::Release;

/// Answers a request with a file of a dataset's version, if the caller may have it.
///
/// # Errors
/// When they may not, or there is no such file.
pub async fn serve(
    app: web::Data<App>,
    caller: &Caller,
    (slug, version): (&str, Option<i32>),
    file: TargetFile,
    request: &HttpRequest,
) -> Result<HttpResponse> {
    let key = limit_key(caller);
    app.usage.check(&app.db, &key, app.limits.of(key.tier).bytes_per_day).await?;
    let read = file.read(version);
    let allowed = app.release(caller, slug, read.clone()).await?;
    let watch = Watch::over(&app, caller, &allowed, read);
    let release = allowed.release;
    let sending = |look: Look| Sending { app: app.clone(), release: Arc::clone(&release), look, key, watch };
    let name = format!("{}-v{}", release.dataset().slug, release.version());
    match file {
        TargetFile::Release { format, spreadsheet } => {
            let plain = Export { spreadsheet, ..Export::plain(format) };
            let wanted = wanted(&app, &release, plain, request).await?;
            let opened = app.exports.open(&release, wanted).await?;
            let file_name = format!("{name}.{}", format.ending());
            let look = Look { file_name, media_type: format.media_type().to_owned(), varies: format.is_text(), is_foreign: false };
            match opened {
                Opened::File(object, coding) => sending(look).file(request, &object, coding),
                Opened::Growing(pieces, coding) => sending(look).growing(pieces, coding),
            }
        }
        TargetFile::File { path } => {
            let parts = release.parts().to_vec();
            let member = app.db.read(move |conn| catalog::find_member(conn, &parts, &path)).await?;
            let file_name = member.path.rsplit('/').next().unwrap_or(&member.path).to_owned();
            let look = Look { file_name, media_type: member.media_type, varies: false, is_foreign: true };
            sending(look).file(request, &member.object, None)
        }
        TargetFile::Archive {} => {
            release.require_collection()?;
            let archive = Archive::of(&app.db, &app.storage, &release).await?;
            let look =
                Look { file_name: format!("{name}.tar"), media_type: "application/x-tar".to_owned(), varies: false, is_foreign: true };
            sending(look).archive(request, archive)
        }
    }
}

/// What the headers ask for.
async fn wanted(app: &App, release: &Release, plain: Export, request: &HttpRequest) -> Result<Wanted> {
    let headers = request.headers();
    let accepted = coding::accepted(headers);
    let mut wanted = Wanted { plain, coding: accepted.coding, plain_will_do: accepted.plain, may_grow: false };
    let is_get = asked_method(request) == Method::GET;
    if is_get && headers.contains_key(RANGE) {
        // A part belongs to the file that the caller names. Who names none may have bytes that were decoded for it, as many libraries
        // do without being asked: the rest of those is a part of the plain file.
        let tag = [IF_RANGE, IF_MATCH].into_iter().find_map(|name| headers.get(name)).and_then(|tag| tag.to_str().ok());
        let named = match tag {
            Some(tag) => app.exports.coding_of(release, plain, tag.trim().trim_matches('"')).await?,
            None => None,
        };
        if named.is_some() || accepted.plain {
            wanted.coding = named;
        }
        if named.is_some() {
            wanted.plain_will_do = false;
        }
    }
    let conditions = [RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
    // Without chunks, a body that breaks off would look like a short one.
    wanted.may_grow = is_get && request.version() >= Version::HTTP_11 && !conditions.iter().any(|name| headers.contains_key(name));
    Ok(wanted)
}
