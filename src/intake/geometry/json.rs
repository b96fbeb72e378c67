//! GeoJSON geometries as text. Numbers are read by the standard library, which rounds correctly, so that none changes on the way.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Body, KINDS, MAX_DEPTH, Positions, Shape};

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    coordinates: Option<&'a RawValue>,
    #[serde(borrow)]
    geometries: Option<Vec<&'a RawValue>>,
}

/// Reads a geometry; answers what is wrong with it.
pub fn read(text: &str) -> Result<Shape, String> {
    shape(text, 0)
}

fn shape(text: &str, depth: usize) -> Result<Shape, String> {
    if depth > MAX_DEPTH {
        return Err("geometry collections are nested too deep".to_owned());
    }
    let raw: Raw<'_> = serde_json::from_str(text).map_err(|cause| format!("it is no JSON object of a geometry: {cause}"))?;
    let name = raw.kind.ok_or("it has no `type`")?;
    let (kind, _, brackets) =
        *KINDS.iter().find(|(_, known, _)| *known == name).ok_or_else(|| format!("there is no type of geometry named `{name}`"))?;
    if brackets == 0 {
        let parts = raw.geometries.ok_or("it has no `geometries`")?;
        let parts = parts.iter().map(|part| shape(part.get(), depth + 1)).collect::<Result<_, _>>()?;
        return Ok(Shape { kind, body: Body::Parts(parts) });
    }
    let text = raw.coordinates.ok_or("it has no `coordinates`")?.get();
    let mut cursor = Cursor { rest: text.as_bytes() };
    let positions = cursor.positions(brackets)?;
    check(kind, &positions)?;
    Ok(Shape { kind, body: Body::Positions(positions) })
}

/// Lines have two ends, and rings are closed.
fn check(kind: u32, positions: &Positions) -> Result<(), String> {
    let Positions::Many(list) = positions else { return Ok(()) };
    match kind {
        2 if list.len() < 2 => Err("a line has at least two positions".to_owned()),
        3 if !list.iter().all(is_ring) => {
            Err("a ring of a polygon has at least four positions and is closed: the last one is the first".to_owned())
        }
        5 => list.iter().try_for_each(|line| check(2, line)),
        6 => list.iter().try_for_each(|polygon| check(3, polygon)),
        _ => Ok(()),
    }
}

fn is_ring(positions: &Positions) -> bool {
    matches!(positions, Positions::Many(ring) if ring.len() >= 4 && ring.first() == ring.last())
}

/// Reads lists of lists of numbers; the text is known to be JSON.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.first().copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.peek() != Some(byte) {
            return Err("its `coordinates` are not nested as its type wants it, with numbers inside".to_owned());
        }
        self.rest = &self.rest[1..];
        Ok(())
    }

    fn positions(&mut self, brackets: usize) -> Result<Positions, String> {
        self.expect(b'[')?;
        if brackets == 1 {
            let mut numbers = Vec::with_capacity(2);
            self.list(|cursor| cursor.number().map(|number| numbers.push(number)))?;
            if !(2..=3).contains(&numbers.len()) {
                return Err("a position has two numbers, or three with its height".to_owned());
            }
            return Ok(Positions::One(numbers));
        }
        let mut list = Vec::new();
        self.list(|cursor| cursor.positions(brackets - 1).map(|positions| list.push(positions)))?;
        Ok(Positions::Many(list))
    }

    /// Reads to the closing bracket.
    fn list(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        if self.peek() == Some(b']') {
            return self.expect(b']');
        }
        loop {
            element(self)?;
            if self.peek() == Some(b']') {
                return self.expect(b']');
            }
            self.expect(b',')?;
        }
    }

    fn number(&mut self) -> Result<f64, String> {
        self.peek();
        let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let length = self.rest.iter().position(|byte| !is_part(byte)).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()).filter(|number| number.is_finite());
        number.ok_or_else(|| "one of its `coordinates` is no number".to_owned())
    }
}

/// Writes a geometry.
pub fn write(shape: &Shape) -> String {
    let mut text = String::new();
    write_shape(shape, &mut text);
    text
}

fn write_shape(shape: &Shape, to: &mut String) {
    let name = KINDS.iter().find(|(kind, ..)| *kind == shape.kind).map_or("", |(_, name, _)| name);
    to.push_str("{\"type\":\"");
    to.push_str(name);
    match &shape.body {
        Body::Positions(positions) => {
            to.push_str("\",\"coordinates\":");
            write_positions(positions, to);
        }
        Body::Parts(parts) => {
            to.push_str("\",\"geometries\":");
            write_list(parts, to, write_shape);
        }
    }
    to.push('}');
}

fn write_positions(positions: &Positions, to: &mut String) {
    match positions {
        Positions::One(numbers) => write_list(numbers, to, |number, to| to.push_str(&number.to_string())),
        Positions::Many(list) => write_list(list, to, write_positions),
    }
}

fn write_list<T>(list: &[T], to: &mut String, mut write: impl FnMut(&T, &mut String)) {
    to.push('[');
    for (at, element) in list.iter().enumerate() {
        if at > 0 {
            to.push(',');
        }
        write(element, to);
    }
    to.push(']');
}
