//! Encodings: whatever a text file is written in comes out as UTF-8. A character is never replaced by another: what cannot be decoded is
//! a fault with its line.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, GB18030, UTF_16BE, UTF_16LE};

use super::FileFault;
use super::faults::{Stop, io_fault};
use super::progress::Progress;
use super::unpack::Packed;

/// Bytes that are decoded at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// How much of a file is looked at to tell what it is.
pub const LOOK_BYTES: usize = 64 << 10;

/// What a text is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// GB18030, which holds GBK and GB2312.
    Gb18030,
    /// UTF-16, the low byte first.
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
    /// None of these: the bytes come out as they are, and whoever takes them finds where the fault is.
    Unknown,
}

impl Encoding {
    /// The encoding as a report names it.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 | Encoding::Unknown => "utf-8",
            Encoding::Gb18030 => "gb18030",
            Encoding::Utf16Le => "utf-16le",
            Encoding::Utf16Be => "utf-16be",
        }
    }
}

/// A text file: how it is packed and what it is written in.
#[derive(Debug, Clone)]
pub struct TextFile {
    pub packed: Packed,
    pub encoding: Encoding,
    /// Whether cells must be looked at for bytes that are no text.
    pub suspect: bool,
}

/// Fills the buffer as far as there is something to read.
pub fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(filled)
}

/// Tells UTF-16 by its mark, or by zero bytes that all stand at one side of their pairs.
pub fn utf16(start: &[u8]) -> Option<Encoding> {
    match start {
        [0xFF, 0xFE, ..] => return Some(Encoding::Utf16Le),
        [0xFE, 0xFF, ..] => return Some(Encoding::Utf16Be),
        _ => {}
    }
    let zeros = |odd: usize| start.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    // Digits, delimiters and line ends are such pairs in any table; 1 in 16 is few of them. Fewer than three are stray bytes.
    let enough = |count: usize| count * 16 >= start.len() / 2 && count > 2;
    match (even, odd) {
        (0, odd) if enough(odd) => Some(Encoding::Utf16Le),
        (even, 0) if enough(even) => Some(Encoding::Utf16Be),
        _ => utf16_of_other_script(start),
    }
}

/// Tells UTF-16 in which few characters are Latin, or some have zero for their low byte (一): read from the right side it is text with
/// line ends and delimiters, which from the wrong side are no characters or rare ones.
fn utf16_of_other_script(start: &[u8]) -> Option<Encoding> {
    let zeros = start.iter().filter(|byte| **byte == 0).count();
    // Text with a few stray zeros.
    if zeros == 0 || (zeros * 8 < start.len() && std::str::from_utf8(start).is_ok()) {
        return None;
    }
    let little = separators(start, u16::from_le_bytes);
    let big = separators(start, u16::from_be_bytes);
    match (little, big) {
        (Some(little), big) if little > 1 && little > big.unwrap_or_default() => Some(Encoding::Utf16Le),
        (little, Some(big)) if big > 1 && big > little.unwrap_or_default() => Some(Encoding::Utf16Be),
        _ => None,
    }
}

/// Line ends, delimiters and quotes of the bytes read as UTF-16; `None` where they are no text.
fn separators(start: &[u8], unit: fn([u8; 2]) -> u16) -> Option<usize> {
    let units = start.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let last = start.len() / 2;
    let (mut count, mut read) = (0, 0);
    for character in char::decode_utf16(units) {
        read += character.as_ref().map_or(1, |character| character.len_utf16());
        match character {
            Ok('\n' | '\r' | '\t' | ',' | ';' | '"') => count += 1,
            Ok(other) if other.is_control() || matches!(other, '\u{FFFE}' | '\u{FFFF}') => return None,
            Ok(_) => {}
            // The last character of a piece may be cut in two.
            Err(half) if read == last && (0xD800..0xDC00).contains(&half.unpaired_surrogate()) => {}
            Err(_) => return None,
        }
    }
    Some(count)
}

/// Reads the whole file to tell what it is written in: valid UTF-8 wins, and else GB18030 if it can be decoded to its end.
pub fn survey(packed: Packed, start: &[u8], progress: &Progress<'_>) -> Result<TextFile, Stop> {
    if let Some(encoding) = utf16(start) {
        // Its faults are found while it is decoded.
        return Ok(TextFile { packed, encoding, suspect: true });
    }
    progress.plan(size(&packed)?);
    let mut nul = false;
    if is_utf8(&packed, progress, &mut nul)? {
        return Ok(TextFile { packed, encoding: Encoding::Utf8, suspect: nul });
    }
    progress.plan(size(&packed)?);
    let gb18030 = TextFile { packed: packed.clone(), encoding: Encoding::Gb18030, suspect: true };
    let mut text = gb18030.open(progress)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match text.read(&mut buffer) {
            Ok(0) => return Ok(gb18030),
            Ok(_read) if progress.stopped_at_last() => return Err(Stop::Gone),
            Ok(_read) => {}
            Err(cause) if super::faults::carried(&cause).is_some_and(|fault| fault.line.is_some()) => break,
            Err(cause) => return Err(cause.into()),
        }
    }
    Ok(TextFile { packed, encoding: Encoding::Unknown, suspect: true })
}

/// The size of the file as it lies there.
pub fn size(packed: &Packed) -> Result<u64, Stop> {
    Ok(crate::storage::open_file(&packed.path)?.metadata()?.len())
}

fn is_utf8(packed: &Packed, progress: &Progress<'_>, nul: &mut bool) -> Result<bool, Stop> {
    let mut from = packed.open(progress)?;
    let mut buffer = vec![0; CHUNK_BYTES * 4];
    let mut kept = 0;
    loop {
        let read = fill(&mut *from, &mut buffer[kept..])?;
        let end = kept + read;
        if read == 0 {
            return Ok(kept == 0);
        }
        *nul = *nul || buffer[kept..end].contains(&0);
        let valid = match std::str::from_utf8(&buffer[..end]) {
            Ok(_) => end,
            // A character may be cut in two by the end of the buffer.
            Err(cause) if cause.error_len().is_none() => cause.valid_up_to(),
            Err(_) => return Ok(false),
        };
        buffer.copy_within(valid..end, 0);
        kept = end - valid;
        if progress.stopped_at_last() {
            return Err(Stop::Gone);
        }
    }
}

impl TextFile {
    /// The text as UTF-8 without byte order mark.
    pub fn open<'p, 'a: 'p>(&self, progress: &'p Progress<'a>) -> Result<Box<dyn Read + Send + 'p>, Stop> {
        let mut from = self.packed.open(progress)?;
        let decoder = match self.encoding {
            Encoding::Utf8 | Encoding::Unknown => {
                let mut start = [0; 3];
                let read = fill(&mut *from, &mut start)?;
                let skip = if start[..read] == [0xEF, 0xBB, 0xBF] { 3 } else { 0 };
                return Ok(Box::new(io::Cursor::new(start[skip..read].to_vec()).chain(from)));
            }
            Encoding::Gb18030 => GB18030.new_decoder_without_bom_handling(),
            Encoding::Utf16Le => UTF_16LE.new_decoder_with_bom_removal(),
            Encoding::Utf16Be => UTF_16BE.new_decoder_with_bom_removal(),
        };
        Ok(Box::new(Decoded {
            inner: from,
            decoder,
            encoding: self.encoding,
            raw: vec![0; CHUNK_BYTES],
            raw_at: 0,
            raw_end: 0,
            text: vec![0; CHUNK_BYTES * 2],
            text_at: 0,
            text_end: 0,
            line: 1,
            last: false,
            done: false,
        }))
    }
}

struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    encoding: Encoding,
    raw: Vec<u8>,
    raw_at: usize,
    raw_end: usize,
    text: Vec<u8>,
    text_at: usize,
    text_end: usize,
    line: u64,
    last: bool,
    done: bool,
}

impl<R: Read> Decoded<R> {
    /// Decodes the next piece of text.
    fn advance(&mut self) -> io::Result<()> {
        if self.raw_at == self.raw_end && !self.last {
            self.raw_end = self.inner.read(&mut self.raw)?;
            self.raw_at = 0;
            self.last = self.raw_end == 0;
        }
        let raw = &self.raw[self.raw_at..self.raw_end];
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(raw, &mut self.text, self.last);
        self.raw_at += read;
        (self.text_at, self.text_end) = (0, written);
        self.line += self.text[..written].iter().filter(|byte| **byte == b'\n').count() as u64;
        match result {
            DecoderResult::InputEmpty => self.done = self.last,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(_, _) => {
                let detail = match self.encoding {
                    Encoding::Utf16Le | Encoding::Utf16Be => "half of a pair of UTF-16 (a lone surrogate); save the file as UTF-8",
                    Encoding::Utf8 | Encoding::Gb18030 | Encoding::Unknown => {
                        "the bytes are no character of GB18030; save the file as UTF-8"
                    }
                };
                return Err(io_fault(FileFault::at(self.line, detail)));
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.text_at == self.text_end && !self.done {
            self.advance()?;
        }
        let length = buffer.len().min(self.text_end - self.text_at);
        buffer[..length].copy_from_slice(&self.text[self.text_at..self.text_at + length]);
        self.text_at += length;
        Ok(length)
    }
}
