//! Settings: each is a flag of the command line, an environment variable and a key of `qingdan.toml`, in that
//! order of precedence. The table [`KEYS`] is the only list of them.
//!
//! An unknown key or a value that cannot be read stops the start and says which key it is, where it stands and what is allowed.

mod attachments;
mod duties;
mod feedback;
mod list;
mod mail;
mod outbound;
mod values;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ipnet::IpNet;

mod keys;

use values::Values;

pub use attachments::AttachmentSettings;
pub use duties::{DutySettings, SandboxSettings};
pub use feedback::FeedbackSettings;
pub use keys::{KEYS, Key};
pub use list::{ListSettings, is_email};
pub use mail::{MailSettings, SmtpServer, SmtpTls};
pub use outbound::{KeySetSettings, OutboundSettings};

/// Environment variables that begin like ours but belong to the command-line examples.
const CLIENT_VARIABLES: &[&str] = &["QINGDAN_URL", "QINGDAN_OPERATOR_NEW_PASSWORD", "QINGDAN_LOG"];

/// A text that must not be printed or logged.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself; every use is a place to look at.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// In which header a proxy writes whom it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, as most proxies do.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The limits of one tier.
#[derive(Debug, Clone, Copy)]
pub struct TierLimits {
    /// Requests a second, refilled steadily.
    pub per_second: u32,
    /// Requests at once.
    pub burst: u32,
    /// Bytes of data a day.
    pub bytes_per_day: u64,
    /// Queries at once.
    pub queries: usize,
    /// Wall time of one query.
    pub query_seconds: u64,
    /// Rows that one SQL query may answer.
    pub query_rows: u64,
    /// Bytes that one SQL query may answer.
    pub query_bytes: u64,
}

/// How people log in.
#[derive(Debug, Clone)]
pub struct SignInSettings {
    /// After how long without a request a session ends.
    pub idle_minutes: u32,
    /// How long a session lasts at the most.
    pub hours: u32,
    /// The most sessions of one person.
    pub most_sessions: u32,
    /// Roles, and `firm` for people of firms, that must have a second factor.
    pub second_factor: Vec<String>,
}

/// All settings, read and checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the service listens.
    pub listen: SocketAddr,
    /// Where everything that the service keeps lives.
    pub data_dir: PathBuf,
    /// What the first start imports.
    pub datasets_dir: PathBuf,
    /// `sqlite:PATH` or `postgres://…`.
    pub database_url: Secret,
    /// The folder of the object store.
    pub store_dir: PathBuf,
    /// Issuer and audience of tokens, without a slash at its end; set once the port is known.
    pub public_url: Option<String>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The one header in which they write the caller's address.
    pub forwarded_header: ForwardedHeader,
    /// What the list says of itself.
    pub list: ListSettings,
    /// The first operator's password, where it was given.
    pub operator_password: Option<Secret>,
    /// The master key, where it was given.
    pub master_key: Option<Secret>,
    /// How people log in.
    pub sign_in: SignInSettings,
    /// After how many days without a decision a firm's registration gives way to a new one.
    pub registration_days: u32,
    /// The largest JSON body.
    pub body_limit_bytes: usize,
    /// How long downloads may go on after SIGTERM.
    pub shutdown_seconds: u64,
    /// The internal location of nginx from which it sends the store's files, where it does.
    pub accel_prefix: Option<String>,
    /// HTTP workers; 0 means one for each core.
    pub workers: usize,
    /// Memory of all queries together.
    pub query_memory_bytes: usize,
    /// How many working days each turn of an application has: draft, accept, decide, answer, sign, appeal.
    pub application_days: [u32; 6],
    /// Which days are worked, where that is not the calendar that comes with the service.
    pub working_calendar: Option<PathBuf>,
    /// The scheme of grades: its name, or a file.
    pub grading: String,
    /// The share of rows that a grant's release leaves out.
    pub fingerprint_share: f64,
    /// The most bytes of one uploaded file.
    pub upload_max_bytes: u64,
    /// The most bytes of all uploads of one person.
    pub upload_quota_bytes: u64,
    /// Jobs that are done at once.
    pub jobs_at_once: usize,
    /// How old an orphan must be before it is removed.
    pub orphan_hours: u32,
    /// Anonymous addresses.
    pub anonymous: TierLimits,
    /// Registered firms.
    pub firm: TierLimits,
    /// People with a role.
    pub staff: TierLimits,
    /// What firms owe, and what becomes of those who break their agreements.
    pub duties: DutySettings,
    /// What the output check of the sandbox asks for.
    pub sandbox: SandboxSettings,
    /// Documents that firms attach to applications.
    pub attachments: AttachmentSettings,
    /// How the service talks to addresses that others name.
    pub outbound: OutboundSettings,
    /// Whether mail is sent, and how.
    pub mail: MailSettings,
    /// The key sets that clients publish.
    pub key_sets: KeySetSettings,
    /// How the public is heard.
    pub feedback: FeedbackSettings,
    /// Log-ins, registrations and token requests a minute of one address.
    pub login_per_minute: u32,
}

fn is_secret(name: &str) -> bool {
    matches!(name, "operator_password" | "master_key" | "database_url" | "smtp_url")
}

impl Settings {
    /// Reads the settings from flags, environment variables and, where it exists, a `qingdan.toml`.
    ///
    /// # Errors
    /// When a key is unknown or a value is not allowed; the message names the key, its place and what is allowed.
    pub fn load(flags: &BTreeMap<String, String>, env: impl Iterator<Item = (String, String)>, file: Option<&Path>) -> Result<Self> {
        let mut values = BTreeMap::new();
        for key in KEYS {
            values.insert(key.name, (key.default.to_owned(), "default".to_owned()));
        }
        if let Some(path) = file {
            read_file(path, &mut values)?;
        }
        for (variable, text) in env.filter(|(variable, _)| variable.starts_with("QINGDAN_")) {
            if CLIENT_VARIABLES.contains(&variable.as_str()) {
                continue;
            }
            let name = variable.trim_start_matches("QINGDAN_").to_lowercase();
            set(&mut values, &name, text, format!("environment variable {variable}"))?;
        }
        for (name, text) in flags {
            set(&mut values, name, text.clone(), format!("flag --{}", name.replace('_', "-")))?;
        }
        Self::check(&Values(values))
    }

    fn check(values: &Values) -> Result<Self> {
        let data_dir: PathBuf = values.parse("data_dir")?;
        let firm = values.tier("firm")?;
        let staff = TierLimits { per_second: values.small("limits_staff_per_second")?, burst: values.small("limits_staff_burst")?, ..firm };
        Ok(Settings {
            listen: values.parse("listen")?,
            datasets_dir: values.parse("datasets_dir")?,
            database_url: database_url(values, &data_dir)?,
            store_dir: store_dir(values, &data_dir)?,
            public_url: public_url(values)?,
            trusted_proxies: trusted_proxies(values)?,
            forwarded_header: match values.text("forwarded_header") {
                Some("x-forwarded-for") => ForwardedHeader::XForwardedFor,
                Some("forwarded") => ForwardedHeader::Forwarded,
                Some(_) | None => return Err(values.wrong("forwarded_header")),
            },
            operator_password: operator_password(values)?,
            master_key: master_key(values)?,
            sign_in: sign_in(values)?,
            registration_days: values.small("registration_days")?,
            body_limit_bytes: values.size("body_limit_bytes")?,
            shutdown_seconds: values.number("shutdown_seconds")?,
            accel_prefix: accel_prefix(values)?,
            workers: values.size("workers")?,
            query_memory_bytes: values.size("query_memory_bytes")?,
            application_days: application_days(values)?,
            working_calendar: values.text("working_calendar").map(PathBuf::from),
            grading: values.text("grading").unwrap_or("shanghai-2019").to_owned(),
            fingerprint_share: values.share("fingerprint_share")?,
            upload_max_bytes: values.number("upload_max_bytes")?,
            upload_quota_bytes: values.number("upload_quota_bytes")?,
            jobs_at_once: values.size("jobs_at_once")?,
            orphan_hours: values.small("orphan_hours")?,
            anonymous: values.tier("anonymous")?,
            firm,
            staff,
            duties: DutySettings::of(values)?,
            sandbox: SandboxSettings::of(values)?,
            attachments: AttachmentSettings::of(values)?,
            outbound: OutboundSettings::of(values)?,
            mail: MailSettings::of(values)?,
            list: ListSettings::of(values)?,
            key_sets: KeySetSettings::of(values)?,
            feedback: FeedbackSettings::of(values)?,
            login_per_minute: values.small("limits_login_per_minute")?,
            data_dir,
        })
    }
}

fn set(values: &mut BTreeMap<&'static str, (String, String)>, name: &str, text: String, from: String) -> Result<()> {
    let Some(key) = KEYS.iter().find(|key| key.name == name) else {
        let allowed: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        bail!("unknown setting `{name}` ({from}); the settings are: {}", allowed.join(", "));
    };
    values.insert(key.name, (text, from));
    Ok(())
}

fn read_file(path: &Path, values: &mut BTreeMap<&'static str, (String, String)>) -> Result<()> {
    let text = crate::storage::read_text(path).with_context(|| format!("cannot read {}", path.display()))?;
    let table: toml::Table = text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
    for (name, value) in table {
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(_) | toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) | toml::Value::Array(_) => {
                bail!("setting `{name}` ({}): give a text or a whole number", path.display())
            }
        };
        set(values, &name, text, path.display().to_string())?;
    }
    Ok(())
}

fn application_days(values: &Values) -> Result<[u32; 6]> {
    let mut days = [0; 6];
    for (days, turn) in days.iter_mut().zip(["draft", "accept", "decide", "answer", "sign", "appeal"]) {
        *days = values.small(&format!("application_{turn}_days"))?;
    }
    Ok(days)
}

fn database_url(values: &Values, data_dir: &Path) -> Result<Secret> {
    let url = match values.text("database_url") {
        None => format!("sqlite:{}", data_dir.join("qingdan.sqlite").display()),
        Some(url) if url.starts_with("sqlite:") && url.len() > "sqlite:".len() => url.to_owned(),
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => url.to_owned(),
        Some(_) => return Err(values.wrong("database_url")),
    };
    Ok(Secret(url))
}

fn store_dir(values: &Values, data_dir: &Path) -> Result<PathBuf> {
    match values.text("store_url") {
        None => Ok(data_dir.join("store")),
        Some(url) => match url.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(PathBuf::from(path.trim_start_matches("//"))),
            _ => Err(values.wrong("store_url")),
        },
    }
}

fn public_url(values: &Values) -> Result<Option<String>> {
    let Some(text) = values.text("public_url") else { return Ok(None) };
    let url = url::Url::parse(text).map_err(|_unreadable| values.wrong("public_url"))?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.has_host();
    if !plain || !matches!(url.scheme(), "http" | "https") {
        return Err(values.wrong("public_url"));
    }
    Ok(Some(url.as_str().trim_end_matches('/').to_owned()))
}

fn accel_prefix(values: &Values) -> Result<Option<String>> {
    let Some(text) = values.text("accel_prefix") else { return Ok(None) };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    if !text.starts_with('/') || text.ends_with('/') || text.contains("//") || !text.bytes().all(plain) {
        return Err(values.wrong("accel_prefix"));
    }
    Ok(Some(text.to_owned()))
}

fn trusted_proxies(values: &Values) -> Result<Vec<IpNet>> {
    let text = values.text("trusted_proxies").unwrap_or_default();
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.parse::<IpNet>()
                .or_else(|_| part.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_unreadable| values.wrong("trusted_proxies"))
        })
        .collect()
}

fn sign_in(values: &Values) -> Result<SignInSettings> {
    let listed = values.text("require_second_factor").unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    let second_factor: Vec<String> = listed.map(str::to_owned).collect();
    let known = |name: &String| matches!(name.as_str(), "steward" | "reviewer" | "operator" | "auditor" | "firm");
    if !second_factor.iter().all(known) {
        return Err(values.wrong("require_second_factor"));
    }
    Ok(SignInSettings {
        idle_minutes: values.small("session_idle_minutes")?,
        hours: values.small("session_hours")?,
        most_sessions: values.small("sessions_per_person")?,
        second_factor,
    })
}

fn operator_password(values: &Values) -> Result<Option<Secret>> {
    let Some(text) = values.text("operator_password") else { return Ok(None) };
    let length = text.chars().count();
    if !(12..=200).contains(&length) || text.to_lowercase().contains("operator") {
        return Err(values.wrong("operator_password"));
    }
    Ok(Some(Secret(text.to_owned())))
}

fn master_key(values: &Values) -> Result<Option<Secret>> {
    let Some(text) = values.text("master_key") else { return Ok(None) };
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(values.wrong("master_key"));
    }
    Ok(Some(Secret(text.to_owned())))
}

#[cfg(test)]
mod tests;
