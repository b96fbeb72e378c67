//! A person's own account: password, second factor, sessions.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;

use super::login::{explain, with_wait};
use super::visit::{Sent, Visit};
use super::{Words, private_page, see};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::browser;
use crate::identity::people::sessions::{self, SessionView};
use crate::identity::people::{self, Person};
use crate::identity::second_factor::{self, SecondFactor};
use crate::identity::{PersonIdentity, Role};

/// The parts of the page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// The password.
    Password,
    /// The second factor.
    Factor,
}

/// What is wrong, and where it is shown.
pub(super) struct Fault {
    section: Section,
    text: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    w: Words,
    csrf: String,
    person: Person,
    needs_second_factor: bool,
    factor: SecondFactor,
    sessions: Vec<SessionView>,
    done: Option<&'static str>,
    fault: Option<Fault>,
}

impl AccountPage {
    fn fault_of(&self, section: Section) -> Option<&str> {
        self.fault.as_ref().filter(|fault| fault.section == section).map(|fault| fault.text.as_str())
    }

    fn password_fault(&self) -> Option<&str> {
        self.fault_of(Section::Password)
    }

    fn factor_fault(&self) -> Option<&str> {
        self.fault_of(Section::Factor)
    }

    fn roles(&self) -> String {
        let name = |role: &Role| match role {
            Role::Steward => self.w.t("数据管理员", "Steward"),
            Role::Reviewer => self.w.t("审核员", "Reviewer"),
            Role::Operator => self.w.t("系统管理员", "Operator"),
            Role::Auditor => self.w.t("审计员", "Auditor"),
        };
        let names: Vec<&str> = self.person.roles.iter().map(name).collect();
        if names.is_empty() { self.w.t("企业用户", "Person of a firm").to_owned() } else { names.join(self.w.t("、", ", ")) }
    }

    fn agent<'a>(&self, session: &'a SessionView) -> &'a str {
        match session.agent.as_str() {
            "other" => self.w.t("其他程序", "Another program"),
            named => named,
        }
    }
}

/// What the page says after something was done.
fn said(w: Words, done: Option<&str>) -> Option<&'static str> {
    Some(match done? {
        "password" => w.t("密码已修改，其他会话已结束。", "The password is changed, and the other sessions have ended."),
        "factor-ended" => w.t("第二因素已停用。", "The second factor has ended."),
        "session" => w.t("会话已结束。", "The session has ended."),
        "sessions" => w.t("其他会话已全部结束。", "All other sessions have ended."),
        _ => return None,
    })
}

/// Back to the page, to say what was done.
pub(super) fn back(w: Words, done: &str) -> HttpResponse {
    see(&format!("/account?lang={}&done={done}", w.short()))
}

async fn show(
    app: &App,
    w: Words,
    person: PersonIdentity,
    status: StatusCode,
    told: Result<Option<&'static str>, Fault>,
) -> Result<HttpResponse> {
    let (settings, asked) = (app.settings.sign_in.clone(), person.clone());
    let (found, factor, sessions) = app
        .db
        .read(move |conn| {
            let factor = second_factor::state(conn, &settings, &asked.id)?;
            Ok((people::find(conn, &asked.id)?, factor, sessions::list(conn, &settings, &asked)?))
        })
        .await?;
    let (done, fault) = match told {
        Ok(done) => (done, None),
        Err(fault) => (None, Some(fault)),
    };
    let csrf = browser::csrf_token(app, &person.session);
    let needs_second_factor = person.needs_second_factor;
    private_page(w, status, &AccountPage { w, csrf, person: found, needs_second_factor, factor, sessions, done, fault })
}

/// The page again, with what was wrong in a section of it.
pub(super) async fn show_fault(app: &App, w: Words, person: PersonIdentity, section: Section, error: Error) -> Result<HttpResponse> {
    let Some(text) = explain(w, &error) else { return Err(error) };
    let page = show(app, w, person, error.kind().status(), Err(Fault { section, text })).await?;
    Ok(with_wait(page, &error))
}

#[get("/account")]
pub async fn account_page(visit: Visit) -> Result<HttpResponse> {
    let (w, done) = (visit.w, visit.done());
    show(&visit.app, w, browser::signed_in(&visit.caller)?.clone(), StatusCode::OK, Ok(said(w, done))).await
}

#[post("/account/password")]
pub async fn change_password(Sent { visit, filled }: Sent) -> Result<HttpResponse> {
    let (Visit { caller, app, w, .. }, address) = (&visit, visit.caller.address);
    let (person, [current, new]) = (browser::signed_in(caller)?.clone(), ["current", "new"].map(|name| filled.one(name).to_owned()));
    let changed = if new == filled.one("again") {
        app.change_password(address, person.clone(), current, new).await
    } else {
        Err(Error::invalid("/again", "it is not the same both times"))
    };
    match changed {
        Ok(token) => Ok(browser::keep_renewed(back(*w, "password"), token.as_deref())),
        Err(error) => show_fault(app, *w, person, Section::Password, error).await,
    }
}

#[post("/account/sessions/{id}/end")]
pub async fn end_session(sent: Sent, path: web::Path<String>) -> Result<HttpResponse> {
    let Visit { caller, app, w, .. } = sent.visit;
    let person = browser::person(caller)?;
    let ended = app.db.write(move |conn| sessions::end(conn, &person, &path)).await;
    match ended {
        // It may have ended meanwhile by itself.
        Ok(()) | Err(Error::NotFound { .. }) => Ok(back(w, "session")),
        Err(other) => Err(other),
    }
}

#[post("/account/sessions/end-others")]
pub async fn end_other_sessions(sent: Sent) -> Result<HttpResponse> {
    let Visit { caller, app, w, .. } = sent.visit;
    let person = browser::person(caller)?;
    app.db.write(move |conn| sessions::end_others(conn, &person)).await?;
    Ok(back(w, "sessions"))
}
