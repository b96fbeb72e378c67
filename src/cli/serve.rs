//! `qingdan serve`.

use std::io::Write;
use std::time::Instant;

use anyhow::Result;

use super::{End, import, start_logging};
use crate::app::{self, Application, Parts};
use crate::catalog;
use crate::settings::Settings;

/// Runs the service until it is told to stop.
pub(super) fn serve(settings: &Settings) -> Result<End> {
    let _logging = start_logging();
    let started = Instant::now();
    app::block_on(async {
        let parts = Parts::open(settings)?;
        if !parts.db.read_now(catalog::is_first_import_done)? {
            import::first(settings, &parts).await?;
        }
        let application = Application::bind(settings.clone(), parts)?;
        announce(&application)?;
        std::thread::Builder::new().name("words".to_owned()).spawn(catalog::Search::load_words)?;
        tracing::info!(address = %application.address, start_ms = started.elapsed().as_millis() as u64, "ready");
        if !keeps_cookies(&application.app.issuer) {
            tracing::warn!(
                public_url = %application.app.issuer,
                "browsers keep the cookie of a session over https only: people cannot log in on the pages; put TLS before the service and set public_url"
            );
        }
        application.run().await?;
        tracing::info!("stopped");
        Ok(End::Well)
    })
}

/// Whether browsers keep a `Secure` cookie from this address: over https, and from the machine itself.
fn keeps_cookies(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|url| {
        let local = match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        local || url.scheme() == "https"
    })
}

/// Tells where everything is, and the operator's password this once. It goes to standard output and never to the log.
fn announce(application: &Application) -> Result<()> {
    let (issuer, mut out) = (&application.app.issuer, std::io::stdout());
    writeln!(out, "qingdan 清单\n  portal    {issuer}/\n  API docs  {issuer}/docs/")?;
    if let Some(password) = &application.operator_password {
        writeln!(
            out,
            "  operator  username `operator`, one-time password `{password}` (shown this once; it must be changed at the first log-in)"
        )?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::keeps_cookies;

    #[test]
    fn cookies_need_https_but_for_the_machine_itself() {
        for address in ["https://data.example.org", "http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"] {
            assert!(keeps_cookies(address), "{address}");
        }
        for address in ["http://data.example.org", "http://0.0.0.0:8080", "http://10.0.0.1", "nonsense"] {
            assert!(!keeps_cookies(address), "{address}");
        }
    }
}
