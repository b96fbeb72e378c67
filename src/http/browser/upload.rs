//! A form with a file in it: its token comes first and is checked before anything of the file is read, which then is handed on piece by piece.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready as when_ready};

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use bytes::Bytes;
use futures::{Stream, StreamExt};

use super::{check_token, signed_in};
use crate::app::App;
use crate::error::{Error, Result};
use crate::identity::Caller;

/// The most bytes of the field with the token.
const TOKEN_BYTES: usize = 256;

/// A form of the portal with a file: what stands in it is reached through the check of its token only.
pub struct GuardedUpload(Multipart);

impl FromRequest for GuardedUpload {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(GuardedUpload(Multipart::new(request.headers(), payload.take()))))
    }
}

impl GuardedUpload {
    /// The file, of which nothing is read yet.
    ///
    /// # Errors
    /// When nobody is logged in by the cookie, or the form is not of this session, or is none with the token and a file.
    pub async fn open(self, app: &App, caller: &Caller) -> Result<Uploaded> {
        let (person, mut form) = (signed_in(caller)?, self.0);
        let mut token = part(&mut form, "csrf").await?;
        let given = token.bytes(TOKEN_BYTES).await.map_err(|_too_long| Error::Malformed("the token of the form is too long".to_owned()))?;
        check_token(app, person, &String::from_utf8_lossy(&given.map_err(|cause| broken(&cause))?))?;
        drop(token);
        let file = part(&mut form, "document").await?;
        let name = file.content_disposition().and_then(|disposition| disposition.get_filename()).unwrap_or_default().to_owned();
        Ok(Uploaded { name, file: Some(file), form: Some(form) })
    }
}

/// The next part of a form, which has this name.
async fn part(form: &mut Multipart, name: &str) -> Result<Field> {
    let found = form.next().await.transpose().map_err(|cause| broken(&cause))?;
    let found = found.filter(|part| part.name() == Some(name));
    found.ok_or_else(|| Error::Malformed(format!("the form has no field `{name}` in its place; load the page again")))
}

fn broken(cause: &MultipartError) -> Error {
    Error::Malformed(format!("the form did not come whole: {cause}; send it again"))
}

/// A file of a form, as a stream of its bytes. It ends well where the form does: what looked like the end of the file was one then.
pub struct Uploaded {
    name: String,
    /// Until it has ended.
    file: Option<Field>,
    /// Until it has ended.
    form: Option<Multipart>,
}

impl Uploaded {
    /// What the file is called where it comes from; nothing where none was chosen.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Stream for Uploaded {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(file) = &mut this.file {
            if let Some(piece) = when_ready!(file.poll_next_unpin(context)) {
                return Poll::Ready(Some(piece.map_err(|cause| broken(&cause))));
            }
            this.file = None;
        }
        let Some(form) = &mut this.form else { return Poll::Ready(None) };
        let more = when_ready!(form.poll_next_unpin(context));
        this.form = None;
        Poll::Ready(more.map(|more| match more {
            Ok(_another) => Err(Error::Malformed("the form has something behind its file; send one file at a time".to_owned())),
            Err(cause) => Err(broken(&cause)),
        }))
    }
}
