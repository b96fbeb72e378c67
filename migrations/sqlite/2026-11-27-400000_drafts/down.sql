DROP TABLE draft_entries;
DROP TABLE drafts;
