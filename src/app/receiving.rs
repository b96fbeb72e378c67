//! Receives an upload's bytes: onto the disk block by block, and into the database how far it is, so that after a crash the
//! sender goes on where the disk has everything.

use std::sync::{Arc, PoisonError};

use super::App;
use crate::crypto::Checksum;
use crate::db::blocking;
use crate::error::{Error, Result};
use crate::intake::uploads::{self, Upload};
use crate::storage::IncomingFile;

/// After so many bytes it is written down how far the upload is.
const MARK_BYTES: u64 = 16 << 20;

/// The right to write to an upload; nobody else has it until this is dropped.
pub struct UploadTurn {
    app: Arc<App>,
    id: String,
}

impl Drop for UploadTurn {
    fn drop(&mut self) {
        self.app.uploading.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl App {
    /// Takes the right to write to an upload.
    ///
    /// # Errors
    /// When somebody else is writing to it.
    pub fn turn_to_upload(self: &Arc<Self>, id: &str) -> Result<UploadTurn> {
        if !self.uploading.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned()) {
            return Err(Error::Conflict("another request is sending to this upload at this moment; wait for it to end".to_owned()));
        }
        Ok(UploadTurn { app: Arc::clone(self), id: id.to_owned() })
    }
}

/// A piece of an upload that is arriving.
pub struct Receiving {
    turn: UploadTurn,
    upload: Upload,
    file: Option<IncomingFile>,
    offset: u64,
    marked: u64,
    checksum: Option<(Checksum, Vec<u8>)>,
}

impl Receiving {
    /// Opens the upload at the place where it is.
    ///
    /// # Errors
    /// When somebody else is writing to it, or it has moved meanwhile.
    pub async fn begin(app: Arc<App>, upload: Upload, checksum: Option<(Checksum, Vec<u8>)>) -> Result<Self> {
        let turn = app.turn_to_upload(&upload.id)?;
        let (actor, id) = (upload.created_by.clone(), upload.id.clone());
        let now = app.db.read(move |conn| uploads::find(conn, &actor, &id)).await?;
        if now.offset_bytes != upload.offset_bytes {
            return Err(Error::Conflict(format!("the upload is at {} by now; ask by HEAD and go on from there", now.offset_bytes)));
        }
        let offset = upload.offset_bytes.unsigned_abs();
        let (incoming, id) = (app.storage.incoming().clone(), upload.id.clone());
        let file = blocking(move || incoming.writer(&id, offset)).await?;
        Ok(Receiving { turn, upload, file: Some(file), offset, marked: offset, checksum })
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// When there are more than the upload has room for, or the disk does not take them.
    pub async fn take(&mut self, bytes: Vec<u8>) -> Result<()> {
        let end = self.offset + bytes.len() as u64;
        if end > self.upload.size_bytes.unsigned_abs() {
            // What went before is right: it is kept.
            self.broken().await?;
            return Err(Error::TooLarge(format!("more bytes came than the {} that were announced", self.upload.size_bytes)));
        }
        let Some(mut file) = self.file.take() else { return Err(Error::internal(anyhow::anyhow!("an upload without its file"))) };
        let mut checksum = self.checksum.take();
        let (file, checksum) = blocking(move || {
            file.write(&bytes)?;
            if let Some((checksum, _)) = &mut checksum {
                checksum.update(&bytes);
            }
            Ok((file, checksum))
        })
        .await?;
        (self.file, self.checksum, self.offset) = (Some(file), checksum, end);
        // With a checksum nothing counts before the end.
        if self.checksum.is_none() && self.offset - self.marked >= MARK_BYTES {
            self.mark().await?;
        }
        Ok(())
    }

    /// The line broke: what has arrived counts, unless it would have had to be checked.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub async fn broken(&mut self) -> Result<()> {
        if self.checksum.is_none() { self.mark().await } else { Ok(()) }
    }

    /// All bytes of the piece have arrived.
    ///
    /// # Errors
    /// When they are not those that the checksum was made of.
    pub async fn end(mut self) -> Result<Upload> {
        if let Some((checksum, wanted)) = self.checksum.take()
            && checksum.finish() != wanted
        {
            return Err(Error::ChecksumMismatch);
        }
        self.mark().await?;
        Ok(Upload { offset_bytes: i64::try_from(self.offset).map_err(Error::internal)?, ..self.upload })
    }

    /// Waits until everything is on the disk, and writes down how far the upload is.
    async fn mark(&mut self) -> Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        self.file = Some(blocking(move || file.sync().map(|()| file)).await?);
        let (id, offset) = (self.turn.id.clone(), self.offset);
        self.turn.app.db.write(move |conn| uploads::advance(conn, &id, offset)).await?;
        self.marked = self.offset;
        Ok(())
    }
}
