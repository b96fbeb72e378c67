//! A file in the making: its digest is taken while it is written, and somebody may read it meanwhile.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::watch;

use crate::crypto::Sha256;
use crate::error::{Error, Result};

/// How much of a growing file is read at once.
const PIECE_BYTES: u64 = 256 << 10;

/// How far a file in the making has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// So many bytes are written.
    Written(u64),
    /// It is complete with so many bytes.
    Complete(u64),
    /// It will never be complete.
    Failed,
}

/// The digest and size of what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digested {
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// The size.
    pub size_bytes: u64,
}

/// Writes a file, takes its digest on the way, and tells how far it is.
pub struct DigestWriter {
    file: File,
    digest: Sha256,
    size_bytes: u64,
    growth: Option<watch::Sender<Growth>>,
    /// A write went wrong. Some encoders swallow that at their end.
    is_broken: bool,
}

impl DigestWriter {
    pub(super) fn new(file: File) -> Self {
        DigestWriter { file, digest: Sha256::default(), size_bytes: 0, growth: None, is_broken: false }
    }

    /// Tells every write to those who follow the file.
    #[must_use]
    pub fn telling(mut self, growth: watch::Sender<Growth>) -> Self {
        self.growth = Some(growth);
        self
    }

    /// What was written. Whoever gives it up beforehand leaves those who follow with [`Growth::Failed`].
    ///
    /// # Errors
    /// When a write went wrong, also if whoever wrote did not say so.
    pub fn finish(mut self) -> Result<Digested> {
        if self.is_broken {
            return Err(Error::internal(anyhow::anyhow!("a file could not be written to its end")));
        }
        if let Some(growth) = self.growth.take() {
            growth.send_replace(Growth::Complete(self.size_bytes));
        }
        Ok(Digested { sha256: std::mem::take(&mut self.digest).finish(), size_bytes: self.size_bytes })
    }
}

impl Write for DigestWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes).inspect_err(|cause| self.is_broken |= cause.kind() != io::ErrorKind::Interrupted)?;
        self.digest.update(&bytes[..written]);
        self.size_bytes += written as u64;
        if let Some(growth) = &self.growth {
            growth.send_replace(Growth::Written(self.size_bytes));
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for DigestWriter {
    fn drop(&mut self) {
        if let Some(growth) = self.growth.take() {
            growth.send_replace(Growth::Failed);
        }
    }
}

/// The bytes of a growing file from its start, as they are written. The stream ends when the file is complete, and with an error
/// when it never will be. How slow the reader is does not hold up the writer.
pub(super) fn follow(file: File, growth: watch::Receiver<Growth>) -> BoxStream<'static, Result<Bytes>> {
    let file = Arc::new(file);
    let pieces = futures::stream::unfold(Some((file, growth, 0)), |state| async move {
        let (file, mut growth, at) = state?;
        match next(&file, &mut growth, at).await {
            Ok(None) => None,
            Ok(Some(piece)) => {
                let at = at + piece.len() as u64;
                Some((Ok(piece), Some((file, growth, at))))
            }
            // After an error the stream ends.
            Err(cause) => Some((Err(cause), None)),
        }
    });
    pieces.boxed()
}

async fn next(file: &Arc<File>, growth: &mut watch::Receiver<Growth>, at: u64) -> Result<Option<Bytes>> {
    let broken = || Error::internal(anyhow::anyhow!("a file could not be made while it was sent"));
    let has_news = |growth: &Growth| !matches!(growth, Growth::Written(written) if *written <= at);
    // The sender is gone only when it has said how it ended.
    let seen = *growth.wait_for(has_news).await.map_err(|_gone| broken())?;
    let end = match seen {
        Growth::Failed => return Err(broken()),
        Growth::Complete(size) if size <= at => return Ok(None),
        Growth::Written(written) | Growth::Complete(written) => written,
    };
    let length = (end - at).min(PIECE_BYTES) as usize;
    let file = Arc::clone(file);
    let read = move || {
        let mut piece = vec![0; length];
        file.read_exact_at(&mut piece, at)?;
        Ok(Some(Bytes::from(piece)))
    };
    crate::db::blocking(read).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growing() -> (DigestWriter, BoxStream<'static, Result<Bytes>>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (sender, receiver) = watch::channel(Growth::Written(0));
        let stream = follow(file.reopen().unwrap(), receiver);
        (DigestWriter::new(file.into_file()).telling(sender), stream)
    }

    #[tokio::test]
    async fn a_reader_gets_what_is_written_and_then_the_end() {
        let (mut writer, mut stream) = growing();
        writer.write_all(b"ab").unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), "ab");
        let reading = tokio::spawn(async move { (stream.next().await.unwrap().unwrap(), stream.next().await.is_none()) });
        writer.write_all(b"c").unwrap();
        let digested = writer.finish().unwrap();
        assert_eq!(reading.await.unwrap(), (Bytes::from_static(b"c"), true));
        assert_eq!(digested, Digested { sha256: crate::crypto::sha256_hex(b"abc"), size_bytes: 3 });
    }

    #[tokio::test]
    async fn a_reader_of_a_broken_file_gets_an_error() {
        let (mut writer, mut stream) = growing();
        writer.write_all(b"ab").unwrap();
        drop(writer);
        assert!(stream.next().await.unwrap().is_err());
        assert!(stream.next().await.is_none());
    }
}
