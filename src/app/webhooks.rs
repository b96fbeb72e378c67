//! Sends the changes of the list to the webhooks of firms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use super::App;
use crate::access::webhooks::{self, Failure, Webhook};
use crate::catalog::{self, Change};
use crate::clock::now;
use crate::db::Conn;
use crate::error::Result;
use crate::outbound::Refusal;

/// How often is looked whether there is something to send.
const LOOK: Duration = Duration::from_millis(500);

/// How many webhooks are sent to at once.
const AT_ONCE: usize = 8;

/// How many changes are read at a time.
const CHANGES: i64 = 100;

/// After so long it is the turn of others.
const TURN: Duration = Duration::from_secs(5);

/// Sends what there is to send, for ever. What fails is tried again.
pub(super) async fn run(app: Arc<App>) {
    let (places, done) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Notify::new()));
    let mut told = false;
    loop {
        let looked = send_due(&app, &places, &done).await;
        if let (Err(cause), false) = (&looked, told) {
            // Each look would say the same.
            tracing::error!(error = ?cause, "webhooks could not be looked at; it is tried again");
        }
        told = looked.is_err();
        // Whoever has come to its end may have left something.
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = done.notified() => {}
        }
    }
}

async fn send_due(app: &Arc<App>, places: &Arc<Semaphore>, done: &Arc<Notify>) -> Result<()> {
    let last = app.follower.marks(&app.db).await?.list;
    while app.db.read(move |conn| webhooks::any_due(conn, last)).await? {
        let Ok(place) = Arc::clone(places).try_acquire_owned() else { return Ok(()) };
        let Some((webhook, lease)) = app.db.write(move |conn| webhooks::claim(conn, last)).await? else { return Ok(()) };
        let (app, done) = (Arc::clone(app), Arc::clone(done));
        tokio::spawn(async move {
            let _place = place;
            let id = webhook.id.clone();
            match send(&app, webhook, lease).await {
                Ok(()) => done.notify_one(),
                Err(cause) => {
                    tracing::error!(webhook = %id, error = ?cause, "a webhook could not be served; it is tried again when its lease is over");
                }
            }
        });
    }
    Ok(())
}

/// Sends the changes that come next to one webhook, in order, until it does not take one or some time has passed: then it is the turn of others.
async fn send(app: &App, webhook: Webhook, lease: NaiveDateTime) -> Result<()> {
    let (from, begun) = (webhook.sent_to, Instant::now());
    let found = app.db.read(move |conn| catalog::changes(conn, from, CHANGES)).await?;
    let (mut to, mut sent) = (found.next_since, false);
    for change in found.items.iter().filter(|change| webhook.wants(change)) {
        if let Err(failure) = deliver(app, &webhook, change).await {
            let (id, seq) = (webhook.id.clone(), change.seq);
            let failed = move |conn: &mut Conn| {
                let held = if sent { webhooks::advance(conn, &id, lease, seq - 1, true, false)? } else { Some(lease) };
                held.map_or(Ok(()), |lease| webhooks::fail(conn, &webhook, lease, seq, &failure))
            };
            return app.db.write(failed).await;
        }
        sent = true;
        if begun.elapsed() > TURN {
            to = change.seq;
            break;
        }
    }
    app.db.write(move |conn| webhooks::advance(conn, &webhook.id, lease, to, sent, true)).await.map(|_held| ())
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

/// What its firm may know of it: neither what the service's resolver knows, nor what happened in the connection.
fn coarse(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Address(_) | Refusal::NotPublic | Refusal::Name(_) | Refusal::Connection(_) | Refusal::Timeout(_) => "it was not reached",
        Refusal::Exchange(_) | Refusal::Status(_) | Refusal::Answer(_) => "the exchange broke off",
    }
}
