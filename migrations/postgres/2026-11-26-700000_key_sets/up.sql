-- Where a client publishes its public keys, in place of a key by value.
ALTER TABLE clients ADD COLUMN jwks_uri TEXT;

-- Those keys, as they were seen last.
CREATE TABLE client_key_sets (
    client_id TEXT NOT NULL PRIMARY KEY REFERENCES clients (id),
    keys_json TEXT NOT NULL,
    fetched_at TIMESTAMP NOT NULL,
    fresh_until TIMESTAMP NOT NULL
);
