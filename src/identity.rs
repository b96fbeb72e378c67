//! Who is who: people with roles, firms, their clients, and the tokens and keys that prove it.

pub mod clients;
pub mod dpop;
pub mod firms;
pub mod jwk;
pub mod key_sets;
pub mod keys;
mod known;
mod once;
pub mod password;
pub mod people;
pub mod second_factor;
pub mod signed_urls;
pub mod tokens;
pub mod uscc;

use std::net::IpAddr;

use crate::error::{Error, Result};

pub use known::KnownCredentials;
pub use people::Role;

/// Who makes a request, and from where. 调用方
#[derive(Debug, Clone)]
pub struct Caller {
    /// The address that the request comes from, behind trusted proxies only.
    pub address: IpAddr,
    /// Who it is.
    pub identity: Identity,
}

/// Who a caller is.
#[derive(Debug, Clone)]
pub enum Identity {
    /// Nobody in particular.
    Anonymous,
    /// A firm's client with an access token.
    Client(ClientIdentity),
    /// A person with a session.
    Person(PersonIdentity),
}

/// A firm's client.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// The client.
    pub client_id: String,
    /// Its firm.
    pub firm_id: String,
    /// The grant that the token is for.
    pub grant_id: Option<String>,
    /// The thumbprint of the key to which the token is bound: each request has to prove it.
    pub jkt: Option<String>,
    /// The token's own name.
    pub jti: String,
    /// When the token was issued, in seconds since 1970.
    pub issued_at: i64,
    /// The key that signed it.
    pub kid: String,
    /// The signed URL that came in place of the token, by its own name.
    pub signed_url: Option<String>,
    /// Whether its firm's requests are held to a part of what firms may ask.
    pub throttled: bool,
}

/// A person of the public body, or of a firm.
#[derive(Debug, Clone)]
pub struct PersonIdentity {
    /// The person.
    pub id: String,
    /// The digest of the session's token, which names the session.
    pub session: String,
    /// Whether a browser keeps that token in a cookie.
    pub browser: bool,
    /// What the person may do here; empty for a person of a firm.
    pub roles: Vec<Role>,
    /// The publisher whose datasets a steward edits.
    pub publisher: Option<String>,
    /// The firm of a firm's person.
    pub firm_id: Option<String>,
    /// Whether that firm is approved.
    pub firm_approved: bool,
    /// Whether that firm's requests are held to a part of what firms may ask.
    pub throttled: bool,
    /// Whether nothing but a change of password is allowed.
    pub one_time_password: bool,
    /// Whether nothing but setting up a second factor is allowed.
    pub needs_second_factor: bool,
}

impl Caller {
    /// The caller as it stands in the ledger: an id, never a name or an address.
    pub fn actor(&self) -> String {
        match &self.identity {
            Identity::Anonymous => "anonymous".to_owned(),
            Identity::Client(client) => format!("client:{}", client.client_id),
            Identity::Person(person) => format!("person:{}", person.id),
        }
    }

    /// The grant that the caller's token is for.
    pub fn grant(&self) -> Option<&str> {
        match &self.identity {
            Identity::Client(client) => client.grant_id.as_deref(),
            Identity::Anonymous | Identity::Person(_) => None,
        }
    }

    /// The person, whatever is still to be done before they may do more.
    ///
    /// # Errors
    /// When the caller is none.
    pub fn somebody(&self) -> Result<&PersonIdentity> {
        match &self.identity {
            Identity::Person(person) => Ok(person),
            Identity::Client(_) => Err(Error::Forbidden("this is for people; a client's token does not do it".to_owned())),
            Identity::Anonymous => Err(Error::Unauthenticated("log in first: POST /api/v1/sessions".to_owned())),
        }
    }

    /// The person, whose one-time password is changed already, and who may look after their account.
    ///
    /// # Errors
    /// When the caller is none.
    pub fn account(&self) -> Result<&PersonIdentity> {
        let person = self.somebody()?;
        if person.one_time_password { Err(Error::PasswordChangeRequired) } else { Ok(person) }
    }

    /// The person, who has changed the one-time password and has the second factor that is asked for.
    ///
    /// # Errors
    /// When the caller is none.
    pub fn person(&self) -> Result<&PersonIdentity> {
        let person = self.account()?;
        if person.needs_second_factor { Err(Error::SecondFactorEnrolmentRequired) } else { Ok(person) }
    }

    /// The person, who has one of these roles.
    ///
    /// # Errors
    /// When the caller has none of them.
    pub fn with_role(&self, roles: &[Role]) -> Result<&PersonIdentity> {
        let person = self.person()?;
        if person.roles.iter().any(|role| roles.contains(role)) {
            return Ok(person);
        }
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        Err(Error::Forbidden(format!("this needs the role {}", names.join(" or "))))
    }

    /// The firm that the caller acts for.
    ///
    /// # Errors
    /// When the caller is no firm.
    pub fn firm(&self) -> Result<&str> {
        match &self.identity {
            Identity::Client(client) if client.grant_id.is_some() => {
                Err(Error::Forbidden("this token is for a grant alone; take one without authorization_details".to_owned()))
            }
            Identity::Client(client) => Ok(&client.firm_id),
            Identity::Person(_) => self
                .person()?
                .firm_id
                .as_deref()
                .ok_or_else(|| Error::Forbidden("this is for firms; log in as a person of a firm".to_owned())),
            Identity::Anonymous => Err(Error::Unauthenticated(
                "take a token (POST /oauth2/token) or log in as a person of the firm (POST /api/v1/sessions)".to_owned(),
            )),
        }
    }
}
