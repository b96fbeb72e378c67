DROP TABLE recovery_codes;
DROP TABLE second_factors;
DROP TABLE lockouts;
DROP TABLE sessions;
CREATE TABLE sessions (
    token_sha256 TEXT NOT NULL PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES people (id),
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
