-- Hashes of whole subtrees of the tree over the ledger: level 8 has one for 256 entries, level 16 one for 65,536, and so on. They
-- follow from the entries and can be made again.
CREATE TABLE ledger_nodes (
    level INTEGER NOT NULL,
    position BIGINT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (level, position)
);

-- Signed checkpoints, word for word as they were given out.
CREATE TABLE checkpoints (
    size BIGINT NOT NULL PRIMARY KEY,
    root TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);

-- What an entry says in words that may name somebody. The entry itself has a salted commitment to it; when the row is deleted, nobody can
-- tell what was said, and the chain holds.
CREATE TABLE ledger_words (
    seq BIGINT NOT NULL,
    name TEXT NOT NULL,
    salt TEXT NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (seq, name)
);

ALTER TABLE signing_keys ADD COLUMN purpose TEXT NOT NULL DEFAULT 'tokens';
