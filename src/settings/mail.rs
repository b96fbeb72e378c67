//! Settings of the mail that the service sends: by which server, and from whom.

use anyhow::{Result, bail};
use percent_encoding::percent_decode_str;
use url::Url;

use super::Secret;
use super::values::Values;

/// How the way to the mail server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// It is not: `smtp://`.
    None,
    /// Where the server offers STARTTLS: `smtp://…?tls=opportunistic`.
    Opportunistic,
    /// By STARTTLS, or nothing is sent: `smtp://…?tls=required`.
    Required,
    /// From the first byte: `smtps://`.
    Wrapped,
}

/// The operator's mail server, as `smtp_url` names it.
#[derive(Debug, Clone)]
pub struct SmtpServer {
    /// Its name or address.
    pub host: String,
    /// Its port; by default 25, 587 with STARTTLS, 465 with TLS.
    pub port: u16,
    /// How the way to it is kept secret.
    pub tls: SmtpTls,
    /// The name and the password with which the service logs in there.
    pub credentials: Option<(Secret, Secret)>,
    /// The name by which the service greets it, where that is not the domain of `smtp_from`.
    pub hello: Option<String>,
}

/// Whether mail is sent, and how.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The server; without one no mail is sent.
    pub server: Option<SmtpServer>,
    /// The sender, such as `清单 <list@example.org>`.
    pub from: String,
    /// How long a change waits for others, so that they come in one mail.
    pub batch_seconds: u32,
}

impl MailSettings {
    pub(super) fn of(values: &Values) -> Result<Self> {
        let server = values.text("smtp_url").map(|text| server(text).ok_or_else(|| values.wrong("smtp_url"))).transpose()?;
        let from = values.text("smtp_from").unwrap_or_default().to_owned();
        if server.is_some() && from.is_empty() {
            bail!("setting `smtp_from`: smtp_url is set, so say from which address mail is sent");
        }
        Ok(MailSettings { server, from, batch_seconds: values.small("mail_batch_seconds")? })
    }
}

/// Reads an address as the crate that sends mail has it. A password goes over a way that is kept secret only, but for this machine's own.
fn server(text: &str) -> Option<SmtpServer> {
    let url = Url::parse(text).ok()?;
    let mut tls = None;
    for (name, value) in url.query_pairs() {
        if name != "tls" || tls.is_some() {
            return None;
        }
        tls = Some(value.into_owned());
    }
    let (tls, port) = match (url.scheme(), tls.as_deref()) {
        ("smtp", None) => (SmtpTls::None, 25),
        ("smtp", Some("opportunistic")) => (SmtpTls::Opportunistic, 587),
        ("smtp", Some("required")) => (SmtpTls::Required, 587),
        ("smtps", None) => (SmtpTls::Wrapped, 465),
        _ => return None,
    };
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| Secret(text.into_owned()));
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (name, Some(password)) if !name.is_empty() => Some((decoded(name)?, decoded(password)?)),
        _ => return None,
    };
    let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let safe = local || matches!(tls, SmtpTls::Required | SmtpTls::Wrapped);
    if host.is_empty() || url.fragment().is_some() || (credentials.is_some() && !safe) {
        return None;
    }
    let hello = Some(url.path().trim_matches('/').to_owned()).filter(|name| !name.is_empty());
    Some(SmtpServer { host, port: url.port().unwrap_or(port), tls, credentials, hello })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_from_its_address() {
        let read = |text: &str| server(text).map(|found| (found.host, found.port, found.tls, found.credentials.is_some(), found.hello));
        let plain = |host: &str, port, tls| Some((host.to_owned(), port, tls, false, None));
        assert_eq!(read("smtp://mail.example.org"), plain("mail.example.org", 25, SmtpTls::None));
        assert_eq!(read("smtp://[::1]:2525"), plain("::1", 2525, SmtpTls::None));
        assert_eq!(read("smtp://10.0.0.1?tls=required"), plain("10.0.0.1", 587, SmtpTls::Required));
        assert_eq!(read("smtp://mail?tls=opportunistic"), plain("mail", 587, SmtpTls::Opportunistic));
        let whole = read("smtps://a%40b:p%3Aw@mail.example.org/data.example.org").unwrap();
        assert_eq!(whole, ("mail.example.org".to_owned(), 465, SmtpTls::Wrapped, true, Some("data.example.org".to_owned())));
        let (name, password) = server("smtps://a%40b:p%3Aw@mail.example.org").unwrap().credentials.unwrap();
        assert_eq!((name.expose(), password.expose()), ("a@b", "p:w"));
        assert!(read("smtp://a:b@127.0.0.1:25").is_some() && read("smtp://a:b@mail.example.org?tls=required").is_some());
        for wrong in [
            "mail.example.org",
            "http://mail.example.org",
            "smtp://",
            "smtp://mail?tls=perhaps",
            "smtp://mail?tls=required&x=y",
            "smtps://mail?tls=required",
            "smtp://a@mail",
            "smtp://mail#x",
            // The password would go over the network for everybody to read.
            "smtp://a:b@mail.example.org",
            "smtp://a:b@mail.example.org?tls=opportunistic",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
