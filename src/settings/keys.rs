//! Every setting there is: the only list of them.

/// One setting.
pub struct Key {
    /// The key in `qingdan.toml`; the flag is `--` with dashes, the variable `QINGDAN_` in capitals.
    pub name: &'static str,
    /// The value when nothing is set; empty for none.
    pub default: &'static str,
    /// What a value looks like.
    pub allowed: &'static str,
    /// What the setting does.
    pub help: &'static str,
}

const fn key(name: &'static str, default: &'static str, allowed: &'static str, help: &'static str) -> Key {
    Key { name, default, allowed, help }
}

/// Every setting there is.
pub const KEYS: &[Key] = &[
    key("listen", "127.0.0.1:8080", "an IP address with a port, such as 127.0.0.1:8080", "where the service listens"),
    key("data_dir", "./data", "a folder; it is created, private to its owner", "where everything that the service keeps lives"),
    key("datasets_dir", "./datasets", "a folder with dataset.toml entries", "what the first start imports"),
    key("database_url", "", "sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE", "the database; by default SQLite in the data folder"),
    key("store_url", "", "file:PATH", "where data files are kept; by default in the data folder"),
    key(
        "public_url",
        "",
        "an http or https address without a path, such as https://data.example.org",
        "the address that callers use: issuer and audience of tokens; by default http://LISTEN",
    ),
    key(
        "trusted_proxies",
        "",
        "addresses or networks, comma-separated, such as 10.0.0.0/8,127.0.0.1",
        "peers whose X-Forwarded-For and Forwarded headers are believed",
    ),
    key(
        "forwarded_header",
        "x-forwarded-for",
        "x-forwarded-for or forwarded",
        "the one header in which trusted proxies write the caller's address",
    ),
    key(
        "operator_password",
        "",
        "12 to 200 characters, without the word operator",
        "password of the operator made at the first start; by default one is made and printed once",
    ),
    key(
        "application_draft_days",
        "60",
        "a whole number from 1 to 365",
        "working days that a draft of an application may lie before it expires",
    ),
    key(
        "application_accept_days",
        "5",
        "a whole number from 1 to 365",
        "working days that the publisher has to find an application complete",
    ),
    key(
        "application_decide_days",
        "10",
        "a whole number from 1 to 365",
        "working days that the publisher has to decide an application or an appeal",
    ),
    key(
        "application_answer_days",
        "10",
        "a whole number from 1 to 365",
        "working days that a firm has to answer what the reviewer asked for",
    ),
    key("application_sign_days", "20", "a whole number from 1 to 365", "working days that a firm has to sign an agreement"),
    key("application_appeal_days", "20", "a whole number from 1 to 365", "working days that a firm has to appeal against a refusal"),
    key(
        "attachment_max_bytes",
        "20971520",
        "a whole number from 1 to 1073741824",
        "the largest document that a firm may attach to an application",
    ),
    key("attachments_most", "20", "a whole number from 0 to 1000", "how many documents an application may have"),
    key(
        "attachment_retention_days",
        "1095",
        "a whole number from 0 to 36500",
        "how many days after the end of an application, or of its grant, its documents are kept",
    ),
    key(
        "working_calendar",
        "",
        "a CSV file with the columns date and kind (holiday or workday)",
        "which days are worked; by default the calendar that comes with the service",
    ),
    key(
        "fingerprint_share",
        "0.005",
        "a share from 0 to 0.1",
        "the share of rows that each grant's release leaves out, so that a leaked copy can be traced; entries may say another",
    ),
    key("upload_max_bytes", "53687091200", "1 to 1099511627776", "the most bytes of one uploaded file"),
    key(
        "upload_quota_bytes",
        "214748364800",
        "1 to 1099511627776",
        "the most bytes of all files that one person has uploaded and not published yet",
    ),
    key("jobs_at_once", "1", "1 to 64", "how many jobs (intake of uploads, releases) are done at once"),
    key("orphan_hours", "24", "1 to 8760", "how old a file of the store must be that nothing points at, before it is removed"),
    key(
        "master_key",
        "",
        "64 hexadecimal characters",
        "seals signing keys, second factors and documents of applications, and keys pseudonyms; by default made once in DATA_DIR/secrets",
    ),
    key("session_idle_minutes", "30", "a whole number from 1 to 10080", "after how long without a request a person's session ends"),
    key("session_hours", "12", "a whole number from 1 to 720", "how long a person's session lasts at the most"),
    key("sessions_per_person", "50", "a whole number from 1 to 100000", "the most sessions of one person; a log-in beyond ends the oldest"),
    key(
        "require_second_factor",
        "",
        "steward, reviewer, operator, auditor and firm (people of firms), comma-separated; or none of them",
        "who must have a second factor before anything else",
    ),
    key(
        "outbound_allow_private",
        "false",
        "true or false",
        "for tests and development alone: whether addresses that others name may be private, and loopback without TLS",
    ),
    key(
        "outbound_ca_file",
        "",
        "a file of certificates in PEM",
        "authorities that are believed besides the system's when the service asks an address that somebody has named",
    ),
    key("outbound_timeout_seconds", "3", "a whole number from 1 to 30", "how long such a request may take in all"),
    key("jwks_max_bytes", "65536", "a whole number from 1024 to 1048576", "the largest key set of a client's jwks_uri"),
    key("jwks_least_seconds", "60", "a whole number from 1 to 86400", "how long a client's key set is kept at the least"),
    key("jwks_most_seconds", "3600", "a whole number from 1 to 86400", "how long a client's key set is kept at the most"),
    key(
        "jwks_cooldown_seconds",
        "30",
        "a whole number from 0 to 3600",
        "how long after one request for a client's key set the next one is made at the earliest",
    ),
    key("body_limit_bytes", "1048576", "a whole number from 1024 to 1073741824", "the largest JSON body that is read"),
    key("shutdown_seconds", "30", "a whole number from 0 to 3600", "how long running downloads may go on after SIGTERM"),
    key(
        "accel_prefix",
        "",
        "a path such as /objects, without a slash at its end",
        "behind nginx: the internal location from which it sends files of the store itself (X-Accel-Redirect); by default the service sends them",
    ),
    key("workers", "0", "a whole number from 0 to 256", "HTTP workers; 0 means one for each core"),
    key("query_memory_bytes", "536870912", "a whole number from 16777216 to 1099511627776", "memory of all queries together"),
    key("limits_anonymous_per_second", "10", "a whole number from 1 to 1000000", "requests a second of an anonymous address"),
    key("limits_anonymous_burst", "50", "a whole number from 1 to 1000000", "requests at once of an anonymous address"),
    key(
        "limits_anonymous_bytes_per_day",
        "20000000000",
        "a whole number from 1 to 1000000000000000",
        "bytes a day of an anonymous address",
    ),
    key("limits_anonymous_queries", "1", "a whole number from 1 to 10000", "queries at once of an anonymous address"),
    key("limits_anonymous_query_seconds", "10", "a whole number from 1 to 86400", "wall time of an anonymous query"),
    key("limits_anonymous_query_rows", "10000", "a whole number from 1 to 1000000000000", "rows that an anonymous SQL query may answer"),
    key(
        "limits_anonymous_query_bytes",
        "67108864",
        "a whole number from 1024 to 1000000000000000",
        "bytes that an anonymous SQL query may answer",
    ),
    key("limits_firm_per_second", "100", "a whole number from 1 to 1000000", "requests a second of a firm"),
    key("limits_firm_burst", "500", "a whole number from 1 to 1000000", "requests at once of a firm"),
    key("limits_firm_bytes_per_day", "1000000000000", "a whole number from 1 to 1000000000000000", "bytes a day of a firm"),
    key("limits_firm_queries", "8", "a whole number from 1 to 10000", "queries at once of a firm"),
    key("limits_firm_query_seconds", "60", "a whole number from 1 to 86400", "wall time of a firm's query"),
    key("limits_firm_query_rows", "1000000", "a whole number from 1 to 1000000000000", "rows that a firm's SQL query may answer"),
    key(
        "limits_firm_query_bytes",
        "4294967296",
        "a whole number from 1024 to 1000000000000000",
        "bytes that a firm's SQL query may answer",
    ),
    key("limits_staff_per_second", "50", "a whole number from 1 to 1000000", "requests a second of a person with a role"),
    key("limits_staff_burst", "200", "a whole number from 1 to 1000000", "requests at once of a person with a role"),
    key("limits_throttle_divisor", "10", "a whole number from 2 to 1000", "by what the requests of a throttled firm are divided"),
    key("sanction_answer_days", "15", "a whole number from 0 to 365", "how many days after the notice a firm may answer a sanction"),
    key(
        "sanction_appeal_days",
        "60",
        "a whole number from 0 to 365",
        "how many days after the notice a firm may appeal against a sanction",
    ),
    key(
        "ledger_retention_days",
        "1095",
        "a whole number from 0 to 36500",
        "how many days words of people in the ledger are kept, where what they were said of is over; 0 means for ever",
    ),
    key("grant_reminder_days", "30", "a whole number from 0 to 365", "how many days before the end of a grant its firm is reminded"),
    key(
        "deletion_proof_days",
        "30",
        "a whole number from 0 to 365",
        "how many days after the end of a grant its firm proves that it deleted the data",
    ),
    key("use_report_days", "90", "a whole number from 0 to 3650", "every how many days a firm reports the use of a grant; 0 means never"),
    key(
        "use_report_grace_days",
        "30",
        "a whole number from 0 to 365",
        "how many days after the end of a grant the report on the rest of it is due",
    ),
    key(
        "registration_days",
        "30",
        "a whole number from 1 to 3650",
        "after how many days without a decision a firm's registration gives way to a new one with the same code",
    ),
    key(
        "limits_login_per_minute",
        "10",
        "a whole number from 1 to 1000000",
        "log-ins, registrations and token requests a minute of one address",
    ),
];
