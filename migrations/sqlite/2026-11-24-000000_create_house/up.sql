-- Moments are UTC. Columns that hold JSON say so. Digests are lower-case hexadecimal SHA-256.
CREATE TABLE publishers (
    slug TEXT NOT NULL PRIMARY KEY,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    uscc TEXT,
    contact_json TEXT NOT NULL
);

CREATE TABLE themes (
    slug TEXT NOT NULL PRIMARY KEY,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    position INTEGER NOT NULL
);

CREATE TABLE datasets (
    id TEXT NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    publisher TEXT NOT NULL REFERENCES publishers (slug),
    theme TEXT NOT NULL REFERENCES themes (slug),
    open_type TEXT NOT NULL,
    entry_json TEXT NOT NULL,
    entry_sha256 TEXT NOT NULL,
    version INTEGER,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX datasets_publisher ON datasets (publisher);
CREATE INDEX datasets_theme ON datasets (theme);

CREATE TABLE versions (
    id TEXT NOT NULL PRIMARY KEY,
    dataset_id TEXT NOT NULL REFERENCES datasets (id),
    number INTEGER NOT NULL,
    source_sha256 TEXT NOT NULL,
    fields_json TEXT NOT NULL,
    object_sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (dataset_id, number)
);

CREATE TABLE firms (
    id TEXT NOT NULL PRIMARY KEY,
    uscc TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    contact_name TEXT NOT NULL,
    contact_email TEXT NOT NULL,
    contact_phone TEXT,
    status TEXT NOT NULL,
    status_reason TEXT,
    created_at TIMESTAMP NOT NULL,
    decided_at TIMESTAMP
);

CREATE TABLE people (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    one_time_password BOOLEAN NOT NULL,
    roles TEXT NOT NULL,
    publisher TEXT REFERENCES publishers (slug),
    firm_id TEXT REFERENCES firms (id),
    status TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE sessions (
    token_sha256 TEXT NOT NULL PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES people (id),
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
);

CREATE TABLE clients (
    id TEXT NOT NULL PRIMARY KEY,
    firm_id TEXT NOT NULL REFERENCES firms (id),
    name TEXT NOT NULL,
    method TEXT NOT NULL,
    public_jwk_json TEXT,
    secret_sha256 TEXT,
    status TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    revoked_at TIMESTAMP
);
CREATE INDEX clients_firm ON clients (firm_id);

-- Client assertions that were used once already.
CREATE TABLE assertions (
    jti_sha256 TEXT NOT NULL PRIMARY KEY,
    expires_at TIMESTAMP NOT NULL
);

CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    sealed_private BLOB NOT NULL,
    public_jwk_json TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    retired_at TIMESTAMP
);

CREATE TABLE applications (
    id TEXT NOT NULL PRIMARY KEY,
    firm_id TEXT NOT NULL REFERENCES firms (id),
    dataset_id TEXT NOT NULL REFERENCES datasets (id),
    purpose TEXT NOT NULL,
    fields_json TEXT NOT NULL,
    modes_json TEXT NOT NULL,
    term_days INTEGER NOT NULL,
    safeguards TEXT NOT NULL,
    status TEXT NOT NULL,
    submitted_by TEXT NOT NULL,
    submitted_at TIMESTAMP NOT NULL,
    decided_by TEXT,
    decided_at TIMESTAMP,
    reason TEXT
);
CREATE INDEX applications_firm ON applications (firm_id);

CREATE TABLE agreements (
    id TEXT NOT NULL PRIMARY KEY,
    application_id TEXT NOT NULL UNIQUE REFERENCES applications (id),
    firm_id TEXT NOT NULL REFERENCES firms (id),
    text TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    policy_json TEXT NOT NULL,
    status TEXT NOT NULL,
    signature TEXT,
    signed_by TEXT,
    signed_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE grants (
    id TEXT NOT NULL PRIMARY KEY,
    agreement_id TEXT NOT NULL UNIQUE REFERENCES agreements (id),
    firm_id TEXT NOT NULL REFERENCES firms (id),
    dataset_id TEXT NOT NULL REFERENCES datasets (id),
    policy_json TEXT NOT NULL,
    modes_json TEXT NOT NULL,
    status TEXT NOT NULL,
    starts_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    revoked_at TIMESTAMP,
    reason TEXT
);
CREATE INDEX grants_firm ON grants (firm_id);

-- `receiver` is `public` or the id of a grant.
CREATE TABLE releases (
    id TEXT NOT NULL PRIMARY KEY,
    dataset_id TEXT NOT NULL REFERENCES datasets (id),
    version_id TEXT NOT NULL REFERENCES versions (id),
    receiver TEXT NOT NULL,
    fields_json TEXT NOT NULL,
    object_sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (version_id, receiver)
);

CREATE TABLE exports (
    release_id TEXT NOT NULL REFERENCES releases (id),
    format TEXT NOT NULL,
    object_sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (release_id, format)
);

-- `moment` is text, exactly as it went into the hash.
CREATE TABLE ledger (
    seq BIGINT NOT NULL PRIMARY KEY,
    moment TEXT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail_json TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX ledger_subject ON ledger (subject);

-- Bytes that a caller took on a day; `caller` is a keyed hash, so that no address is kept.
CREATE TABLE usage_days (
    caller TEXT NOT NULL,
    day TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (caller, day)
);

-- What happens once in the life of a service, and has been done.
CREATE TABLE marks (
    name TEXT NOT NULL PRIMARY KEY,
    moment TIMESTAMP NOT NULL
);
