//! Builds every part from the settings, once; binds, runs, stops.

mod attaching;
mod beside;
mod client_keys;
mod collect;
mod drafts;
mod mail;
mod reading;
mod receiving;
mod search;
mod signed_urls;
mod signing_in;
mod totals;
mod watching;
mod webhooks;
mod work;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use anyhow::{Context, anyhow};
use tokio::sync::{Notify, Semaphore};

use crate::access::calendar::Calendar;
use crate::access::grants::Grant;
use crate::access::{Days, Terms, agreements};
use crate::catalog::{Scheme, Search};
use crate::crypto::{MasterKey, hex, random_bytes};
use crate::db::Db;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::feedback::Rules;
use crate::identity::keys::agreements::AgreementKey;
use crate::identity::keys::{self, KeyRing, Keys};
use crate::identity::signed_urls::UrlKey;
use crate::identity::{KnownCredentials, password, people};
use crate::jobs::{self, Job, JobKind};
use crate::ledger::note::LogKey;
use crate::ledger::{Follower, Recorder};
use crate::limits::{Limits, Metering, Usage};
use crate::outbound::Outbound;
use crate::outbound::mail::Mailer;
use crate::read::Exports;
use crate::release::Tools;
use crate::settings::{FeedbackSettings, Settings};
use crate::storage::{DataFolder, Storage};

use client_keys::KeyTurns;
use reading::KnownReads;

pub use attaching::Announced;
pub use beside::PartsBeside;
pub use drafts::MOST_BOOK_BYTES;
pub use reading::Allowed;
pub use receiving::{Receiving, UploadTurn};
pub use signed_urls::Signed;
pub use signing_in::Credentials;
pub use watching::{Watch, metered, watched};
pub use work::{IntakeOrder, ReleaseOrder};

/// How often limits are tidied and byte counts written down.
const TICK: Duration = Duration::from_secs(5);

/// Every part of the service. One value for the whole process.
pub struct App {
    /// The settings, as read at the start.
    pub settings: Settings,
    /// The address that callers use: issuer and audience of tokens, without a slash at its end.
    pub issuer: String,
    /// The database.
    pub db: Db,
    /// What has changed by the ledger, for whatever is kept in memory.
    pub follower: Follower,
    totals: totals::Totals,
    /// Signs the ledger's checkpoints.
    pub log_key: LogKey,
    /// Countersigns agreements.
    pub agreement_key: AgreementKey,
    /// Writes the entries of sensitive reads.
    recorder: Recorder,
    /// What was found out about reads, for as long as it holds.
    reads: KnownReads,
    /// The object store.
    pub storage: Storage,
    /// The search index.
    pub search: Arc<Search>,
    /// Whoever brings the search index up to the list.
    following: tokio::sync::Mutex<()>,
    /// The query engine.
    pub engine: Arc<Engine>,
    /// The active scheme of grades.
    pub grades: Arc<Scheme>,
    /// The signing keys.
    pub keys: Keys,
    /// Access tokens and signed URLs that were found valid.
    pub known: KnownCredentials,
    /// Signs URLs.
    pub url_key: UrlKey,
    /// Whose turn it is to look for the keys that a client publishes.
    key_turns: KeyTurns,
    /// Asks addresses that others name.
    pub outbound: Outbound,
    /// Sends mail, where the settings name a server for it.
    mailer: Option<Mailer>,
    /// The key from which all others come.
    pub master: MasterKey,
    /// What the settings say of applications and agreements.
    pub terms: Arc<Terms>,
    /// By what terms the public is answered.
    pub hearing: Arc<Rules>,
    /// Limits by tier.
    pub limits: Limits,
    /// Bytes a day.
    pub usage: Usage,
    /// The count of what is read under grants.
    pub metering: Arc<Metering>,
    /// Exports in the making.
    pub exports: Exports,
    /// Passwords are hashed a few at a time: each takes 19 MiB and a core.
    hashing: Semaphore,
    /// Searches are answered a few at a time: some take a core for a while, and more would only wait for each other.
    searching: Semaphore,
    /// Releases in the making.
    making: tokio::sync::Mutex<()>,
    /// Releases that are tried out.
    trying: tokio::sync::Mutex<()>,
    /// Uploads to which bytes are being written at this moment.
    pub uploading: Mutex<HashSet<String>>,
    /// The name under which this process does jobs; a restart has the same.
    runner: String,
    /// Says that there is a job in the queue.
    work: Notify,
    /// Whether the service is about to end.
    stopping: AtomicBool,
}

/// The parts that need no address: what the command line works with.
pub struct Parts {
    /// The data folder, locked while this lives.
    pub folder: DataFolder,
    /// The key from which all others come.
    pub master: MasterKey,
    /// The database.
    pub db: Db,
    /// The object store.
    pub storage: Storage,
    /// The query engine.
    pub engine: Arc<Engine>,
    /// The active scheme of grades.
    pub grades: Arc<Scheme>,
}

impl Parts {
    /// Opens the data folder, the database and the store.
    ///
    /// # Errors
    /// When one of them cannot be opened; the message says which, and why.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        let folder = DataFolder::open(&settings.data_dir)?;
        let text = match &settings.master_key {
            Some(key) => key.expose().to_owned(),
            None => folder.secret("master.key", || Ok(hex(&random_bytes::<32>()?)))?,
        };
        let master = MasterKey::from_hex(&text).ok_or_else(|| anyhow!("secrets/master.key is not 64 hexadecimal characters"))?;
        let db = Db::open(settings.database_url.expose()).context("cannot open the database")?;
        let storage = Storage::open(&settings.store_dir, &folder.scratch(), &folder.incoming())?;
        let engine = Arc::new(Engine::start(&storage, settings.query_memory_bytes, &folder.scratch())?);
        let grades = Arc::new(grades(settings)?);
        Ok(Parts { folder, master, db, storage, engine, grades })
    }

    /// What publishing works with.
    pub fn tools(&self) -> Tools {
        Tools { db: self.db.clone(), storage: self.storage.clone(), engine: Arc::clone(&self.engine), grades: Arc::clone(&self.grades) }
    }
}

/// The scheme of grades that the settings name: one that comes with the service, or a file.
fn grades(settings: &Settings) -> anyhow::Result<Scheme> {
    let name = settings.grading.as_str();
    let text = match Scheme::shipped(name) {
        Some(text) => text.to_owned(),
        None => crate::storage::read_text(std::path::Path::new(name)).with_context(|| {
            let shipped: Vec<&str> = Scheme::names().collect();
            format!("grading `{name}` is neither a scheme that comes with the service ({}) nor a file that can be read", shipped.join(", "))
        })?,
    };
    Scheme::read(&text).with_context(|| format!("grading {name}"))
}

fn calendar(settings: &Settings) -> anyhow::Result<Calendar> {
    match &settings.working_calendar {
        None => Calendar::shipped(),
        Some(path) => {
            let text = crate::storage::read_text(path).with_context(|| format!("cannot read {}", path.display()))?;
            Calendar::read(&text).with_context(|| format!("working_calendar {}", path.display()))
        }
    }
}

fn hearing(settings: &Settings) -> anyhow::Result<Rules> {
    let FeedbackSettings { correction_days, claim_days, request_days, retention_days, .. } = settings.feedback;
    Ok(Rules { calendar: calendar(settings)?, correction_days, claim_days, request_days, retention_days })
}

fn terms(settings: &Settings) -> anyhow::Result<Terms> {
    let calendar = calendar(settings)?;
    let [draft, accept, decide, answer, sign, appeal] = settings.application_days;
    let days = Days { draft, accept, decide, answer, sign, appeal };
    Ok(Terms { fingerprint_share: settings.fingerprint_share, days, calendar })
}

impl App {
    /// Writes down what was counted of answers. Not for a thread that runs asynchronous work.
    ///
    /// # Errors
    /// When the database does not take it; the counts are kept.
    fn flush_counts(&self) -> Result<()> {
        self.usage.flush(&self.db)?;
        self.metering.flush(&self.db)
    }

    fn build(settings: Settings, parts: &Parts, issuer: String) -> anyhow::Result<Self> {
        let ring = parts.db.write_now(|conn| KeyRing::load_or_make(conn, &parts.master)).context("cannot load the signing keys")?;
        let keys = Keys::new(parts.master.clone(), ring);
        let log_key = parts.db.write_now(|conn| keys::log_key(conn, &parts.master, &issuer)).context("cannot load the ledger's key")?;
        let agreement_key = agreement_key(parts, &issuer).context("cannot load the key of agreements")?;
        Ok(App {
            issuer,
            agreement_key,
            log_key,
            db: parts.db.clone(),
            follower: Follower::default(),
            totals: totals::Totals::default(),
            recorder: Recorder::start(parts.db.clone())?,
            reads: KnownReads::default(),
            storage: parts.storage.clone(),
            exports: Exports::new(parts.db.clone(), parts.storage.clone(), Arc::clone(&parts.engine)),
            engine: Arc::clone(&parts.engine),
            search: search::open(&settings)?,
            following: tokio::sync::Mutex::default(),
            grades: Arc::clone(&parts.grades),
            keys,
            known: KnownCredentials::default(),
            url_key: UrlKey::of(&parts.master),
            key_turns: KeyTurns::default(),
            outbound: Outbound::new(&settings.outbound)?,
            mailer: Mailer::new(&settings.mail, &settings.outbound)?,
            master: parts.master.clone(),
            terms: Arc::new(terms(&settings)?),
            hearing: Arc::new(hearing(&settings)?),
            limits: Limits::new(&settings),
            usage: Usage::new(parts.master.derive("usage")),
            metering: Arc::default(),
            hashing: Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)),
            searching: Semaphore::new(std::thread::available_parallelism().map_or(4, |cores| usize::from(cores) * 2)),
            making: tokio::sync::Mutex::default(),
            trying: tokio::sync::Mutex::default(),
            uploading: Mutex::default(),
            runner: parts.folder.secret("runner", || Ok(format!("runner-{}", hex(&random_bytes::<8>()?))))?,
            work: Notify::new(),
            stopping: AtomicBool::new(false),
            settings,
        })
    }

    /// What publishing works with.
    pub fn tools(&self) -> Tools {
        Tools { db: self.db.clone(), storage: self.storage.clone(), engine: Arc::clone(&self.engine), grades: Arc::clone(&self.grades) }
    }

    /// Puts a job into the queue and says so.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn enqueue(&self, kind: JobKind, subject: String, order: impl serde::Serialize, actor: String) -> Result<Job> {
        let order = serde_json::to_value(order)?;
        let job = self.db.write(move |conn| jobs::enqueue(conn, kind, &subject, &order, &actor)).await?;
        self.work.notify_one();
        Ok(job)
    }

    /// Says that there is a job in the queue.
    pub fn wake(&self) {
        self.work.notify_one();
    }

    /// Runs work that hashes passwords, away from the HTTP workers, as many at a time as there are cores.
    ///
    /// # Errors
    /// What `work` answers.
    pub async fn hash<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let _place = self.hashing.acquire().await.map_err(Error::internal)?;
        crate::db::blocking(work).await
    }

    /// Has a new grant's release of the newest version made. Where that fails, the first read tries again.
    pub async fn prepare(&self, grant: &Grant) {
        let order = ReleaseOrder { grant: grant.id.clone() };
        if let Err(cause) = self.enqueue(JobKind::Release, format!("grant:{}", grant.id), order, "service".to_owned()).await {
            tracing::error!(grant.id = %grant.id, error = ?cause, "a grant's release is not made ahead; its first read makes it");
        }
    }
}

/// A service that is bound to its address and ready to run.
pub struct Application {
    /// The address that it is bound to; with port 0 in the settings the system has chosen one.
    pub address: SocketAddr,
    /// The parts.
    pub app: Arc<App>,
    /// The operator's one-time password, if this start made one. It is told nowhere else.
    pub operator_password: Option<String>,
    server: Server,
    _folder: DataFolder,
}

impl Application {
    /// Builds every part, makes the first operator where there is nobody yet, and binds the address.
    ///
    /// # Errors
    /// When a part cannot be built or the address is taken.
    pub fn bind(settings: Settings, parts: Parts) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind(settings.listen).with_context(|| format!("cannot listen on {}", settings.listen))?;
        let address = listener.local_addr()?;
        let issuer = settings.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let operator_password = first_operator(&settings, &parts.db)?;
        let app = Arc::new(App::build(settings, &parts, issuer)?);
        let server = crate::http::server(Arc::clone(&app), listener)?;
        Ok(Application { address, app, operator_password, server, _folder: parts.folder })
    }

    /// A handle to stop the service from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Runs until it is stopped by a signal or the handle; running downloads may end first, up to the limit of the settings.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn run(self) -> anyhow::Result<()> {
        let app = Arc::clone(&self.app);
        let ticking = tokio::spawn(async move {
            let mut tick = tokio::time::interval(TICK);
            loop {
                tick.tick().await;
                app.limits.tidy();
                let app = Arc::clone(&app);
                if let Err(error) = crate::db::blocking(move || app.flush_counts()).await {
                    tracing::error!(error = %error, "byte counts could not be written down; they are kept and tried again");
                }
            }
        });
        let runner = self.app.runner.clone();
        self.app.db.write(move |conn| jobs::requeue_interrupted(conn, &runner)).await?;
        let workers: Vec<_> = (0..self.app.settings.jobs_at_once).map(|_| tokio::spawn(work::run(Arc::clone(&self.app)))).collect();
        let tidying = tokio::spawn(work::tidy(Arc::clone(&self.app)));
        let growing = tokio::spawn(work::grow(Arc::clone(&self.app)));
        let sweeping = tokio::spawn(work::sweep(Arc::clone(&self.app)));
        let reminding = tokio::spawn(work::remind(Arc::clone(&self.app)));
        let drafting = tokio::spawn(drafts::run(Arc::clone(&self.app)));
        let sending = tokio::spawn(webhooks::run(Arc::clone(&self.app)));
        let mailing = tokio::spawn(mail::run(Arc::clone(&self.app)));
        let ended = self.server.await;
        ticking.abort();
        tidying.abort();
        growing.abort();
        sweeping.abort();
        reminding.abort();
        drafting.abort();
        sending.abort();
        mailing.abort();
        let app = self.app;
        // Running jobs notice at their next step and go back into the queue.
        app.stopping.store(true, Ordering::Relaxed);
        app.work.notify_waiters();
        for worker in workers {
            worker.await?;
        }
        crate::db::blocking(move || app.flush_counts()).await?;
        Ok(ended?)
    }
}

/// Runs the service's work to its end, on the system that its HTTP workers need.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(work)
}

/// The key that countersigns agreements. Those that firms signed before there was one are countersigned now.
fn agreement_key(parts: &Parts, issuer: &str) -> Result<AgreementKey> {
    parts.db.write_now(|conn| {
        let key = keys::agreements::load_or_make(conn, &parts.master, issuer)?;
        let earlier = agreements::countersign_earlier(conn, &key)?;
        if earlier > 0 {
            tracing::info!(agreements = earlier, "countersigned agreements that were signed before");
        }
        Ok(key)
    })
}

/// Makes the first operator. Answers the password that only this start knows.
fn first_operator(settings: &Settings, db: &Db) -> anyhow::Result<Option<String>> {
    if !db.read_now(people::is_empty)? {
        return Ok(None);
    }
    let (password, one_time) = match &settings.operator_password {
        Some(chosen) => (chosen.expose().to_owned(), false),
        None => (password::one_time()?, true),
    };
    let hash = password::hash(&password)?;
    let made = db.write_now(|conn| people::create_first_operator(conn, hash, one_time))?;
    Ok((one_time && made.is_some()).then_some(password))
}
