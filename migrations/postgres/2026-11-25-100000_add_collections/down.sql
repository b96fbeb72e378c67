DROP INDEX parts_members;
ALTER TABLE parts DROP COLUMN members_id;
DROP TABLE members;
