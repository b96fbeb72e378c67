//! Mail: hands a letter to the operator's own mail server, which may be in the private network.
//!
//! Nothing here knows what a letter is about. What the server says to us may hold the address, so it is neither logged nor handed on: only its code is.

use std::error::Error as _;
use std::time::Duration;

use anyhow::{Context, anyhow};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, transport::smtp};

use crate::error::{Error, Result};
use crate::settings::{MailSettings, OutboundSettings, SmtpServer, SmtpTls};

/// How long it may take until the letter itself can be sent. With the two below it is less than whoever sends it has it for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long the letter itself may take, and whatever the server does with it before it answers.
const LETTER_TIMEOUT: Duration = Duration::from_secs(45);

/// How long is waited for the answer to the good-bye.
const QUIT_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest subject, in letters.
const LONGEST_SUBJECT: usize = 200;

/// Something that goes to one address. It has no `Debug`: whom it is for and the link in it are nobody else's.
pub struct Letter {
    /// Its id: the same letter has the same `Message-ID` each time.
    pub id: String,
    /// The address.
    pub to: String,
    /// What it is about, in one line.
    pub subject: String,
    /// Its text.
    pub plain: String,
    /// The same as HTML.
    pub html: String,
    /// Where the recipient ends it with one click (RFC 8058).
    pub unsubscribe: String,
}

/// Why a letter was not taken, in words that its sender may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undelivered {
    /// The operator's server was not reached, or takes no mail from this service: nobody but the operator can do anything about it.
    Ours(String),
    /// It is not possible now.
    NotNow(String),
    /// The letter was handed over, and whether it was taken is not known.
    Unknown(String),
    /// The server does not take this letter.
    Refused(String),
    /// The server says that there is no such address.
    NoRecipient(String),
}

/// Sends letters by the operator's mail server.
pub struct Mailer {
    server: SmtpServer,
    from: Mailbox,
    hello: ClientId,
    tls: TlsParameters,
}

impl Mailer {
    /// Reads what the settings say of mail; nothing where there is no server. Nobody is asked yet.
    ///
    /// # Errors
    /// When the sender is no address, or the file of certificates cannot be read.
    pub fn new(settings: &MailSettings, outbound: &OutboundSettings) -> anyhow::Result<Option<Self>> {
        let Some(server) = settings.server.clone() else { return Ok(None) };
        let from: Mailbox =
            settings.from.parse().map_err(|_unreadable| anyhow!("setting `smtp_from`: this is no e-mail address, nor a name with one"))?;
        let mut tls = TlsParameters::builder(server.host.clone());
        if let Some(path) = &outbound.ca_file {
            let wrong = || format!("outbound_ca_file {}", path.display());
            let text = crate::storage::read_text(path).with_context(wrong)?;
            tls = tls.add_root_certificate(Certificate::from_pem(text.as_bytes()).with_context(wrong)?);
        }
        let hello = ClientId::Domain(server.hello.clone().unwrap_or_else(|| from.email.domain().to_owned()));
        Ok(Some(Mailer { tls: tls.build().context("TLS for mail")?, server, from, hello }))
    }

    /// Sends a letter. Where it is not known whether it was taken, it was not: it comes twice then, under the same `Message-ID`.
    ///
    /// # Errors
    /// Says why it was not taken.
    pub async fn send(&self, letter: &Letter) -> std::result::Result<(), Undelivered> {
        let unfit = |cause: Error| {
            tracing::error!(letter.id = %letter.id, error = ?cause, "a letter could not be written");
            Undelivered::Refused("it could not be written".to_owned())
        };
        let message = self.message(letter).map_err(unfit)?;
        let to = message.envelope().to().first().cloned().ok_or_else(|| Undelivered::Refused("it has no address".to_owned()))?;
        Box::pin(self.deliver(to, message.formatted())).await
    }

    fn message(&self, letter: &Letter) -> Result<Message> {
        let to: Address = letter.to.parse().map_err(|_unreadable| Error::internal(anyhow!("a kept address cannot be read any more")))?;
        let domain = self.from.email.domain();
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&letter.subject, LONGEST_SUBJECT))
            .message_id(Some(format!("<{}@{domain}>", letter.id)))
            .date_now()
            .raw_header(header(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned())?)
            .raw_header(header(HeaderName::new_from_ascii_str("List-Unsubscribe"), format!("<{}>", letter.unsubscribe))?)
            .raw_header(header(HeaderName::new_from_ascii_str("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click".to_owned())?)
            .multipart(MultiPart::alternative_plain_html(letter.plain.clone(), letter.html.clone()))
            .map_err(Error::internal)
    }

    async fn connect(&self) -> std::result::Result<AsyncSmtpConnection, smtp::Error> {
        let SmtpServer { host, port, tls, credentials, .. } = &self.server;
        let wrapped = (*tls == SmtpTls::Wrapped).then(|| self.tls.clone());
        let address = (host.as_str(), *port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(address, Some(TIMEOUT), &self.hello, wrapped, None).await?;
        let upgrades = match tls {
            SmtpTls::None | SmtpTls::Wrapped => false,
            SmtpTls::Opportunistic => connection.can_starttls(),
            SmtpTls::Required => true,
        };
        if upgrades {
            // Where the server does not offer it, this fails: nothing more is said in the clear.
            connection.starttls(self.tls.clone(), &self.hello).await?;
        }
        if let Some((name, password)) = credentials {
            let credentials = (name.expose().to_owned(), password.expose().to_owned()).into();
            connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    }

    async fn deliver(&self, to: Address, message: Vec<u8>) -> std::result::Result<(), Undelivered> {
        let slow = |_elapsed| Undelivered::Ours(format!("the mail server took longer than {} s", TIMEOUT.as_secs()));
        let announced = async {
            let mut connection = self.connect().await.map_err(|cause| ours(&cause, "no connection"))?;
            let taken = self.announce(&mut connection, to).await;
            Ok::<_, Undelivered>((connection, taken))
        };
        let (mut connection, announced) = tokio::time::timeout(TIMEOUT, Box::pin(announced)).await.map_err(slow)??;
        let taken = match announced {
            Ok(()) => match tokio::time::timeout(LETTER_TIMEOUT, connection.message(&message)).await {
                Ok(answer) => answer.map(|_said| ()).map_err(|cause| of_letter(&cause)),
                Err(_elapsed) => Err(Undelivered::Unknown(format!("the mail server said nothing for {} s", LETTER_TIMEOUT.as_secs()))),
            },
            Err(refused) => Err(refused),
        };
        // It says good-bye; whether that is answered changes nothing any more.
        if tokio::time::timeout(QUIT_TIMEOUT, connection.abort()).await.is_err() {
            tracing::debug!("the mail server did not answer the good-bye");
        }
        taken
    }

    /// Says from whom and to whom a letter is, up to where the letter itself is to come.
    async fn announce(&self, connection: &mut AsyncSmtpConnection, to: Address) -> std::result::Result<(), Undelivered> {
        let from = self.from.email.clone();
        connection.command(Mail::new(Some(from), Vec::new())).await.map_err(|cause| ours(&cause, "MAIL"))?;
        connection.command(Rcpt::new(to, Vec::new())).await.map_err(|cause| of_recipient(&cause))?;
        connection.command(Data).await.map_err(|cause| match code(&cause) {
            Some(_) => of_letter(&cause),
            None => Undelivered::NotNow("the connection to the mail server broke off".to_owned()),
        })?;
        Ok(())
    }
}

/// A header of ASCII in one line, which needs no coding.
fn header(name: HeaderName, value: String) -> Result<HeaderValue> {
    if value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value));
    }
    Err(Error::internal(anyhow!("a header of a letter is not of one ASCII word")))
}

/// A text in one line: no line ends, no other controls, and nothing that turns the direction of what stands beside it.
pub fn one_line(text: &str, longest: usize) -> String {
    let turns = |letter: char| matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let kept: String = text.chars().filter(|letter| !turns(*letter)).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let joined = kept.split_whitespace().collect::<Vec<_>>().join(" ");
    match joined.char_indices().nth(longest) {
        None => joined,
        Some((end, _)) => format!("{}…", &joined[..end]),
    }
}

fn code(cause: &smtp::Error) -> Option<u16> {
    cause.status().map(u16::from)
}

/// What the server has against us, or that it was not reached: the recipient can do nothing about it.
fn ours(cause: &smtp::Error, step: &str) -> Undelivered {
    let Some(code) = code(cause) else {
        // No answer of the server stands in this: it is about the connection.
        tracing::warn!(step, error = %cause, "the mail server was not reached");
        return Undelivered::Ours("the mail server was not reached".to_owned());
    };
    tracing::warn!(step, code, "the mail server does not take mail from this service");
    Undelivered::Ours(format!("the mail server answered {code}"))
}

fn of_letter(cause: &smtp::Error) -> Undelivered {
    match code(cause) {
        Some(code) if cause.is_permanent() => Undelivered::Refused(format!("the mail server answered {code} to the mail")),
        Some(code) => Undelivered::NotNow(format!("the mail server answered {code} to the mail")),
        None => Undelivered::Unknown("the connection to the mail server broke off behind the letter".to_owned()),
    }
}

/// An answer to the recipient's address. That there is no such address is said by few codes; the others are of a policy, or of us (RFC 3463).
fn of_recipient(cause: &smtp::Error) -> Undelivered {
    let Some(code) = code(cause) else {
        return Undelivered::NotNow("the connection to the mail server broke off".to_owned());
    };
    let text = format!("the mail server answered {code} to the address");
    if !cause.is_permanent() {
        return Undelivered::NotNow(text);
    }
    let said = cause.source().map(ToString::to_string).unwrap_or_default();
    match subject_of(&said) {
        // Addressing and mailbox status.
        Some(1 | 2) => Undelivered::NoRecipient(text),
        // A policy, such as that this service may not send there: nothing that the recipient could mend.
        Some(7) => Undelivered::Ours(text),
        Some(_) | None => Undelivered::Refused(text),
    }
}

/// What a permanent answer is about, where it says so by an enhanced code. A bare 550 may be said of the address as of us.
fn subject_of(said: &str) -> Option<u16> {
    let mut parts = said.split_whitespace().next().unwrap_or_default().split('.');
    (parts.next() == Some("5")).then(|| parts.next().and_then(|subject| subject.parse().ok())).flatten()
}

/// Checks an address that somebody names, and brings it into one form: the domain in small letters. It is not repeated in what is answered.
///
/// # Errors
/// When it is none, at `pointer`.
pub fn mail_address(pointer: &str, text: &str) -> Result<String> {
    let wrong = || Error::invalid(pointer, "give one e-mail address of ASCII letters, such as name@example.org, of at most 254 bytes");
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"(),:;<>[\\]".contains(&byte);
    let (name, domain) = text.split_once('@').ok_or_else(wrong)?;
    let fits = text.len() <= 254 && name.len() <= 64 && text.bytes().all(plain) && domain.contains('.') && !domain.contains('@');
    // A domain's last part is no number: an address of a machine is none of a person.
    let named = domain.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    let address = format!("{name}@{}", domain.to_ascii_lowercase());
    if !fits || !named || address.parse::<Address>().is_err() {
        return Err(wrong());
    }
    Ok(address)
}

#[cfg(test)]
mod tests;
