//! How people prove who they are: the password is compared between two looks at the database, of which the second decides.

use std::net::IpAddr;

use super::App;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::identity::people::login::{self, Attempt};
use crate::identity::people::sessions::{Origin, Started};
use crate::identity::{PersonIdentity, password};
use crate::limits::LimitKey;

/// What somebody gives who logs in.
pub struct Credentials {
    /// The username.
    pub username: String,
    /// The password.
    pub password: String,
    /// The code of the second factor, where there is one.
    pub code: Option<String>,
}

impl App {
    /// Logs somebody in.
    ///
    /// # Errors
    /// When something of it is wrong, a code is missing, or a lock lasts.
    pub async fn log_in(&self, address: IpAddr, given: Credentials, origin: Origin) -> Result<Started> {
        self.limits.login(address)?;
        let Credentials { username, password, code } = given;
        let network = LimitKey::for_address(address).name;
        let (master, name, from) = (self.master.clone(), username.clone(), network.clone());
        let stored = self.db.read(move |conn| login::begin(conn, &master, &name, &from)).await?;
        let compared = stored.clone();
        let right = self.hash(move || login::verify(&password, compared.as_ref())).await?;
        let (master, settings) = (self.master.clone(), self.settings.sign_in.clone());
        let attempt = Attempt { username, network, stored, right, code, origin };
        self.db.write(move |conn| login::decide(conn, &master, &settings, attempt)).await?
    }

    /// Does work for a person with a session who gives the password again. What refuses inside of the work's answer does not undo it.
    ///
    /// # Errors
    /// When the password is wrong, at `pointer`, or a lock lasts; and what the work answers.
    pub async fn with_password<T: Send + 'static>(
        &self,
        person: &PersonIdentity,
        (pointer, password): (&'static str, String),
        work: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (master, asked) = (self.master.clone(), person.clone());
        let (_, stored) = self.db.read(move |conn| login::begin_again(conn, &master, &asked)).await?;
        let compared = stored.clone();
        let right = self.hash(move || login::verify(&password, Some(&compared))).await?;
        let master = self.master.clone();
        let decided = self.db.write(move |conn| match login::decide_again(conn, &master, &stored, right, pointer)? {
            Ok(()) => work(conn).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        });
        decided.await?
    }

    /// Changes a person's password. Answers the new token of a browser's session.
    ///
    /// # Errors
    /// When the password until now is wrong, at `/current`, or the new one will not do, at `/new`.
    pub async fn change_password(&self, address: IpAddr, person: PersonIdentity, current: String, new: String) -> Result<Option<String>> {
        self.limits.login(address)?;
        let (master, asked) = (self.master.clone(), person.clone());
        let (username, _) = self.db.read(move |conn| login::begin_again(conn, &master, &asked)).await?;
        password::check_new("/new", &new, &username)?;
        if new == current {
            return Err(Error::invalid("/new", "choose another password than the one until now"));
        }
        let hash = self.hash(move || password::hash(&new)).await?;
        let changing = person.clone();
        self.with_password(&person, ("/current", current), move |conn| login::set_password(conn, &changing, &hash)).await
    }
}
