//! The firm's desk: what it has asked for, what it has to do, and what it may read. 企业工作台

pub mod application;
pub mod apply;
pub mod clients;
pub mod documents;
pub mod following;
pub mod grant;
pub mod notice;

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get};
use askama::Template;
use chrono::NaiveDateTime;

use super::visit::Visit;
use super::wording::Side;
use super::{Words, private_page};
use crate::access::applications::Step;
use crate::access::desk::{self, Listed, Listing, View};
use crate::access::register::{self, RegisterEntry, RegisterFilter};
use crate::access::sanctions::{self, Sanction};
use crate::clock::now_naive;
use crate::error::Result;
use crate::http::browser;
use crate::identity::firms::{self, Firm};
use crate::identity::{Caller, PersonIdentity};

/// Grants and notices on the desk.
const SHOWN: i64 = 50;

/// The person who is logged in, and the firm that they act for.
///
/// # Errors
/// When nobody is logged in by the cookie, or the person is no firm's.
fn firm_of(caller: &Caller) -> Result<(&PersonIdentity, &str)> {
    Ok((browser::signed_in(caller)?, caller.firm()?))
}

#[derive(Template)]
#[template(path = "firm.html")]
struct DeskPage {
    w: Words,
    firm: Firm,
    applications: Listing,
    grants: Vec<RegisterEntry>,
    due: HashMap<String, NaiveDateTime>,
    notices: Vec<Sanction>,
    side: Side,
}

impl DeskPage {
    fn is_empty(&self) -> bool {
        self.applications.items.is_empty() && self.grants.is_empty()
    }

    /// The applications on which the firm has to act.
    fn mine(&self) -> Vec<&Listed> {
        self.applications.items.iter().filter(|item| Self::is_mine(item)).collect()
    }

    fn others(&self) -> Vec<&Listed> {
        self.applications.items.iter().filter(|item| !Self::is_mine(item)).collect()
    }

    /// A step of the firm's is what it waits for, and ends with its time.
    fn is_mine(item: &Listed) -> bool {
        item.status.may(Step::Expire)
    }

    fn due_of(&self, grant: &RegisterEntry) -> Option<&NaiveDateTime> {
        self.due.get(&grant.grant)
    }

    fn is_late(&self, due: &NaiveDateTime) -> bool {
        *due < now_naive()
    }

    /// Why the firm may not act, where it may not.
    fn standing(&self) -> Option<&'static str> {
        match self.firm.status.as_str() {
            firms::APPROVED => None,
            "pending" => Some(self.w.t(
                "企业注册尚待系统管理员核准，核准后即可申请数据。",
                "The operator has not decided on the firm’s registration yet. Once it is approved, the firm may apply.",
            )),
            firms::SUSPENDED => Some(self.w.t(
                "企业已被暂停：暂停期间不能申请，也不能获取数据。",
                "The firm is suspended: meanwhile it can neither apply nor read data.",
            )),
            "refused" => Some(self.w.t("企业注册未获核准。", "The firm’s registration was refused.")),
            _ => Some(self.w.t("企业注册已被撤销。", "The firm’s registration is revoked.")),
        }
    }
}

#[get("/firm")]
pub async fn desk_page(Visit { caller, app, w, .. }: Visit) -> Result<HttpResponse> {
    let (id, days) = (firm_of(&caller)?.1.to_owned(), app.settings.duties);
    let found = app.db.read(move |conn| {
        let firm = firms::find(conn, &id)?;
        let of_firm = RegisterFilter { firm: Some(firm.uscc.clone()), ..RegisterFilter::default() };
        let grants = register::list(conn, &of_firm, None, SHOWN)?.entries;
        let (due, notices) = (desk::reports_due(conn, &id, &days)?, sanctions::list_for(conn, &caller, None, None, SHOWN)?.0);
        let applications = desk::list(conn, &caller, View::All, 0)?;
        Ok(DeskPage { w, firm, applications, grants, due, notices, side: Side::Firm })
    });
    private_page(w, StatusCode::OK, &found.await?)
}
