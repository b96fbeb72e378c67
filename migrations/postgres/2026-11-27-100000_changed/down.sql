DROP INDEX datasets_updated_at;
