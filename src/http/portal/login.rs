//! The pages with which people log in and out.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use askama::Template;
use serde::Deserialize;

use super::visit::{Sent, Visit};
use super::{Words, private_page, see, words};
use crate::app::{App, Credentials};
use crate::error::{Error, Result};
use crate::http::browser;
use crate::identity::Caller;
use crate::identity::people::sessions;

/// Which language, and where to go on afterwards.
#[derive(Default, Deserialize)]
pub struct LoginQuery {
    lang: Option<String>,
    next: Option<String>,
}

impl LoginQuery {
    /// Where to go on: a page of ours, or nowhere in particular.
    fn next(&self) -> Option<&str> {
        self.next.as_deref().filter(|next| may_follow(next))
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    w: Words,
    username: String,
    fault: Option<String>,
    next: Option<String>,
}

/// Whether a log-in may lead to this path: a page of ours for people who are logged in. Nothing in it can name another site.
pub(super) fn may_follow(path: &str) -> bool {
    let ours = path == "/firm" || path == "/console" || ["/firm/", "/console/", "/datasets/"].iter().any(|start| path.starts_with(start));
    ours && !path.contains("//") && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_'))
}

/// The address of the log-in that goes on to a page.
pub(super) fn address(w: Words, next: Option<&str>) -> String {
    let next = next.map(|next| format!("&next={next}")).unwrap_or_default();
    format!("/login?lang={}{next}", w.short())
}

fn after(w: Words, next: Option<&str>) -> HttpResponse {
    see(&format!("{}?lang={}", next.unwrap_or("/account"), w.short()))
}

/// Somebody who logs in.
#[derive(Deserialize)]
pub struct LoginForm {
    username: String,
    password: String,
    #[serde(default)]
    code: String,
}

/// Why a password or a code was refused, in the language of the page; `None` for what a page does not explain.
pub(super) fn explain(w: Words, error: &Error) -> Option<String> {
    let text = |zh: &str, en: &str| Some(w.t(zh, en).to_owned());
    match error {
        Error::Unauthenticated(_) => text("用户名、密码或验证码不正确。", "The username, the password or the code is wrong."),
        Error::SecondFactorRequired => text(
            "此账户已启用第二因素：请再次输入密码，并输入验证码或一个恢复码。",
            "This account has a second factor: give the password again, with a code of the app or a recovery code.",
        ),
        Error::RateLimited { retry_after_seconds: seconds, .. } => Some(match w.short() {
            "zh" => format!("尝试次数过多，请在 {seconds} 秒后再试。"),
            _ => format!("Too many wrong tries. Try again in {seconds} seconds."),
        }),
        Error::Invalid(faults) => match faults.first().map(|fault| fault.pointer.as_str()) {
            Some("/current" | "/password") => text("密码不正确。", "The password is wrong."),
            Some("/again") => text("两次输入的新密码不一致。", "The new password is not the same both times."),
            Some("/code") => text("验证码不正确或已用过，请等待下一个。", "The code is wrong, or was used already. Wait for the next one."),
            Some("/new") => text(
                "新密码须为 12 至 200 个字符，不含用户名，且与原密码不同。",
                "Choose a new password of 12 to 200 characters, without the username in it, and not the one until now.",
            ),
            Some(_) | None => None,
        },
        Error::Conflict(_) => text("账户状态已变化，请重新载入页面。", "The account has changed meanwhile. Load the page again."),
        Error::Malformed(_)
        | Error::PasswordChangeRequired
        | Error::SecondFactorEnrolmentRequired
        | Error::Forbidden(_)
        | Error::Suspended(_)
        | Error::Withdrawn(_)
        | Error::NotFound { .. }
        | Error::Stale { .. }
        | Error::ConditionMissing(_)
        | Error::TooLarge(_)
        | Error::UnsupportedMediaType(_)
        | Error::ChecksumMismatch
        | Error::Damaged(_)
        | Error::WrongProtocol { .. }
        | Error::NotAcceptable(_)
        | Error::RangeNotSatisfiable { .. }
        | Error::QueryTimeout { .. }
        | Error::Unavailable(_)
        | Error::Internal(_) => None,
    }
}

/// Says when to come back, where the error does.
pub(super) fn with_wait(mut response: HttpResponse, error: &Error) -> HttpResponse {
    if let Error::RateLimited { retry_after_seconds, .. } = error {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
    }
    response
}

#[get("/login")]
pub async fn login_page(caller: Caller, query: web::Query<LoginQuery>, request: HttpRequest) -> Result<HttpResponse> {
    let w = words(&request, query.lang.as_deref());
    if browser::is_browser(&caller) {
        return Ok(after(w, query.next()));
    }
    let next = query.next().map(str::to_owned);
    private_page(w, StatusCode::OK, &LoginPage { w, username: String::new(), fault: None, next })
}

#[post("/login")]
pub async fn log_in(
    caller: Caller,
    app: web::Data<App>,
    query: web::Query<LoginQuery>,
    request: HttpRequest,
    form: web::Form<LoginForm>,
) -> Result<HttpResponse> {
    // Another site must not log somebody in either, to an account of its own.
    browser::check_site(&app, request.headers())?;
    let (w, LoginForm { username, password, code }) = (words(&request, query.lang.as_deref()), form.into_inner());
    let given = Credentials { username: username.trim().to_owned(), password, code: Some(code) };
    match app.log_in(caller.address, given, browser::origin(request.headers(), true)).await {
        Ok(started) => {
            // Whoever has a one-time password sees to that first.
            let mut response = after(w, query.next().filter(|_| !started.person.one_time_password));
            browser::keep(&mut response, &started.token);
            Ok(response)
        }
        Err(error) => {
            let Some(fault) = explain(w, &error) else { return Err(error) };
            let page = LoginPage { w, username, fault: Some(fault), next: query.next().map(str::to_owned) };
            Ok(with_wait(private_page(w, error.kind().status(), &page)?, &error))
        }
    }
}

#[post("/logout")]
pub async fn log_out(sent: Sent) -> Result<HttpResponse> {
    let Visit { caller, app, w, .. } = sent.visit;
    let person = browser::person(caller)?;
    app.db.write(move |conn| sessions::end_current(conn, &person)).await?;
    let mut response = HttpResponse::SeeOther();
    browser::forget(&mut response);
    Ok(response.insert_header(("location", format!("/login?lang={}", w.short()))).finish())
}
