-- Addresses of people to which the changes of the list are sent as mail, sealed, and how far each has come in the ledger. What is being sent has its
-- id and its end here before it leaves.
CREATE TABLE mail_subscriptions (
    id TEXT NOT NULL PRIMARY KEY,
    firm_id TEXT NOT NULL REFERENCES firms (id),
    sealed_address BLOB NOT NULL,
    address_tag TEXT NOT NULL,
    events_json TEXT NOT NULL,
    datasets_json TEXT NOT NULL,
    status TEXT NOT NULL,
    token_sha256 TEXT NOT NULL,
    sealed_token BLOB,
    token_expires_at TIMESTAMP NOT NULL,
    confirmed_seq BIGINT,
    after_seq BIGINT NOT NULL,
    letter_id TEXT,
    letter_to BIGINT,
    attempts INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    served_at TIMESTAMP NOT NULL,
    failing_since TIMESTAMP,
    next_at TIMESTAMP,
    lease_until TIMESTAMP,
    last_error TEXT,
    delivered_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX mail_subscriptions_address ON mail_subscriptions (firm_id, address_tag);
CREATE UNIQUE INDEX mail_subscriptions_token ON mail_subscriptions (token_sha256);

-- Who asked for a confirmation from which address, for a day: so that nobody has an address flooded.
CREATE TABLE mail_confirmations (
    id TEXT NOT NULL PRIMARY KEY,
    firm_id TEXT NOT NULL REFERENCES firms (id),
    address_tag TEXT NOT NULL,
    asked_at TIMESTAMP NOT NULL
);
CREATE INDEX mail_confirmations_address ON mail_confirmations (address_tag);

-- Mails that a server would not take.
CREATE TABLE dead_mails (
    subscription_id TEXT NOT NULL REFERENCES mail_subscriptions (id),
    after_seq BIGINT NOT NULL,
    to_seq BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT NOT NULL,
    died_at TIMESTAMP NOT NULL,
    PRIMARY KEY (subscription_id, to_seq)
);
