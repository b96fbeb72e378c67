//! Content codings (RFC 9110 §8.4.1): exports of text, compressed once and kept like the others.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::error::{Error, Result};
use crate::storage::{DigestWriter, Digested};

/// How hard each coding tries: what is made once and sent often may take a little longer.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;
const BROTLI_QUALITY: u32 = 5;

/// The window of brotli, as the exponent of 2; browsers take up to 24.
const BROTLI_WINDOW: u32 = 22;

const BUFFER_BYTES: usize = 64 << 10;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// Zstandard (RFC 8878).
    Zstd,
    /// Brotli (RFC 7932).
    Brotli,
    /// Gzip (RFC 1952).
    Gzip,
}

impl Coding {
    /// Every coding; of those that a caller likes equally, the first is taken.
    pub const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

    /// Its name in HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    /// The ending of a file with it.
    pub fn ending(self) -> &'static str {
        match self {
            Coding::Zstd => "zst",
            Coding::Brotli => "br",
            Coding::Gzip => "gz",
        }
    }
}

/// Where an export is written to, through its coding.
pub(super) enum Sink {
    Plain(DigestWriter),
    Gzip(GzEncoder<DigestWriter>),
    Brotli(Box<brotli::CompressorWriter<DigestWriter>>),
    Zstd(zstd::stream::write::Encoder<'static, DigestWriter>),
}

impl Sink {
    pub(super) fn new(to: DigestWriter, coding: Option<Coding>) -> Result<Self> {
        Ok(match coding {
            None => Sink::Plain(to),
            Some(Coding::Gzip) => Sink::Gzip(GzEncoder::new(to, Compression::new(GZIP_LEVEL))),
            Some(Coding::Brotli) => Sink::Brotli(Box::new(brotli::CompressorWriter::new(to, BUFFER_BYTES, BROTLI_QUALITY, BROTLI_WINDOW))),
            Some(Coding::Zstd) => {
                let mut encoder = zstd::stream::write::Encoder::new(to, ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Sink::Zstd(encoder)
            }
        })
    }

    /// Ends the file. Brotli swallows an error here, of which the writer below knows.
    pub(super) fn finish(self) -> Result<Digested> {
        let writer = match self {
            Sink::Plain(writer) => writer,
            Sink::Gzip(encoder) => encoder.finish().map_err(Error::from)?,
            Sink::Brotli(encoder) => encoder.into_inner(),
            Sink::Zstd(encoder) => encoder.finish().map_err(Error::from)?,
        };
        writer.finish()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Plain(to) => to.write(bytes),
            Sink::Gzip(to) => to.write(bytes),
            Sink::Brotli(to) => to.write(bytes),
            Sink::Zstd(to) => to.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Plain(to) => to.flush(),
            Sink::Gzip(to) => to.flush(),
            Sink::Brotli(to) => to.flush(),
            Sink::Zstd(to) => to.flush(),
        }
    }
}
