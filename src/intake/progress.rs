//! How far the work is, for whoever watches; counted where the bytes of the source are read.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Step, Watch};

/// Bytes after which a pass that writes no rows tells the watcher.
const TELL_BYTES: u64 = 4 << 20;

/// Counts bytes and rows, and asks the watcher whether to go on.
pub struct Progress<'a> {
    watch: Watch<'a>,
    done: AtomicU64,
    total: AtomicU64,
    rows: AtomicU64,
    /// What was done when the watcher was told last.
    told: AtomicU64,
}

impl<'a> Progress<'a> {
    /// Nothing is done yet.
    pub fn new(watch: Watch<'a>) -> Self {
        Progress { watch, done: AtomicU64::new(0), total: AtomicU64::new(0), rows: AtomicU64::new(0), told: AtomicU64::new(0) }
    }

    /// One more pass over so many bytes is to come.
    pub fn plan(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes of the source were read.
    pub fn read(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes of the source were read, in all passes so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// So many rows were written.
    pub fn wrote(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// From here on other rows are written.
    pub fn begin_rows(&self) {
        self.rows.store(0, Ordering::Relaxed);
    }

    /// Tells the watcher where enough was read since it was told last; answers whether to stop.
    pub fn stopped_at_last(&self) -> bool {
        let done = self.done();
        if done < self.told.load(Ordering::Relaxed) + TELL_BYTES {
            return false;
        }
        self.told.store(done, Ordering::Relaxed);
        self.stopped()
    }

    /// Tells the watcher; answers whether to stop.
    pub fn stopped(&self) -> bool {
        let done_bytes = self.done();
        let total_bytes = self.total.load(Ordering::Relaxed).max(done_bytes);
        (self.watch)(Step { done_bytes, total_bytes, rows: self.rows.load(Ordering::Relaxed) }).is_break()
    }
}

/// A reader that counts what it reads.
pub struct Counted<'p, 'a, R> {
    inner: R,
    progress: &'p Progress<'a>,
}

impl<'p, 'a, R> Counted<'p, 'a, R> {
    pub fn new(inner: R, progress: &'p Progress<'a>) -> Self {
        Counted { inner, progress }
    }
}

impl<R: Read> Read for Counted<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.read(read as u64);
        Ok(read)
    }
}
