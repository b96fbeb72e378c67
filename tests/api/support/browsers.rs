//! People who work with pages: a cookie, forms with their tokens, and addresses that answers lead to.

use serde_json::Value;

use super::{Answer, OPERATOR_PASSWORD, Service};

pub const SAME_SITE: (&str, &str) = ("sec-fetch-site", "same-origin");

/// Somebody who is logged in in a browser.
pub struct Browser {
    service: Service,
    pub cookie: String,
}

/// A firm's person in a browser.
pub struct FirmBrowser {
    pub browser: Browser,
    /// The firm.
    pub id: String,
    /// The same person's token as a program.
    pub token: String,
    pub username: String,
}

impl std::ops::Deref for FirmBrowser {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.browser
    }
}

/// The token in a page's forms.
pub fn csrf_of(page: &str) -> String {
    page.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("no form: {page}")).split('"').next().unwrap().to_owned()
}

impl Browser {
    /// The same browser with another session.
    pub fn with_cookie(&self, cookie: &str) -> Browser {
        Browser { service: self.service.clone(), cookie: cookie.to_owned() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.service.get_with(path, &[("cookie", &self.cookie), ("accept", "text/html")]).await
    }

    /// A page that there is, as text.
    pub async fn page(&self, path: &str) -> String {
        self.get(path).await.expect(200).text()
    }

    /// The token of the session's forms.
    pub async fn csrf(&self) -> String {
        csrf_of(&self.page("/account").await)
    }

    /// Sends a form with the token of the session.
    pub async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.csrf().await;
        let fields = [&[("csrf", token.as_str())], fields].concat();
        self.send_bare(path, &fields, SAME_SITE).await
    }

    /// Sends a form as it is.
    pub async fn send_bare(&self, path: &str, fields: &[(&str, &str)], site: (&str, &str)) -> Answer {
        self.service.form(path, fields, &[("cookie", &self.cookie), ("accept", "text/html"), site]).await
    }

    /// Sends a file by a form with the token of the session.
    pub async fn upload(&self, path: &str, name: &str, bytes: &[u8]) -> Answer {
        let token = self.csrf().await;
        self.upload_bare(path, &[("csrf", &token)], (name, bytes), SAME_SITE).await
    }

    /// Sends a form with a file as it is.
    pub async fn upload_bare(&self, path: &str, fields: &[(&str, &str)], file: (&str, &[u8]), site: (&str, &str)) -> Answer {
        self.service.send_file(path, fields, file, &[("cookie", &self.cookie), ("accept", "text/html"), site]).await
    }

    /// Sends a form that is taken; answers the address that it leads to.
    #[track_caller]
    pub fn done<'a>(&'a self, path: &'a str, fields: &'a [(&'a str, &'a str)]) -> impl Future<Output = String> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let answer = self.send(path, fields).await;
            assert_eq!(answer.status.as_u16(), 303, "{caller}: {path}: {}", answer.text());
            answer.header("location").to_owned()
        }
    }
}

impl Service {
    /// Logs in on the page.
    pub async fn browser(&self, username: &str, password: &str) -> Browser {
        let fields = [("username", username), ("password", password)];
        let answer = self.form("/login", &fields, &[SAME_SITE]).await.expect(303);
        let cookie = answer.header("set-cookie").split("; ").next().unwrap().to_owned();
        Browser { service: self.clone(), cookie }
    }

    pub async fn operator_browser(&self) -> Browser {
        self.browser("operator", OPERATOR_PASSWORD).await
    }

    /// A person with roles in a browser.
    pub async fn staff_browser(&self, roles: &[&str], publisher: Option<&str>) -> Browser {
        let (_, username, one_time) = self.new_person(roles, publisher).await;
        let first = self.browser(&username, &one_time).await;
        let new = "a password of their own";
        let changed = first.send("/account/password", &[("current", &one_time), ("new", new), ("again", new)]).await.expect(303);
        let cookie = changed.header("set-cookie").split("; ").next().unwrap().to_owned();
        Browser { cookie, ..first }
    }

    /// A firm that waits for its approval, and its person.
    pub async fn pending_firm_browser(&self) -> FirmBrowser {
        self.firm_browser_named("测试企业").await
    }

    /// A firm of that name that waits for its approval, and its person.
    pub async fn firm_browser_named(&self, name: &str) -> FirmBrowser {
        let mut body = self.registration();
        body["name"] = name.into();
        let registered = self.post("/api/v1/firms", &body).await.expect(201).json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let username = text(&body["account"]["username"]);
        let browser = self.browser(&username, "the firm's password").await;
        let session = self.login(&username, "the firm's password").await.expect(201).json();
        FirmBrowser { browser, id: text(&registered["firm"]["id"]), token: text(&session["token"]), username }
    }

    /// A firm that may act, and its person.
    pub async fn firm_browser(&self) -> FirmBrowser {
        let firm = self.pending_firm_browser().await;
        self.approve_firm(&firm.id).await;
        firm
    }
}
