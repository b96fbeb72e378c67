//! Well-known binary: written as ISO WKB in little-endian order, and read in either order and with the flags of EWKB.

use super::{Body, KINDS, MAX_DEPTH, Positions, Shape};

/// Flags of EWKB.
const HAS_Z: u32 = 0x8000_0000;
const HAS_M: u32 = 0x4000_0000;
const HAS_SRID: u32 = 0x2000_0000;

/// WGS 84 by its number at EPSG.
const WGS_84: u32 = 4326;

/// Writes a shape whose positions have that many numbers.
pub fn write(shape: &Shape, dimensions: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_shape(shape, dimensions, &mut bytes);
    bytes
}

fn write_shape(shape: &Shape, dimensions: usize, to: &mut Vec<u8>) {
    head(shape.kind, dimensions, to);
    match &shape.body {
        Body::Positions(positions) => write_positions(shape.kind, positions, dimensions, to),
        Body::Parts(parts) => {
            count(parts.len(), to);
            parts.iter().for_each(|part| write_shape(part, dimensions, to));
        }
    }
}

fn head(kind: u32, dimensions: usize, to: &mut Vec<u8>) {
    to.push(1);
    to.extend((if dimensions == 3 { kind + 1000 } else { kind }).to_le_bytes());
}

fn count(length: usize, to: &mut Vec<u8>) {
    to.extend((length as u32).to_le_bytes());
}

fn write_positions(kind: u32, positions: &Positions, dimensions: usize, to: &mut Vec<u8>) {
    match positions {
        Positions::One(numbers) => numbers.iter().for_each(|number| to.extend(number.to_le_bytes())),
        Positions::Many(list) => {
            count(list.len(), to);
            for positions in list {
                // Each part of a multi-shape is a shape of its own.
                let part = if kind > 3 { kind - 3 } else { kind };
                if kind > 3 {
                    head(part, dimensions, to);
                }
                write_positions(part, positions, dimensions, to);
            }
        }
    }
}

/// Reads a shape; `None` where the bytes are none, hold measures, or are in another reference system than WGS 84.
pub fn read(bytes: &[u8]) -> Option<Shape> {
    let mut reader = Reader { rest: bytes, little: true };
    let shape = reader.shape(0)?;
    reader.rest.is_empty().then_some(shape)
}

struct Reader<'a> {
    rest: &'a [u8],
    little: bool,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    fn word(&mut self) -> Option<u32> {
        let bytes = self.take()?;
        Some(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn number(&mut self) -> Option<f64> {
        let bytes = self.take()?;
        Some(if self.little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) })
    }

    fn head(&mut self) -> Option<(u32, usize)> {
        self.little = match self.take::<1>()? {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        let word = self.word()?;
        if word & HAS_SRID != 0 && self.word()? != WGS_84 {
            return None;
        }
        let kind = word & !(HAS_Z | HAS_M | HAS_SRID);
        let height = word & HAS_Z != 0 || kind / 1000 == 1;
        let measured = word & HAS_M != 0 || kind / 1000 > 1;
        (!measured).then_some((kind % 1000, if height { 3 } else { 2 }))
    }

    fn shape(&mut self, depth: usize) -> Option<Shape> {
        if depth > MAX_DEPTH {
            return None;
        }
        let (kind, dimensions) = self.head()?;
        let (_, _, brackets) = *KINDS.iter().find(|(known, ..)| *known == kind)?;
        let body = match kind {
            7 => Body::Parts(self.list(|reader| reader.shape(depth + 1))?),
            4..=6 => Body::Positions(Positions::Many(self.list(|reader| match reader.shape(depth + 1)? {
                Shape { kind: part, body: Body::Positions(positions) } if part == kind - 3 => Some(positions),
                _ => None,
            })?)),
            _ => Body::Positions(self.positions(brackets, dimensions)?),
        };
        Some(Shape { kind, body })
    }

    fn positions(&mut self, brackets: usize, dimensions: usize) -> Option<Positions> {
        if brackets == 1 {
            return (0..dimensions).map(|_| self.number()).collect::<Option<_>>().map(Positions::One);
        }
        self.list(|reader| reader.positions(brackets - 1, dimensions)).map(Positions::Many)
    }

    fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        // The count may be made up: nothing is reserved for it.
        (0..self.word()?).map(|_| element(self)).collect()
    }
}
