//! Settings of the documents that firms attach to applications.

use anyhow::Result;

use super::values::Values;

/// How much firms may attach, and how long it stays.
#[derive(Debug, Clone, Copy)]
pub struct AttachmentSettings {
    /// The largest document.
    pub max_bytes: u64,
    /// How many documents one application may have.
    pub most: u32,
    /// How many days after the end of an application its documents are kept.
    pub retention_days: u32,
}

impl AttachmentSettings {
    pub(super) fn of(values: &Values) -> Result<Self> {
        let (most, retention_days) = (values.small("attachments_most")?, values.small("attachment_retention_days")?);
        Ok(AttachmentSettings { max_bytes: values.number("attachment_max_bytes")?, most, retention_days })
    }
}
