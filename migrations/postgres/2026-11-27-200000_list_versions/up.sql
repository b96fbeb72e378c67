-- Whether the list gives a dataset out: published, suspended or withdrawn.
ALTER TABLE datasets ADD COLUMN state TEXT NOT NULL DEFAULT 'published';
-- What the list has is counted without its entries being read.
CREATE INDEX datasets_listed ON datasets (slug, state, publisher);

-- What entries of the list have said, by their digest.
CREATE TABLE list_entries (
    sha256 TEXT NOT NULL PRIMARY KEY,
    entry_json TEXT NOT NULL
);

-- What each version of the list changed. The digests say what the entry was before and after; one that is not in the list has none.
CREATE TABLE list_changes (
    number INTEGER NOT NULL,
    dataset_id TEXT NOT NULL REFERENCES datasets (id),
    slug TEXT NOT NULL,
    code TEXT NOT NULL,
    ground TEXT,
    reason TEXT,
    before_sha256 TEXT REFERENCES list_entries (sha256),
    after_sha256 TEXT REFERENCES list_entries (sha256),
    entry_seq BIGINT NOT NULL,
    changed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (number, slug)
);
CREATE INDEX list_changes_dataset ON list_changes (dataset_id, number);
CREATE INDEX list_changes_slug ON list_changes (slug, number);
CREATE INDEX list_changes_entry ON list_changes (entry_seq);

-- The list as it stands is its first version.
INSERT INTO list_entries (sha256, entry_json) SELECT entry_sha256, MIN(entry_json) FROM datasets GROUP BY entry_sha256;
INSERT INTO list_changes (number, dataset_id, slug, code, after_sha256, entry_seq, changed_at)
    SELECT 1, id, slug, 'new', entry_sha256, 0, created_at FROM datasets;
