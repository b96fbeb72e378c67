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
        tracing::info!(address = %application.address, start_ms = started.elapsed().as_millis() as u64, "ready");
        application.run().await?;
        tracing::info!("stopped");
        Ok(End::Well)
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
