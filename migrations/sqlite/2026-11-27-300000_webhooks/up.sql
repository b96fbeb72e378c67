-- Addresses of firms to which the changes of the list are sent, and how far each has come in the ledger.
CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    firm_id TEXT NOT NULL REFERENCES firms (id),
    url TEXT NOT NULL,
    events_json TEXT NOT NULL,
    datasets_json TEXT NOT NULL,
    status TEXT NOT NULL,
    after_seq BIGINT NOT NULL,
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
CREATE INDEX webhooks_firm ON webhooks (firm_id);

-- Events that an address would not take.
CREATE TABLE dead_letters (
    webhook_id TEXT NOT NULL REFERENCES webhooks (id),
    seq BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT NOT NULL,
    died_at TIMESTAMP NOT NULL,
    PRIMARY KEY (webhook_id, seq)
);
