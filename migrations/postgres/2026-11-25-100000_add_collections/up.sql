-- The files of collections. A set belongs to one intake, or to one release that was made for a grant: whoever reads a part may have
-- the files of its own set, and never those of another part that has the same manifest.
CREATE TABLE members (
    set_id TEXT NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    object_sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    media_type TEXT NOT NULL,
    PRIMARY KEY (set_id, path)
);
CREATE INDEX members_object ON members (object_sha256);
ALTER TABLE parts ADD COLUMN members_id TEXT;
CREATE INDEX parts_members ON parts (members_id);
