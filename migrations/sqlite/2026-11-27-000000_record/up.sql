-- What the open list and the guide of 2017 ask of an entry beside what it held so far.
ALTER TABLE datasets ADD COLUMN code TEXT;
ALTER TABLE datasets ADD COLUMN registration_code TEXT;
CREATE UNIQUE INDEX datasets_code ON datasets (code);
CREATE UNIQUE INDEX datasets_registration_code ON datasets (registration_code);

-- The code of the EU's vocabulary of data themes that comes nearest.
ALTER TABLE themes ADD COLUMN data_theme TEXT;

CREATE TABLE subject_classes (
    slug TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    position INTEGER NOT NULL
);

-- The target is a slug and no reference: it may come into the list later in the same import.
CREATE TABLE relations (
    dataset_id TEXT NOT NULL REFERENCES datasets (id),
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (dataset_id, position)
);
CREATE INDEX relations_target ON relations (target);
