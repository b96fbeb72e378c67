//! Documents of applications on their way in and out: sealed chunk by chunk before they touch the disk, and opened chunk by chunk. No document is
//! whole in memory, and nothing of a chunk that was changed is answered.

use std::io::Write;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream, StreamExt};

use super::App;
use crate::access::applications::attachments::{self, Attachment, NewAttachment, Sealed};
use crate::crypto::Sha256;
use crate::crypto::chunks::{CHUNK_BYTES, FileKey, Sealer, chunk_count, chunk_range};
use crate::db::blocking;
use crate::error::{Error, Result};
use crate::identity::Caller;
use crate::storage::{DigestWriter, OpenObject, Scratch};

/// What a request says of a document.
pub struct Announced {
    /// Its application.
    pub application: String,
    /// What the firm calls it.
    pub name: String,
    /// Its media type.
    pub media_type: &'static str,
}

/// A document that is being sealed.
struct Sealing {
    sealer: Sealer,
    scratch: Scratch,
    writer: DigestWriter,
    plain: Sha256,
    size_bytes: u64,
}

impl Sealing {
    /// Seals and writes the next chunk, away from the HTTP workers.
    async fn chunk(mut self, chunk: Vec<u8>, is_last: bool) -> Result<Self> {
        blocking(move || {
            self.plain.update(&chunk);
            self.size_bytes += chunk.len() as u64;
            let sealed = self.sealer.seal(chunk, is_last)?;
            self.writer.write_all(&sealed)?;
            Ok(self)
        })
        .await
    }
}

impl App {
    /// Takes a document in.
    ///
    /// # Errors
    /// When the caller may not attach it, it is too large, is not what it is said to be, or its bytes do not come.
    pub async fn attach<S>(&self, caller: Caller, announced: Announced, mut body: S) -> Result<Attachment>
    where
        S: Stream<Item = Result<Bytes>> + Unpin,
    {
        let (asking, id, most) = (caller.clone(), announced.application.clone(), self.settings.attachments.most);
        self.db.read(move |conn| attachments::require_room(conn, &asking, &id, most)).await?;
        let id = uuid::Uuid::now_v7().to_string();
        let bound_to = attachments::bound_to(&announced.application, &id);
        let (key, key_bytes) = FileKey::make(&bound_to)?;
        let sealed_key = self.master.seal(&bound_to, &key_bytes)?;
        let storage = self.storage.clone();
        let mut sealing = blocking(move || {
            let scratch = storage.scratch()?;
            let writer = scratch.digest_writer()?;
            Ok(Sealing { sealer: Sealer::new(key), scratch, writer, plain: Sha256::default(), size_bytes: 0 })
        })
        .await?;
        let mut waiting = BytesMut::new();
        while let Some(piece) = body.next().await {
            waiting.extend_from_slice(&piece?);
            self.require_small(sealing.size_bytes + waiting.len() as u64)?;
            while waiting.len() > CHUNK_BYTES {
                let chunk = waiting.split_to(CHUNK_BYTES).to_vec();
                if sealing.size_bytes == 0 {
                    attachments::check_content(announced.media_type, &chunk, false)?;
                }
                sealing = sealing.chunk(chunk, false).await?;
            }
        }
        if sealing.size_bytes == 0 {
            attachments::check_content(announced.media_type, &waiting, true)?;
        }
        let sealing = sealing.chunk(waiting.to_vec(), true).await?;
        self.keep_attachment(caller, announced, id, sealed_key, sealing).await
    }

    fn require_small(&self, size_bytes: u64) -> Result<()> {
        let max = self.settings.attachments.max_bytes;
        if size_bytes <= max {
            return Ok(());
        }
        Err(Error::TooLarge(format!("a document may have {max} bytes at the most; send a smaller one, or several")))
    }

    /// Puts the sealed bytes into the store, and writes down what they are.
    async fn keep_attachment(
        &self,
        caller: Caller,
        announced: Announced,
        id: String,
        sealed_key: Vec<u8>,
        sealing: Sealing,
    ) -> Result<Attachment> {
        let (storage, most) = (self.storage.clone(), self.settings.attachments.most);
        let Announced { application, name, media_type } = announced;
        let new = blocking(move || {
            let Sealing { scratch, writer, plain, size_bytes, .. } = sealing;
            let object = storage.keep_now(&scratch, writer.finish()?, attachments::FORMAT)?;
            Ok(NewAttachment { id, name, media_type, size_bytes, sha256: plain.finish(), object, sealed_key })
        })
        .await?;
        self.db.write(move |conn| attachments::attach(conn, &caller, &application, new, most)).await
    }

    /// A document and its bytes. The first chunk is open when this returns; when a later one was changed, the stream ends with an error before it.
    ///
    /// # Errors
    /// When the caller may not read it, or it cannot be opened.
    pub async fn attachment(
        &self,
        caller: Caller,
        application: String,
        id: String,
    ) -> Result<(Attachment, impl Stream<Item = Result<Bytes>> + use<>)> {
        let sealed = self.db.read(move |conn| attachments::find_for(conn, &caller, &application, &id)).await?;
        let Sealed { attachment, object, sealed_key, bound_to } = sealed;
        let damaged = Damaged { attachment: attachment.id.clone(), object: object.path() };
        let key = self.master.open(&bound_to, &sealed_key).and_then(|bytes| FileKey::from_bytes(&bytes, &bound_to));
        let key = key.map_err(|cause| damaged.told(&format!("{cause:?}")))?;
        let (storage, plain_bytes) = (self.storage.clone(), attachment.size_bytes.unsigned_abs());
        let file = blocking(move || Ok(storage.reader(&object))).await?.map_err(|cause| damaged.told(&format!("{cause:?}")))?;
        let count = u32::try_from(chunk_count(plain_bytes)).map_err(Error::internal)?;
        let (first, reading) = Reading { key, file, plain_bytes, count, damaged }.chunk(0).await?;
        let rest = stream::try_unfold((reading, 1), |(reading, number)| async move {
            if number >= reading.count {
                return Ok(None);
            }
            let (bytes, reading) = reading.chunk(number).await?;
            Ok(Some((bytes, (reading, number + 1))))
        });
        Ok((attachment, stream::once(std::future::ready(Ok(first))).chain(rest)))
    }
}

/// A document that is being read.
struct Reading {
    key: FileKey,
    file: OpenObject,
    plain_bytes: u64,
    count: u32,
    damaged: Damaged,
}

impl Reading {
    /// Opens a chunk, away from the HTTP workers.
    async fn chunk(self, number: u32) -> Result<(Bytes, Self)> {
        blocking(move || {
            let read = self.file.bytes(chunk_range(self.plain_bytes, number));
            let sealed = read.map_err(|cause| self.damaged.told(&format!("{cause:?}")))?;
            let opened = self.key.open(number, number + 1 == self.count, &sealed);
            let bytes = opened.ok_or_else(|| self.damaged.told(&format!("chunk {number} does not open")))?;
            Ok((Bytes::from(bytes), self))
        })
        .await
    }
}

/// What a damaged document is called for the operator.
struct Damaged {
    attachment: String,
    object: String,
}

impl Damaged {
    fn told(&self, cause: &str) -> Error {
        tracing::error!(attachment = %self.attachment, object = %self.object, cause, "a document of an application cannot be opened");
        Error::Damaged(format!(
            "the attachment `{}` cannot be opened: its bytes in the store were changed or are gone, or it was sealed with another master key; the operator has to \
             bring back the store or the key",
            self.attachment
        ))
    }
}
