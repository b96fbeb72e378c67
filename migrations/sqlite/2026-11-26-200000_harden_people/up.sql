-- Sessions have a name that is not their token, an end when nobody uses them, and a kind: of a browser or of a program. Those until now end.
DROP TABLE sessions;
CREATE TABLE sessions (
    token_sha256 TEXT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    person_id TEXT NOT NULL REFERENCES people (id),
    browser BOOLEAN NOT NULL,
    agent TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    seen_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
CREATE INDEX sessions_person ON sessions (person_id);

-- Wrong passwords and codes in a row, by a keyed digest of whom they were tried for.
CREATE TABLE lockouts (
    name_hmac TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    locked_until TIMESTAMP,
    failed_at TIMESTAMP NOT NULL
);
CREATE INDEX lockouts_failed_at ON lockouts (failed_at);

-- The secret of a person's second factor, sealed; it counts once it is confirmed. Each step of time gives one code, which is used once.
CREATE TABLE second_factors (
    person_id TEXT NOT NULL PRIMARY KEY REFERENCES people (id),
    sealed_secret BLOB NOT NULL,
    last_step BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    confirmed_at TIMESTAMP
);

-- Recovery codes that are left, by a keyed digest.
CREATE TABLE recovery_codes (
    code_hmac TEXT NOT NULL PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES people (id)
);
CREATE INDEX recovery_codes_person ON recovery_codes (person_id);
