//! Sends the changes of the list to the webhooks of firms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;
use serde_json::json;

use super::App;
use crate::access::webhooks::{self, Failure, Webhook};
use crate::catalog::{self, Change};
use crate::clock::now;
use crate::error::Result;
use crate::outbound::Refusal;

/// How often is looked whether there is something to send.
const LOOK: Duration = Duration::from_millis(500);

/// How many webhooks are sent to at once.
const AT_ONCE: usize = 8;

/// How many changes are read at a time.
const CHANGES: i64 = 100;

/// After so long the progress is written down, also in the middle.
const WRITE_DOWN: Duration = Duration::from_secs(5);

/// Sends what there is to send, for ever. What fails is tried again.
pub(super) async fn run(app: Arc<App>) {
    let places = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut told = None;
    loop {
        match send_due(&app, &places).await {
            Ok(()) => told = None,
            Err(cause) => {
                // Each look would say the same.
                if told.replace(Instant::now()).is_none() {
                    tracing::error!(error = ?cause, "webhooks could not be looked at; it is tried again");
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn send_due(app: &Arc<App>, places: &Arc<tokio::sync::Semaphore>) -> Result<()> {
    let last = app.follower.marks(&app.db).await?.list;
    while app.db.read(move |conn| webhooks::any_due(conn, last)).await? {
        let Ok(place) = Arc::clone(places).try_acquire_owned() else { return Ok(()) };
        let Some((webhook, lease)) = app.db.write(move |conn| webhooks::claim(conn, last)).await? else { return Ok(()) };
        let app = Arc::clone(app);
        tokio::spawn(async move {
            let _place = place;
            let id = webhook.id.clone();
            if let Err(cause) = send(&app, webhook, lease).await {
                tracing::error!(webhook = %id, error = ?cause, "a webhook could not be served; it is tried again when its lease is over");
            }
        });
    }
    Ok(())
}

/// Sends everything to one webhook that there is for it, in order, until it does not take one.
async fn send(app: &App, webhook: Webhook, mut lease: NaiveDateTime) -> Result<()> {
    let mut to = webhook.sent_to;
    loop {
        let found = app.db.read(move |conn| catalog::changes(conn, to, CHANGES)).await?;
        let (mut sent, mut written) = (false, Instant::now());
        for change in found.items.iter().filter(|change| webhook.wants(change)) {
            if let Err(failure) = deliver(app, &webhook, change).await {
                let seq = change.seq;
                return app.db.write(move |conn| webhooks::fail(conn, &webhook, lease, seq, &failure)).await;
            }
            (to, sent) = (change.seq, true);
            if written.elapsed() > WRITE_DOWN {
                written = Instant::now();
                match advance(app, &webhook.id, lease, (to, sent), false).await? {
                    Some(until) => lease = until,
                    None => return Ok(()),
                }
            }
        }
        to = found.next_since;
        match advance(app, &webhook.id, lease, (to, sent), !found.more).await? {
            Some(until) if found.more => lease = until,
            Some(_) | None => return Ok(()),
        }
    }
}

async fn advance(app: &App, id: &str, lease: NaiveDateTime, (to, sent): (i64, bool), done: bool) -> Result<Option<NaiveDateTime>> {
    let id = id.to_owned();
    app.db.write(move |conn| webhooks::advance(conn, &id, lease, to, sent, done)).await
}

/// Sends one event. Any status from 200 to 299 means that it was taken.
async fn deliver(app: &App, webhook: &Webhook, change: &Change) -> std::result::Result<(), Failure> {
    let payload = json!({ "type": change.event, "timestamp": change.moment, "data": change }).to_string();
    let (id, timestamp) = (format!("qingdan_{}", change.seq), now().timestamp());
    let signature = webhooks::signature(&app.master, &webhook.id, &id, timestamp, &payload);
    let headers = [("webhook-id", id), ("webhook-timestamp", timestamp.to_string()), ("webhook-signature", signature)];
    let url = app
        .outbound
        .address("url", &webhook.url)
        .map_err(|_unfit| Failure::Unreachable("the address is not allowed any more".to_owned()))?;
    match app.outbound.post(&url, &headers, payload).await {
        Ok(200..=299) => Ok(()),
        Ok(410) => Err(Failure::Gone),
        Ok(status @ (408 | 425 | 429 | 500..)) => Err(Failure::Unreachable(format!("it answered {status}"))),
        Ok(status) => {
            Err(Failure::Refused(format!("it answered {status}; 200 to 299 is taken for success, and redirects are not followed")))
        }
        Err(refusal) => {
            tracing::info!(webhook = %webhook.id, reason = %refusal, "a webhook was not reached");
            Err(Failure::Unreachable(coarse(&refusal).to_owned()))
        }
    }
}

/// What its firm may know of it: what happened in the connection is the operator's.
fn coarse(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Address(_) | Refusal::NotPublic => "the address is not allowed",
        Refusal::Name(_) => "the name cannot be resolved",
        Refusal::Connection(_) => "no connection came about",
        Refusal::Exchange(_) | Refusal::Status(_) | Refusal::Answer(_) => "the exchange broke off",
        Refusal::Timeout(_) => "it took too long",
    }
}
