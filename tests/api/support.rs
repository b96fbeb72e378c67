//! What the tests stand on: a running application, callers of every kind, and the way to a grant.

mod actors;
mod browsers;
mod data;
mod database;
mod key_server;
mod mail_server;
mod people;
mod service;
mod uploads;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use qingdan::app::{App, Application, Parts};
use qingdan::catalog::Edition;
use qingdan::release::{import_folder, unwatched};
use qingdan::settings::Settings;
use tempfile::TempDir;

pub use actors::{Firm, GrantOf, KeyPair, Person, SAFEGUARDS, VISIT_FIELDS, assertion_claims, signature_body, uscc};
pub use browsers::{Browser, FirmBrowser, SAME_SITE, csrf_of};
pub use data::{Folder, entry};
pub use database::TestDatabase;
pub use key_server::KeyServer;
pub use mail_server::MailServer;
pub use people::{application, people};
pub use service::{Answer, Service, with_query};
pub use uploads::TUS;

pub const OPERATOR_PASSWORD: &str = "a password for the tests";

/// The datasets that the project ships.
pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets")
}

/// A closed entry, which the project does not ship: nobody vouches for what it says of that body.
pub fn closed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/datasets")
}

/// An application in this process.
pub struct TestApp {
    pub service: Service,
    pub app: Arc<App>,
    _dir: TempDir,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
    _database: TestDatabase,
}

impl std::ops::Deref for TestApp {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl TestApp {
    /// An application with nothing in it but its operator.
    pub async fn empty() -> Self {
        Self::start(None, &[]).await
    }

    /// An application with a folder's datasets.
    pub async fn with_datasets(folder: &Path) -> Self {
        Self::start(Some(folder), &[]).await
    }

    /// Imports a folder once more.
    pub async fn import(&self, folder: &Folder) {
        let report = import_folder(&self.app.tools(), folder.path(), Edition::by("service").because("a test"), unwatched).await.unwrap();
        assert!(report.mistakes.is_empty(), "{:?}", report.mistakes);
    }

    /// An application with the shipped datasets.
    pub async fn spawn() -> Self {
        Self::start(Some(&shipped()), &[]).await
    }

    /// An application with the shipped datasets and a closed one.
    pub async fn with_closed() -> Self {
        Self::start_with(&[&shipped(), &closed()], &[]).await
    }

    /// An application with a folder's datasets, and settings of its own.
    pub async fn start(datasets: Option<&Path>, settings: &[(&str, &str)]) -> Self {
        Self::start_with(datasets.as_slice(), settings).await
    }

    async fn start_with(folders: &[&Path], settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = TestDatabase::create(dir.path());
        let mut flags = generous();
        flags.insert("data_dir".to_owned(), dir.path().join("data").display().to_string());
        flags.insert("database_url".to_owned(), database.url.clone());
        flags.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let settings = Settings::load(&flags, std::iter::empty(), None).unwrap();
        let parts = Parts::open(&settings).unwrap();
        for folder in folders {
            let report = import_folder(&parts.tools(), folder, "service", unwatched).await.unwrap();
            assert!(report.mistakes.is_empty(), "{:?}", report.mistakes);
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let application = Application::bind(settings, parts).unwrap();
                sender.send((application.handle(), Arc::clone(&application.app), application.address)).unwrap();
                application.run().await.unwrap();
            });
        });
        let (handle, app, address) = receiver.recv().unwrap();
        let service = Service::new(format!("http://{address}"));
        TestApp { service, app, _dir: dir, handle, thread: Some(thread), _database: database }
    }
}

/// Limits that no test meets by accident, and a password that is known.
pub fn generous() -> BTreeMap<String, String> {
    let settings = [
        ("listen", "127.0.0.1:0"),
        ("operator_password", OPERATOR_PASSWORD),
        ("workers", "2"),
        ("shutdown_seconds", "5"),
        // Which rows a release leaves out is by chance; the tests of that say another share.
        ("fingerprint_share", "0"),
        ("limits_login_per_minute", "100000"),
        ("sessions_per_person", "100000"),
        ("limits_feedback_per_hour", "100000"),
        ("limits_feedback_per_hour_total", "100000"),
        ("limits_votes_per_hour", "100000"),
        ("limits_anonymous_per_second", "100000"),
        ("limits_anonymous_burst", "100000"),
        ("limits_anonymous_queries", "100"),
        ("limits_firm_queries", "100"),
        ("limits_staff_burst", "100000"),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let stopping = self.handle.stop(false);
        // The future only sends the order; it is carried out by the server's thread.
        drop(stopping);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the application panicked");
        }
    }
}
