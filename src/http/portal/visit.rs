//! What a page is made from: who looks at it, and what they sent with a form of it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures::future::LocalBoxFuture;

use super::told::{Told, again, onwards};
use super::{Words, language};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::browser::{Filled, GuardedForm};
use crate::identity::Caller;

/// Somebody looks at a page. Whether they may is for the page to ask: by `firm_of`, `staff_of` or `signed_in`.
#[derive(Clone)]
pub struct Visit {
    pub(super) caller: Caller,
    pub(super) app: web::Data<App>,
    pub(super) w: Words,
    /// What was done last, as the address names it.
    done: Option<String>,
}

impl Visit {
    fn of(request: &HttpRequest) -> Result<Self> {
        let caller = Caller::from_request(request, &mut Payload::None).into_inner()?;
        let app = request.app_data::<web::Data<App>>().cloned();
        let app = app.ok_or_else(|| Error::internal(anyhow::anyhow!("a page outside of the application")))?;
        let mut named = url::form_urlencoded::parse(request.query_string().as_bytes());
        let done = named.find(|(name, _)| name == "done").map(|(_, done)| done.into_owned());
        Ok(Visit { caller, app, w: Words(language(request.query_string(), request.headers())), done })
    }

    /// What was done last, as the address names it.
    pub(super) fn done(&self) -> Option<&str> {
        self.done.as_deref()
    }

    /// What the page says at first: what was done last.
    pub(super) fn told(&self) -> Told {
        Told::done(self.w, self.done.as_deref())
    }
}

impl FromRequest for Visit {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visit::of(request))
    }
}

/// Somebody sends a form of a page of theirs. That it is of their session has been checked.
pub struct Sent {
    pub(super) visit: Visit,
    pub(super) filled: Filled,
}

impl FromRequest for Sent {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (visit, form) = (Visit::of(request), web::Form::<GuardedForm>::from_request(request, payload));
        Box::pin(async move {
            let (visit, form) = (visit?, form.await?.into_inner());
            let filled = form.open(&visit.app, &visit.caller)?;
            Ok(Sent { visit, filled })
        })
    }
}

impl Sent {
    /// Goes on to a page, which says what was done; or shows that of the form again, as [`again`](Self::again) does.
    ///
    /// # Errors
    /// Where [`again`](Self::again) has one.
    pub(super) async fn answer<T>(
        self,
        outcome: Result<T>,
        (page, done): (&str, &str),
        form: &str,
        show: impl AsyncFnOnce(Visit, Told) -> Result<HttpResponse>,
    ) -> Result<HttpResponse> {
        match outcome {
            Ok(_taken) => Ok(onwards(self.visit.w, page, done)),
            Err(error) => self.again(form, error, show).await,
        }
    }

    /// The page once more, with what was wrong in a form of it and what was typed.
    ///
    /// # Errors
    /// The error itself, where it is none that a form explains.
    pub(super) async fn again(
        self,
        form: &str,
        error: Error,
        show: impl AsyncFnOnce(Visit, Told) -> Result<HttpResponse>,
    ) -> Result<HttpResponse> {
        let Sent { visit, filled } = self;
        again(visit.w, form, filled, error, async |told| show(visit, told).await).await
    }
}
