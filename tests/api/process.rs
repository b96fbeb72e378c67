//! The program as a process: one for each folder, clean after `kill -9`, patient at SIGTERM, private in its files.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use crate::support::{Folder, OPERATOR_PASSWORD, Service, TestDatabase, generous, shipped};

const BINARY: &str = env!("CARGO_BIN_EXE_qingdan");

pub fn command(dir: &Path, database: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).arg("--data-dir").arg(dir.join("data")).arg("--database-url").arg(&database.url).current_dir(dir).env_clear();
    for (name, value) in generous() {
        let flag = format!("--{}", name.replace('_', "-"));
        if !arguments.contains(&flag.as_str()) {
            command.arg(flag).arg(value);
        }
    }
    command
}

pub fn run(dir: &Path, database: &TestDatabase, arguments: &[&str]) -> Output {
    command(dir, database, arguments).output().unwrap()
}

/// A service in a process of its own.
pub struct Process {
    pub child: Child,
    pub service: Service,
    address: String,
    stdout: Vec<String>,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Process {
    pub fn serve(dir: &Path, database: &TestDatabase, more: &[&str]) -> Self {
        let mut child = command(dir, database, &[&["serve"], more].concat()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut address, mut log) = (None, String::new());
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        while address.is_none() {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "the service ended: {log}");
            log += &line;
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if entry["message"] == "ready" {
                address = entry["address"].as_str().map(str::to_owned);
            }
        }
        // Somebody has to read on, or the process would wait at a full pipe.
        let reader = std::thread::spawn(move || {
            let mut rest = String::new();
            stderr.read_to_string(&mut rest).unwrap();
            rest
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        while lines.len() < 3 {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            lines.push(line);
        }
        let address = address.unwrap();
        Process { child, service: Service::new(format!("http://{address}")), address, stdout: lines, log: Some(reader) }
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap().success());
    }

    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

pub fn ledger_holds(dir: &Path, database: &TestDatabase) {
    let verdict = run(dir, database, &["ledger", "verify"]);
    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));
    assert!(String::from_utf8_lossy(&verdict.stdout).starts_with("the ledger holds: "));
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Drop for Process {
    /// A test that fails leaves no service behind.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

#[tokio::test]
async fn the_first_start_imports_and_the_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let datasets = shipped();
    let first = Process::serve(dir.path(), &database, &["--datasets-dir", datasets.to_str().unwrap()]);
    assert!(first.stdout[1].contains(&first.address), "{:?}", first.stdout);
    assert_eq!(first.service.get("/api/v1/datasets").await.expect(200).json()["total"], 6);
    for arguments in [&["serve"][..], &["import", "."][..]] {
        let second = run(dir.path(), &database, arguments);
        assert_eq!(second.status.code(), Some(2));
        assert!(text(&second.stderr).contains("is in use by another qingdan process"), "{}", text(&second.stderr));
    }
    ledger_holds(dir.path(), &database);
    first.signal("TERM");
    assert!(first.wait().success());
}

#[test]
fn the_data_folder_is_closed_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let folder = Folder::new();
    folder.open("one", &["a"], "a\n1\n");
    let imported = run(dir.path(), &database, &["import", folder.path().to_str().unwrap()]);
    assert_eq!(text(&imported.stdout), "one: created, version 1 with 1 rows\n", "{}", text(&imported.stderr));
    for (name, mode) in
        [("data", 0o700), ("data/secrets", 0o700), ("data/secrets/master.key", 0o600), ("data/scratch", 0o700), ("data/store", 0o700)]
    {
        let found = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name} is {found:o}");
    }
}

#[test]
fn mistakes_of_settings_and_folders_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    std::fs::write(dir.path().join("qingdan.toml"), "listn = \"x\"\n").unwrap();
    let refused = run(dir.path(), &database, &["serve"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("unknown setting `listn` (qingdan.toml)"), "{}", text(&refused.stderr));
    std::fs::remove_file(dir.path().join("qingdan.toml")).unwrap();
    let missing = run(dir.path(), &database, &["import", "nowhere"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("nowhere/publishers.toml: cannot be read"), "{}", text(&missing.stderr));
}

#[tokio::test]
async fn a_one_time_password_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let start = || {
        let mut command = Command::new(BINARY);
        command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", &database.url]).current_dir(dir.path()).env_clear();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut told = String::new();
        while !told.contains("API docs") {
            assert!(lines.read_line(&mut told).unwrap() > 0, "{told}");
        }
        (child, lines, told)
    };
    let (mut child, mut lines, mut told) = start();
    lines.read_line(&mut told).unwrap();
    let password = told.split("one-time password `").nth(1).and_then(|rest| rest.split('`').next()).expect(&told).to_owned();
    let url = told.split("portal").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap().trim_end_matches('/').to_owned();
    let session = Service::new(url).login("operator", &password).await.expect(201).json();
    assert_eq!(session["person"]["one_time_password"], true);
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut child, mut lines, mut told) = start();
    child.kill().unwrap();
    child.wait().unwrap();
    lines.read_to_string(&mut told).unwrap();
    assert!(!told.contains("one-time"), "{told}");
}

#[tokio::test]
async fn the_log_has_each_request_by_its_id_and_nothing_that_it_should_not() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let datasets = shipped();
    let mut process = Process::serve(dir.path(), &database, &["--datasets-dir", datasets.to_str().unwrap()]);
    let firm = process.service.firm().await;
    let path = "/api/v1/datasets/shanghai-districts/rows?where=name%20%3D%20%27secret-words%27";
    let id = process.service.get_as(path, &firm.token).await.expect(200).header("x-request-id").to_owned();
    for files in ["files", "%66iles"] {
        let path = format!("/api/v1/datasets/shanghai-districts/{files}/wang-xiaoming/%77ang.jpg");
        process.service.get(&path).await.problem(404, "not-found");
    }
    for signed in ["signed", "%73igned"] {
        process.service.get(&format!("/api/v1/{signed}/c2VjcmV0/as-good-as-a-token.csv")).await.problem(401, "unauthenticated");
    }
    for astray in ["/api/v1//signed", "/api/v1/SIGNED", "/api/v1/%2573igned", "/signed", "/x"] {
        let refused = process.service.get(&format!("{astray}/{}/as-it-is.csv", "c2VjcmV0".repeat(40))).await.problem(404, "not-found");
        assert!(!refused.to_string().contains("c2VjcmV0"), "{refused}");
    }
    process.service.login("operator", "a wrong password of mine").await.problem(401, "unauthenticated");
    process.signal("TERM");
    assert!(process.child.wait().unwrap().success());
    let log = process.log.take().unwrap().join().unwrap();
    let line = log.lines().find(|line| line.contains(&id)).expect("the request is in the log");
    let entry: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(entry["http.path"], "/api/v1/datasets/shanghai-districts/rows");
    assert_eq!(entry["http.status"], 200);
    assert_eq!(entry["caller"], format!("client:{}", firm.client_id));
    for secret in [
        "secret-words",
        "wang",
        "%77ang",
        "c2VjcmV0",
        "as-good-as",
        &firm.token,
        &firm.person,
        "a wrong password",
        OPERATOR_PASSWORD,
        "contact@example.org",
    ] {
        assert!(!log.contains(secret), "{secret}");
    }
}

/// A table that does not compress away: digests of its row numbers.
pub fn large_table(rows: usize) -> String {
    (0..rows).fold("n,digest\n".to_owned(), |mut table, row| {
        writeln!(table, "{row},{}", qingdan::crypto::sha256_hex(&row.to_le_bytes())).unwrap();
        table
    })
}

#[tokio::test]
async fn kill_9_during_an_import_leaves_no_half_version() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let folder = Folder::new();
    folder.open("large", &["n:integer", "digest"], large_table(300_000));
    let import = ["import", folder.path().to_str().unwrap()];
    let mut child = command(dir.path(), &database, &import).stdout(Stdio::null()).spawn().unwrap();
    // As soon as the Parquet file is being written.
    let scratch = dir.path().join("data/scratch");
    let growing =
        || std::fs::read_dir(&scratch).is_ok_and(|files| files.flatten().any(|file| file.metadata().is_ok_and(|meta| meta.len() > 0)));
    while !growing() {
        assert!(child.try_wait().unwrap().is_none(), "the import ended before it could be killed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let service = Process::serve(dir.path(), &database, &["--datasets-dir", "nowhere"]);
    let files = || std::fs::read_dir(&scratch).unwrap().flatten().filter(|entry| entry.path().is_file()).count();
    assert_eq!(files(), 0, "what was half made is gone");
    service.service.get("/api/v1/datasets/large").await.problem(404, "not-found");
    service.signal("TERM");
    assert!(service.wait().success());
    ledger_holds(dir.path(), &database);
    let again = run(dir.path(), &database, &import);
    assert_eq!(text(&again.stdout), "large: created, version 1 with 300000 rows\n");
}

#[tokio::test]
async fn kill_9_during_a_burst_of_sensitive_reads_loses_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let datasets = shipped();
    let arguments = ["--datasets-dir", datasets.to_str().unwrap(), "--limits-firm-burst", "100000", "--limits-firm-per-second", "100000"];
    let process = Process::serve(dir.path(), &database, &arguments);
    let firm = process.service.firm().await;
    let grant = process.service.grant(&firm).await;
    let path = "/api/v1/datasets/community-health-visits/download";
    process.service.get_as(path, &grant.token).await.expect(200);
    let client = reqwest::Client::new();
    let answered = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let request = client.get(format!("{}{path}", process.service.url)).bearer_auth(&grant.token);
            let answered = std::sync::Arc::clone(&answered);
            tokio::spawn(async move {
                // An answer whose status has come is a read that must be in the ledger.
                while let Ok(answer) = request.try_clone().unwrap().send().await {
                    assert_eq!(answer.status(), 200);
                    answered.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            })
        })
        .collect();
    while answered.load(std::sync::atomic::Ordering::SeqCst) < 100 {
        tokio::task::yield_now().await;
    }
    process.signal("KILL");
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(!process.wait().success());
    ledger_holds(dir.path(), &database);
    let restarted = Process::serve(dir.path(), &database, &arguments);
    let operator = restarted.service.login("operator", OPERATOR_PASSWORD).await.expect(201).json();
    let (mut reads, mut cursor) = (0, String::new());
    loop {
        let page = restarted
            .service
            .get_as(&format!("/api/v1/ledger/entries?limit=1000{cursor}"), operator["token"].as_str().unwrap())
            .await
            .expect(200)
            .json();
        reads += page["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "read.allowed").count();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(reads >= answered.load(std::sync::atomic::Ordering::SeqCst), "{reads} entries for {answered:?} answers");
    restarted.signal("TERM");
    assert!(restarted.wait().success());
}

#[tokio::test]
async fn sigterm_lets_a_running_download_end() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let folder = Folder::new();
    folder.open("large", &["n:integer", "digest"], large_table(300_000));
    let process = Process::serve(dir.path(), &database, &["--datasets-dir", folder.path().to_str().unwrap(), "--shutdown-seconds", "30"]);
    let mut download = process.service.open("/api/v1/datasets/large/download").await;
    let length: usize = download.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert!(length > 8 << 20, "{length} bytes could all wait in the sockets");
    let mut got = download.chunk().await.unwrap().unwrap().len();
    process.signal("TERM");
    // New connections are refused once the order to stop has arrived; the running one goes on.
    while TcpStream::connect(&process.address).is_ok() {
        tokio::task::yield_now().await;
    }
    while let Some(chunk) = download.chunk().await.unwrap() {
        got += chunk.len();
    }
    assert_eq!(got, length);
    drop(download);
    assert!(process.wait().success());
}

#[tokio::test]
async fn a_lost_password_is_reset_and_a_first_start_that_broke_off_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(dir.path());
    let datasets = shipped();
    // Some of the list is there, and the mark of a finished import is not: as after a crash during the first start.
    let folder = Folder::new();
    folder.open("one", &["a"], "a\n1\n");
    run(dir.path(), &database, &["import", folder.path().to_str().unwrap()]);
    TestDatabase::tamper(&database.url, "DELETE FROM marks");
    let process = Process::serve(dir.path(), &database, &["--datasets-dir", datasets.to_str().unwrap()]);
    assert_eq!(process.service.get("/api/v1/datasets").await.expect(200).json()["total"], 7);
    process.signal("TERM");
    assert!(process.wait().success());
    let factor = run(dir.path(), &database, &["user", "reset-second-factor", "operator"]);
    assert!(text(&factor.stderr).contains("this person has no second factor"), "{}", text(&factor.stderr));
    let reset = run(dir.path(), &database, &["user", "reset-password", "operator"]);
    let told = text(&reset.stdout);
    let password = told.split("one-time password `").nth(1).and_then(|rest| rest.split('`').next()).expect(&told).to_owned();
    let process = Process::serve(dir.path(), &database, &[]);
    process.service.login("operator", OPERATOR_PASSWORD).await.problem(401, "unauthenticated");
    assert_eq!(process.service.login("operator", &password).await.expect(201).json()["person"]["one_time_password"], true);
    let nobody = run(dir.path(), &database, &["user", "reset-password", "nobody"]);
    assert_eq!(nobody.status.code(), Some(2));
    process.signal("TERM");
    assert!(process.wait().success());
}
