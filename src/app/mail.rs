//! Sends letters about the changes of the list to those who have asked for them.

mod letters;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};

use super::App;
use crate::access::mail;
use crate::access::mail::outbox::{self, Claimed, Digest, Failure, Next};
use crate::error::{Error, Result};
use crate::outbound::mail::{Letter, Mailer, Undelivered};

/// How often is looked whether there is something to send.
const LOOK: Duration = Duration::from_millis(500);

/// How often what was not confirmed in time is forgotten.
const TIDY: Duration = Duration::from_mins(1);

/// How many letters are on their way at once.
const AT_ONCE: usize = 4;

/// After so long it is the turn of others.
const TURN: Duration = Duration::from_secs(5);

impl App {
    /// Says that mail can be sent.
    ///
    /// # Errors
    /// When the settings name no mail server.
    pub fn require_mail(&self) -> Result<()> {
        match self.mailer {
            Some(_) => Ok(()),
            None => Err(Error::Conflict("this service sends no mail: its operator has set no smtp_url".to_owned())),
        }
    }
}

/// Sends what there is to send, for ever. What fails is tried again. Without a mail server what is over is still forgotten.
pub(super) async fn run(app: Arc<App>) {
    let (places, done) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Notify::new()));
    let (mut told, mut tidied) = (false, None::<Instant>);
    loop {
        let looked = look(&app, &places, &done, &mut tidied).await;
        if let (Err(cause), false) = (&looked, told) {
            // Each look would say the same.
            tracing::error!(error = ?cause, "mail subscriptions could not be looked at; it is tried again");
        }
        told = looked.is_err();
        // Whoever has come to its end may have left something.
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = done.notified() => {}
        }
    }
}

async fn look(app: &Arc<App>, places: &Arc<Semaphore>, done: &Arc<Notify>, tidied: &mut Option<Instant>) -> Result<()> {
    if tidied.is_none_or(|at| at.elapsed() > TIDY) {
        let forgotten = app.db.write(mail::expire).await?;
        if forgotten > 0 {
            tracing::info!(subscriptions = forgotten, "forgot mail subscriptions that were not confirmed in time");
        }
        *tidied = Some(Instant::now());
    }
    if app.mailer.is_some() { send_due(app, places, done).await } else { Ok(()) }
}

async fn send_due(app: &Arc<App>, places: &Arc<Semaphore>, done: &Arc<Notify>) -> Result<()> {
    let last = app.follower.marks(&app.db).await?.list;
    while app.db.read(move |conn| outbox::any_due(conn, last)).await? {
        let Ok(place) = Arc::clone(places).try_acquire_owned() else { return Ok(()) };
        let master = app.master.clone();
        let Some(claimed) = app.db.write(move |conn| outbox::claim(conn, &master, last)).await? else { return Ok(()) };
        let (app, done) = (Arc::clone(app), Arc::clone(done));
        tokio::spawn(async move {
            let _place = place;
            let id = claimed.id.clone();
            match serve(&app, claimed).await {
                Ok(()) => done.notify_one(),
                Err(cause) => {
                    tracing::error!(subscription = %id, error = ?cause, "a mail subscription could not be served; it is tried again when its lease is over");
                }
            }
        });
    }
    Ok(())
}

/// Sends the letters that come next to one address, in order, until one is not taken or some time has passed: then it is the turn of others.
async fn serve(app: &App, mut claimed: Claimed) -> Result<()> {
    let Some(mailer) = &app.mailer else { return Ok(()) };
    if let Some((id, token)) = claimed.confirmation.take() {
        let letter = letters::confirmation(app, &claimed, id, &token)?;
        return match send(mailer, &letter).await {
            // Whoever has not said yes gets one letter at the most, so one that may have arrived has.
            Ok(()) | Err(Failure::Unknown(_)) => app.db.write(move |conn| outbox::asked(conn, &claimed)).await,
            Err(failure) => app.db.write(move |conn| outbox::fail(conn, &claimed, &failure)).await,
        };
    }
    let begun = Instant::now();
    loop {
        let (of, batch_seconds) = (claimed.clone(), app.settings.mail.batch_seconds);
        let (to, sent, more) = match app.db.read(move |conn| outbox::next(conn, &of, batch_seconds)).await? {
            Next::Wait(until) => return app.db.write(move |conn| outbox::postpone(conn, &claimed, until)).await,
            Next::Nothing(to, more) => (to, false, more),
            Next::Tell(digest) => match Box::pin(tell(app, mailer, &mut claimed, &digest)).await? {
                Some(Ok(())) => (digest.to, true, true),
                Some(Err(failure)) => return app.db.write(move |conn| outbox::fail(conn, &claimed, &failure)).await,
                None => return Ok(()),
            },
        };
        let (of, done) = (claimed.clone(), !more || begun.elapsed() > TURN);
        let held = app.db.write(move |conn| outbox::settle(conn, &of, to, sent, done)).await?;
        let (Some(lease), false) = (held, done) else { return Ok(()) };
        (claimed.lease, claimed.after, claimed.begun) = (lease, to, None);
    }
}

/// Sends one letter, which is written down first. Nothing where the subscription is somebody else's by now, or gone.
async fn tell(app: &App, mailer: &Mailer, claimed: &mut Claimed, digest: &Digest) -> Result<Option<std::result::Result<(), Failure>>> {
    let id = claimed.begun.take().map_or_else(|| uuid::Uuid::now_v7().to_string(), |(id, _)| id);
    let (of, letter_id, to) = (claimed.clone(), id.clone(), digest.to);
    let Some(lease) = app.db.write(move |conn| outbox::begin(conn, &of, &letter_id, to)).await? else { return Ok(None) };
    claimed.lease = lease;
    let letter = letters::changes(app, claimed, id, digest)?;
    Ok(Some(send(mailer, &letter).await))
}

async fn send(mailer: &Mailer, letter: &Letter) -> std::result::Result<(), Failure> {
    mailer.send(letter).await.map_err(|undelivered| match undelivered {
        Undelivered::Ours(why) => Failure::Ours(why),
        Undelivered::NotNow(why) => Failure::NotNow(why),
        Undelivered::Unknown(why) => Failure::Unknown(why),
        Undelivered::Refused(why) => Failure::Refused(why),
        Undelivered::NoRecipient(why) => Failure::NoRecipient(why),
    })
}
