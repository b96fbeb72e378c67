-- A firm whose requests are held to a part of what firms may ask.
ALTER TABLE firms ADD COLUMN throttled BOOLEAN NOT NULL DEFAULT FALSE;

-- Sanctions against firms, with the firm's answer and appeal, and what was decided on it.
CREATE TABLE sanctions (
    id TEXT NOT NULL PRIMARY KEY,
    firm_id TEXT NOT NULL REFERENCES firms (id),
    dataset_id TEXT REFERENCES datasets (id),
    kind TEXT NOT NULL,
    publishes TEXT REFERENCES sanctions (id),
    public_zh TEXT,
    public_en TEXT,
    reason TEXT NOT NULL,
    status TEXT NOT NULL,
    notice_date TEXT NOT NULL,
    answer_until TIMESTAMP NOT NULL,
    appeal_until TIMESTAMP NOT NULL,
    imposed_by TEXT NOT NULL,
    imposed_at TIMESTAMP NOT NULL,
    answer TEXT,
    answered_at TIMESTAMP,
    appeal TEXT,
    appealed_at TIMESTAMP,
    appeal_granted BOOLEAN,
    appeal_reason TEXT,
    appeal_decided_by TEXT,
    appeal_decided_at TIMESTAMP,
    lifted_at TIMESTAMP,
    lifting_reason TEXT
);
CREATE INDEX sanctions_firm ON sanctions (firm_id);
CREATE INDEX sanctions_publishes ON sanctions (publishes);

-- What firms report of the use of what they were given.
CREATE TABLE use_reports (
    id TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES grants (id),
    period_from TEXT NOT NULL,
    period_to TEXT NOT NULL,
    covers_until TIMESTAMP NOT NULL,
    used_for TEXT NOT NULL,
    results_json TEXT NOT NULL,
    numbers_json TEXT NOT NULL,
    filed_by TEXT NOT NULL,
    filed_at TIMESTAMP NOT NULL
);
CREATE INDEX use_reports_grant ON use_reports (grant_id);

-- Reports that did not come in time and are in the ledger as such, once for each period.
CREATE TABLE overdue_reports (
    grant_id TEXT NOT NULL REFERENCES grants (id),
    period_from TIMESTAMP NOT NULL,
    noted_at TIMESTAMP NOT NULL,
    PRIMARY KEY (grant_id, period_from)
);
