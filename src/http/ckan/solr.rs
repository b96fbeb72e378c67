//! The part of Solr's query language that clients of CKAN use: `field:value`, `field:"a value"`, `field:(a OR b)`, `field:[from TO to]`, `AND`, `OR`, `NOT`, `+`,
//! `-`, brackets; words without a field are looked for as a person's would be.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use crate::catalog::{Choice, Facet, Moment};

/// How deep brackets may stand in each other.
const MOST_DEPTH: usize = 20;

/// How many parts a query may have.
const MOST_PARTS: usize = 500;

type Answer<T> = std::result::Result<T, String>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Plus,
    /// A field; its value follows.
    Field(String),
    /// A word, or with quotes a phrase.
    Word(String, bool),
    /// `[from TO to]`
    Range(String, String),
}

/// Which datasets a query means.
///
/// # Errors
/// What is wrong with it, in words.
pub fn choice(text: &str) -> Answer<Choice> {
    let tokens = tokens(text)?;
    if tokens.len() > MOST_PARTS {
        return Err(format!("the query has {} parts; the most are {MOST_PARTS}", tokens.len()));
    }
    if tokens.is_empty() {
        return match text.trim() {
            "" => Ok(Choice::All),
            _ => Err("there is nothing to look for".to_owned()),
        };
    }
    let mut parser = Parser { tokens, at: 0 };
    let choice = parser.any(None, 0)?;
    match parser.peek() {
        None => Ok(choice),
        Some(token) => Err(format!("unexpected {token:?}")),
    }
}

fn tokens(text: &str) -> Answer<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter.is_whitespace() => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '+' => tokens.push(Token::Plus),
            '-' | '!' => tokens.push(Token::Not),
            '"' => tokens.push(Token::Word(until(&mut letters, '"')?, true)),
            '{' => return Err("ranges have their ends: write [from TO to]".to_owned()),
            '[' => {
                let range = until(&mut letters, ']')?;
                let (from, to) = range.split_once(" TO ").ok_or_else(|| format!("`[{range}]` is no range; write [from TO to]"))?;
                tokens.push(Token::Range(from.trim().to_owned(), to.trim().to_owned()));
            }
            '\\' => return Err("a backslash stands before nothing".to_owned()),
            first => {
                let mut word = String::from(first);
                let mut is_field = false;
                while let Some(next) = letters.peek().copied() {
                    if next.is_whitespace() || "()\"".contains(next) {
                        break;
                    }
                    letters.next();
                    match next {
                        // An address is a word.
                        ':' if letters.peek() != Some(&'/')
                            && word.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.*".contains(letter)) =>
                        {
                            is_field = true;
                            break;
                        }
                        '\\' => word.extend(letters.next()),
                        other => word.push(other),
                    }
                }
                tokens.push(match (is_field, word.as_str()) {
                    (true, _) => Token::Field(word),
                    (false, "AND" | "&&") => Token::And,
                    (false, "OR" | "||") => Token::Or,
                    (false, "NOT") => Token::Not,
                    (false, _) => Token::Word(word, false),
                });
            }
        }
    }
    Ok(tokens)
}

fn until(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, end: char) -> Answer<String> {
    let mut text = String::new();
    loop {
        match letters.next() {
            Some(letter) if letter == end => return Ok(text),
            Some('\\') => text.extend(letters.next()),
            Some(letter) => text.push(letter),
            None => return Err(format!("`{end}` is missing at the end")),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Parts with `OR` between them; inside of `field:( … )` words are values of the field.
    fn any(&mut self, field: Option<&str>, depth: usize) -> Answer<Choice> {
        if depth > MOST_DEPTH {
            return Err(format!("brackets stand more than {MOST_DEPTH} deep in each other"));
        }
        let mut any = vec![self.all(field, depth)?];
        while self.peek() == Some(&Token::Or) {
            self.take();
            any.push(self.all(field, depth)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Choice::Or(any) })
    }

    /// Parts that all have to hold.
    fn all(&mut self, field: Option<&str>, depth: usize) -> Answer<Choice> {
        let mut all = Vec::new();
        let mut words: Vec<String> = Vec::new();
        loop {
            match self.peek() {
                None | Some(Token::Close | Token::Or) => break,
                Some(Token::And | Token::Plus) => _ = self.take(),
                Some(Token::Word(..)) if field.is_none() => {
                    if let Some(Token::Word(word, quoted)) = self.take() {
                        words.push(if quoted { format!("\"{word}\"") } else { word });
                    }
                }
                Some(_) => all.push(self.one(field, depth)?),
            }
        }
        let question = words.join(" ");
        match question.as_str() {
            "" => {}
            "*" => all.push(Choice::All),
            _ => all.push(Choice::Question(question)),
        }
        if all.is_empty() {
            return Err("something is missing".to_owned());
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Choice::And(all) })
    }

    fn one(&mut self, field: Option<&str>, depth: usize) -> Answer<Choice> {
        match self.take() {
            Some(Token::Not) => {
                if depth > MOST_DEPTH {
                    return Err(format!("more than {MOST_DEPTH} times NOT"));
                }
                let inner = match self.peek() {
                    Some(Token::Word(..)) if field.is_none() => match self.take() {
                        Some(Token::Word(word, _)) => Choice::Question(word),
                        _ => Choice::None,
                    },
                    _ => self.one(field, depth + 1)?,
                };
                Ok(Choice::Not(Box::new(inner)))
            }
            Some(Token::Open) => {
                let inner = self.any(field, depth + 1)?;
                self.close()?;
                Ok(inner)
            }
            Some(Token::Field(name)) => match self.peek() {
                Some(Token::Open) => {
                    self.take();
                    let inner = self.any(Some(&name), depth + 1)?;
                    self.close()?;
                    Ok(inner)
                }
                Some(Token::Range(..)) => match self.take() {
                    Some(Token::Range(from, to)) => range(&name, &from, &to),
                    _ => Ok(Choice::None),
                },
                Some(Token::Word(..)) => match self.take() {
                    Some(Token::Word(value, quoted)) => value_of(&name, &value, quoted),
                    _ => Ok(Choice::None),
                },
                Some(Token::Plus | Token::Not | Token::Close | Token::And | Token::Or | Token::Field(_)) | None => {
                    Err(format!("`{name}:` has no value"))
                }
            },
            Some(Token::Word(value, quoted)) => match field {
                Some(name) => value_of(name, &value, quoted),
                None => Ok(Choice::Question(value)),
            },
            Some(Token::Range(from, to)) => match field {
                Some(name) => range(name, &from, &to),
                None => Err(format!("the range [{from} TO {to}] is of no field")),
            },
            Some(Token::Close | Token::And | Token::Or | Token::Plus) | None => Err("something is missing".to_owned()),
        }
    }

    fn close(&mut self) -> Answer<()> {
        match self.take() {
            Some(Token::Close) => Ok(()),
            _ => Err("`)` is missing".to_owned()),
        }
    }
}

/// The facets by the names that CKAN has for them.
pub fn facet(name: &str) -> Option<Facet> {
    Some(match name {
        "organization" | "owner_org" | "publisher" => Facet::Publisher,
        "groups" | "theme" => Facet::Theme,
        "tags" | "tag" => Facet::Tag,
        "res_format" | "format" => Facet::Resource,
        "license_id" => Facet::Licence,
        "open_type" => Facet::OpenType,
        "frequency" => Facet::Frequency,
        "high_value" => Facet::HighValue,
        "year" => Facet::Year,
        "name" | "id" => Facet::Slug,
        _ => return None,
    })
}

fn value_of(field: &str, value: &str, quoted: bool) -> Answer<Choice> {
    if value == "*" {
        return Ok(facet(field).map_or(Choice::All, Choice::Any));
    }
    if !quoted && value.contains(['*', '?', '~', '^']) {
        return Err(format!(
            "`{field}:{value}`: there are no wildcards, distances or weights; put the value in quotes if it is meant as it is"
        ));
    }
    if let Some(facet) = facet(field) {
        let value = if facet == Facet::Resource { value.to_lowercase() } else { value.to_owned() };
        return Ok(Choice::Has(facet, value));
    }
    let only = |is: &str| if value == is { Choice::All } else { Choice::None };
    match field {
        "*" => Ok(Choice::All),
        "title" | "notes" | "text" | "author" | "maintainer" => Ok(Choice::Question(value.to_owned())),
        // Every dataset that is listed is one, active, and seen by everybody.
        "state" => Ok(only("active")),
        "type" | "dataset_type" => Ok(only("dataset")),
        "capacity" => Ok(only("public")),
        "private" => Ok(only("false")),
        _ => Err(format!("undefined field {field}")),
    }
}

fn range(field: &str, from: &str, to: &str) -> Answer<Choice> {
    let moment = match field {
        "metadata_modified" => Moment::Updated,
        "metadata_created" => Moment::Created,
        _ => return Err(format!("`{field}` has no ranges; metadata_modified and metadata_created have")),
    };
    Ok(Choice::Between(moment, end(from)?, end(to)?))
}

/// An end of a range: a moment, a day, `NOW`, or `*` for none.
fn end(text: &str) -> Answer<Option<NaiveDateTime>> {
    if text == "*" {
        return Ok(None);
    }
    if text == "NOW" {
        return Ok(Some(crate::clock::now_naive()));
    }
    let moment = DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc).naive_utc());
    let plain = || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok();
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
    moment.or_else(plain).or_else(day).map(Some).ok_or_else(|| format!("`{text}` is no moment such as 2026-01-31T08:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_of_ckan_send_is_read() {
        let cases = [
            ("*:*", "All"),
            ("license_id:*", "Any(Licence)"),
            ("", "All"),
            ("organization:x OR organization:y", "Or([Has(Publisher, \"x\"), Has(Publisher, \"y\")])"),
            ("-organization:x", "Not(Has(Publisher, \"x\"))"),
            ("organization:(x OR y)", "Or([Has(Publisher, \"x\"), Has(Publisher, \"y\")])"),
            ("+state:active AND tags:\"two words\"", "And([All, Has(Tag, \"two words\")])"),
            ("res_format:CSV", "Has(Resource, \"csv\")"),
            ("air quality", "Question(\"air quality\")"),
            ("air organization:x quality", "And([Has(Publisher, \"x\"), Question(\"air quality\")])"),
            ("http://example.org", "Question(\"http://example.org\")"),
        ];
        for (text, meant) in cases {
            assert_eq!(format!("{:?}", choice(text).unwrap()), meant, "{text}");
        }
        assert!(matches!(choice("metadata_modified:[2026-01-01T00:00:00Z TO *]"), Ok(Choice::Between(Moment::Updated, Some(_), None))));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for text in [
            "nothing:x",
            "(a",
            "a)",
            "organization:",
            "\"a",
            "year:[1 TO 2]",
            "metadata_modified:[x TO *]",
            "[1 TO 2]",
            "AND",
            "organization:()",
            "name:xuhui*",
            "title:a~2",
            "metadata_modified:{* TO *}",
            &"(".repeat(100),
            &"-".repeat(100),
        ] {
            assert!(choice(text).is_err(), "{text}");
        }
    }
}
