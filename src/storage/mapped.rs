//! Objects on their way out: windows of a memory map, so that the bytes of a file are copied once, into the socket.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use memmap2::{Mmap, MmapOptions};

use crate::error::{Error, Result};

/// How much is mapped at once. A reader holds the window that it sends and the next one, so that 16 readers of files of any size
/// keep 128 MiB resident at the most.
const WINDOW_BYTES: u64 = 4 << 20;

/// The size of one piece of a body.
const PIECE_BYTES: usize = 256 << 10;

/// A range below this is read plainly: a map costs more than the copy.
const MAPPED_FROM_BYTES: u64 = 64 << 10;

/// An object that is open for reading.
#[derive(Debug, Clone)]
pub struct OpenObject {
    file: Arc<File>,
    size_bytes: u64,
}

impl OpenObject {
    pub(super) fn new(file: File, size_bytes: u64) -> Self {
        OpenObject { file: Arc::new(file), size_bytes }
    }

    /// Whether a part is so small that it is read plainly.
    pub(super) fn is_small(range: &Range<u64>) -> bool {
        range.end.saturating_sub(range.start) < MAPPED_FROM_BYTES
    }

    /// A part of the object. A large one is mapped, and its pages are brought into memory before this returns: it blocks, so that
    /// whoever sends the bytes does not.
    ///
    /// # Errors
    /// When the object has no such part, or it cannot be read.
    pub fn bytes(&self, range: Range<u64>) -> Result<Bytes> {
        if range.start > range.end || range.end > self.size_bytes {
            return Err(Error::internal(anyhow::anyhow!("an object of {} bytes has no range {range:?}", self.size_bytes)));
        }
        let length = usize::try_from(range.end - range.start).map_err(Error::internal)?;
        if Self::is_small(&range) {
            let mut bytes = vec![0; length];
            self.file.read_exact_at(&mut bytes, range.start)?;
            return Ok(Bytes::from(bytes));
        }
        Ok(Bytes::from_owner(map(&self.file, range.start, length)?))
    }

    /// A part of the object as a stream of pieces. The next window is made ready, away from the caller's thread, while the one
    /// before is sent: a file that is not in memory yet never holds up an HTTP worker by a page fault.
    pub fn stream(self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let windows = std::iter::successors(Some(range.start), |at| Some(at.saturating_add(WINDOW_BYTES)))
            .take_while({
                let end = range.end;
                move |at| *at < end
            })
            .map(move |at| at..at.saturating_add(WINDOW_BYTES).min(range.end));
        futures::stream::iter(windows)
            .map(move |window| {
                let object = self.clone();
                tokio::task::spawn_blocking(move || object.bytes(window))
            })
            // One is being sent and the next one in the making: a task that has started needs nobody who waits for it.
            .buffered(2)
            .map(|joined| joined.map_err(Error::internal).flatten())
            .map(pieces)
            .flatten()
            .boxed()
    }
}

/// Slices of one window, which goes when the last slice goes.
fn pieces(window: Result<Bytes>) -> BoxStream<'static, Result<Bytes>> {
    match window {
        Err(cause) => futures::stream::once(std::future::ready(Err(cause))).boxed(),
        Ok(window) => futures::stream::iter((0..window.len()).step_by(PIECE_BYTES).map(move |at| {
            let end = (at + PIECE_BYTES).min(window.len());
            Ok(window.slice(at..end))
        }))
        .boxed(),
    }
}

#[expect(unsafe_code, reason = "a memory map is the one way to send a file without copying it into the process first")]
fn map(file: &File, offset: u64, length: usize) -> Result<Mmap> {
    // SAFETY: the map is read-only, and the bytes below it never change: an object is written under another name, gets its own
    // name when it is complete, is named after its digest and never opened for writing again. Removing it takes its name only.
    Ok(unsafe { MmapOptions::new().offset(offset).len(length).populate().map(file)? })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn object(size: usize) -> (OpenObject, Vec<u8>) {
        let bytes: Vec<u8> = (0..size).map(|at| (at * 7 + at / 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (OpenObject::new(file, size as u64), bytes)
    }

    #[tokio::test]
    async fn every_range_comes_whole_and_in_order() {
        let size = 2 * WINDOW_BYTES as usize + 12_345;
        let (object, bytes) = object(size);
        for range in [0..0, 0..1, 0..size, 1..size, 4095..70_000, size - 10..size, WINDOW_BYTES as usize - 1..size] {
            let mut read = Vec::new();
            let mut stream = object.clone().stream(range.start as u64..range.end as u64);
            while let Some(piece) = stream.next().await {
                read.extend_from_slice(&piece.unwrap());
            }
            assert!(read == bytes[range.clone()], "{range:?}");
        }
    }

    #[tokio::test]
    async fn a_range_outside_is_an_error_and_not_a_short_body() {
        let (object, _) = object(100);
        assert!(object.bytes(90..101).is_err());
        let mut stream = object.stream(90..200);
        assert!(stream.next().await.unwrap().is_err());
    }
}
