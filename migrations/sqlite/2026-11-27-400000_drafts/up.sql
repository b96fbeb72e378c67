-- Changes of the list that somebody prepares and somebody else looks at.
CREATE TABLE drafts (
    id TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    reason TEXT,
    publisher TEXT,
    state TEXT NOT NULL,
    revision INTEGER NOT NULL,
    editors_json TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    submitted_by TEXT,
    submitted_at TIMESTAMP,
    decided_by TEXT,
    decided_at TIMESTAMP,
    remark TEXT,
    effective_at TIMESTAMP,
    list_version INTEGER
);
CREATE INDEX drafts_state ON drafts (state, effective_at);

-- What a draft has an entry say.
CREATE TABLE draft_entries (
    draft_id TEXT NOT NULL REFERENCES drafts (id),
    slug TEXT NOT NULL,
    entry_json TEXT NOT NULL,
    base_sha256 TEXT,
    revision INTEGER NOT NULL,
    edited_by TEXT NOT NULL,
    edited_at TIMESTAMP NOT NULL,
    PRIMARY KEY (draft_id, slug)
);
CREATE INDEX draft_entries_slug ON draft_entries (slug);
