CREATE INDEX datasets_updated_at ON datasets (updated_at DESC, slug);
