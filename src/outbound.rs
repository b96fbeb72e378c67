//! Requests that the service makes itself, to addresses that others have named. Whoever names an address must not reach by us what they
//! cannot reach themselves: a name is resolved here, each of its addresses is checked, and the connection goes to an address that was checked.
//!
//! Nothing here knows what is asked for or sent. Redirects are not followed, and proxies of the environment not used.

mod addresses;
mod exchange;
pub mod mail;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::error::{Error, Result};
use crate::settings::OutboundSettings;
use addresses::is_public;

pub use exchange::Fetched;

/// How many requests are under way at once.
const AT_ONCE: usize = 16;

/// The longest address that somebody may name.
const MAX_URL: usize = 2000;

/// The ports that are asked in the public network.
const PORTS: [u16; 2] = [443, 8443];

/// Why a request came to nothing. It is for the operator's log: what an address answered or did not must not go to whoever named it.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The address cannot be asked at all.
    #[error("the address is not allowed: {0}")]
    Address(String),
    /// The name has no address.
    #[error("the name cannot be resolved: {0}")]
    Name(std::io::Error),
    /// The name leads out of the public network.
    #[error("the name leads to an address that is not public")]
    NotPublic,
    /// No connection came about.
    #[error("no connection: {0}")]
    Connection(std::io::Error),
    /// The exchange broke off.
    #[error("the exchange broke off: {0}")]
    Exchange(hyper::Error),
    /// Another status than 200.
    #[error("the answer's status is {0}, and only 200 is taken; redirects are not followed")]
    Status(u16),
    /// An answer that is too long or coded.
    #[error("the answer is not taken: {0}")]
    Answer(&'static str),
    /// It took too long.
    #[error("it took longer than {0} s")]
    Timeout(u64),
}

/// Makes requests, within limits that hold for all of them.
pub struct Outbound {
    tls: TlsConnector,
    allow_private: bool,
    timeout: Duration,
    places: Semaphore,
    /// For what is sent: a receiver that is slow keeps nobody from asking.
    sending: Semaphore,
}

impl Outbound {
    /// Reads the certificates of the authorities that are believed: the system's, and those of the settings.
    ///
    /// # Errors
    /// When the file of the settings cannot be read or has none.
    pub fn new(settings: &OutboundSettings) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        // A machine without any believes nobody, and serves everything else.
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if let Some(path) = &settings.ca_file {
            let wrong = || format!("outbound_ca_file {}", path.display());
            let text = crate::storage::read_text(path).with_context(wrong)?;
            let own = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(|cause| anyhow!("{cause}"));
            let (added, _) = roots.add_parsable_certificates(own.with_context(wrong)?);
            if added == 0 {
                return Err(anyhow!("there is no certificate in it").context(wrong()));
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (allow_private, timeout) = (settings.allow_private, Duration::from_secs(settings.timeout_seconds.into()));
        Ok(Outbound {
            tls: TlsConnector::from(Arc::new(config)),
            allow_private,
            timeout,
            places: Semaphore::new(AT_ONCE),
            sending: Semaphore::new(AT_ONCE),
        })
    }

    /// Reads an address that somebody names, and checks what can be checked without asking anybody.
    ///
    /// # Errors
    /// Says what is asked, at `pointer`.
    pub fn address(&self, pointer: &str, text: &str) -> Result<Url> {
        let url = Url::parse(text).ok().filter(|url| url.as_str().len() <= MAX_URL);
        let url = url.ok_or_else(|| Error::invalid(pointer, format!("give an https address of at most {MAX_URL} bytes")))?;
        self.check(&url).map(|()| url).map_err(|reason| Error::invalid(pointer, reason))
    }

    fn check(&self, url: &Url) -> std::result::Result<(), String> {
        let (https, plain) = (url.scheme() == "https", url.scheme() == "http" && self.allow_private);
        if !https && !plain {
            return Err("give an https address".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the address must not hold a name or a password".to_owned());
        }
        if url.fragment().is_some() {
            return Err("the address must not have a fragment (#)".to_owned());
        }
        let allowed_port = url.port_or_known_default().is_some_and(|port| self.allow_private || PORTS.contains(&port));
        if !allowed_port {
            return Err("the port must be 443 or 8443".to_owned());
        }
        let literal = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => None,
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => return Err("the address names no host".to_owned()),
        };
        match literal {
            Some(address) if !self.may_ask(url, address) => Err("the address is not one of the public network".to_owned()),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether an address may be asked for what is at `url`.
    fn may_ask(&self, url: &Url, address: IpAddr) -> bool {
        let plain = url.scheme() != "https";
        match self.allow_private {
            true => !plain || address.to_canonical().is_loopback(),
            false => !plain && is_public(address),
        }
    }

    /// Fetches what is at an address: the body of an answer with the status 200, of at most so many bytes.
    ///
    /// # Errors
    /// Says why not, for the operator alone.
    pub async fn get(&self, url: &Url, accept: &'static str, max_bytes: usize) -> std::result::Result<Fetched, Refusal> {
        self.get_by(system_resolver, url, accept, max_bytes).await
    }

    async fn get_by<R, F>(&self, resolve: R, url: &Url, accept: &'static str, max_bytes: usize) -> std::result::Result<Fetched, Refusal>
    where
        R: FnOnce(String, u16) -> F,
        F: Future<Output = std::io::Result<Vec<SocketAddr>>>,
    {
        let whole = async {
            // Whoever finds no place within the time has waited long enough.
            let _place = self.places.acquire().await.map_err(|_closed| Refusal::Address("the service is about to end".to_owned()))?;
            self.check(url).map_err(Refusal::Address)?;
            let stream = self.connect(resolve, url).await?;
            if url.scheme() != "https" {
                return exchange::get(stream, url, accept, max_bytes).await;
            }
            let secured = self.tls.connect(server_name(url)?, stream).await.map_err(Refusal::Connection)?;
            exchange::get(secured, url, accept, max_bytes).await
        };
        tokio::time::timeout(self.timeout, whole).await.unwrap_or_else(|_elapsed| Err(Refusal::Timeout(self.timeout.as_secs())))
    }

    /// Sends a JSON body to an address; answers the status.
    ///
    /// # Errors
    /// Says why there is none, for the operator alone.
    pub async fn post(&self, url: &Url, headers: &[(&'static str, String)], body: String) -> std::result::Result<u16, Refusal> {
        let whole = async {
            let _place = self.sending.acquire().await.map_err(|_closed| Refusal::Address("the service is about to end".to_owned()))?;
            self.check(url).map_err(Refusal::Address)?;
            let stream = self.connect(system_resolver, url).await?;
            if url.scheme() != "https" {
                return exchange::post(stream, url, headers, body).await;
            }
            let secured = self.tls.connect(server_name(url)?, stream).await.map_err(Refusal::Connection)?;
            exchange::post(secured, url, headers, body).await
        };
        tokio::time::timeout(self.timeout, whole).await.unwrap_or_else(|_elapsed| Err(Refusal::Timeout(self.timeout.as_secs())))
    }

    /// Resolves the name once, and connects to one of the very addresses that were checked.
    async fn connect<R, F>(&self, resolve: R, url: &Url) -> std::result::Result<TcpStream, Refusal>
    where
        R: FnOnce(String, u16) -> F,
        F: Future<Output = std::io::Result<Vec<SocketAddr>>>,
    {
        let port = url.port_or_known_default().unwrap_or(443);
        let addresses = match url.host() {
            Some(Host::Ipv4(address)) => vec![SocketAddr::from((address, port))],
            Some(Host::Ipv6(address)) => vec![SocketAddr::from((address, port))],
            Some(Host::Domain(name)) => resolve(name.to_owned(), port).await.map_err(Refusal::Name)?,
            None => Vec::new(),
        };
        // One that is not public makes the others suspect too.
        if !addresses.iter().all(|address| self.may_ask(url, address.ip())) {
            return Err(Refusal::NotPublic);
        }
        let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(cause) => last = cause,
            }
        }
        Err(Refusal::Connection(last))
    }
}

/// The name that the server's certificate has to be for.
fn server_name(url: &Url) -> std::result::Result<ServerName<'static>, Refusal> {
    match url.host() {
        Some(Host::Ipv4(address)) => Ok(ServerName::from(IpAddr::V4(address))),
        Some(Host::Ipv6(address)) => Ok(ServerName::from(IpAddr::V6(address))),
        Some(Host::Domain(name)) => {
            ServerName::try_from(name.to_owned()).map_err(|_unfit| Refusal::Address("the host is no name for TLS".to_owned()))
        }
        None => Err(Refusal::Address("the address names no host".to_owned())),
    }
}

/// The system's resolver, which works on a thread that may block.
async fn system_resolver(name: String, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((name, port)).await?.collect())
}

#[cfg(test)]
mod tests;
