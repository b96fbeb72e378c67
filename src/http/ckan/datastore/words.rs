//! `q`: words that stand in a row, or in one of its fields. With `plain` every word has to be there; without it words are combined as PostgreSQL's
//! `to_tsquery` has it: `a & b`, `a | !b`, brackets, `a:*`.
//!
//! A word is found wherever it stands, also inside of a longer one, since Chinese has no spaces between words.

use serde_json::Value;

use crate::http::ckan::Fault;
use crate::read::numbered::Filter;

/// The most words of a question.
const MOST_WORDS: usize = 20;

/// How deep brackets may stand in each other.
const MOST_DEPTH: usize = 5;

/// What has to hold by a question: a text for all fields, or an object with a text for each.
pub(super) fn filter(name: &str, question: &Value, plain: bool) -> Result<Vec<Filter>, Fault> {
    let texts: Vec<(Option<&str>, String)> = match question {
        Value::Null => Vec::new(),
        Value::String(text) => vec![(None, text.clone())],
        Value::Number(number) => vec![(None, number.to_string())],
        Value::Object(fields) => fields
            .iter()
            .map(|(field, value)| match value {
                Value::String(text) => Ok((Some(field.as_str()), text.clone())),
                Value::Number(number) => Ok((Some(field.as_str()), number.to_string())),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                    Err(Fault::validation(name, format!("what is looked for in `{field}` is a text")))
                }
            })
            .collect::<Result<_, Fault>>()?,
        Value::Bool(_) | Value::Array(_) => return Err(Fault::validation(name, "is a text, or an object with a text for each field")),
    };
    let mut found = Vec::new();
    for (field, text) in texts {
        let holds = |word: &str| Filter::Holds { field: field.map(str::to_owned), text: word.to_owned() };
        if plain {
            found.extend(text.split_whitespace().map(holds));
        } else if !text.trim().is_empty() {
            let mut reader = Reader { tokens: tokens(name, &text)?, at: 0, name, holds: &holds };
            found.push(reader.whole()?);
        }
        if found.len() > MOST_WORDS {
            return Err(too_many(name));
        }
    }
    Ok(found)
}

fn too_many(name: &str) -> Fault {
    Fault::validation(name, format!("has more than {MOST_WORDS} words"))
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    And,
    Or,
    Not,
    Open,
    Close,
    Word(String),
}

fn tokens(name: &str, text: &str) -> Result<Vec<Token>, Fault> {
    let (mut tokens, mut letters, mut words) = (Vec::new(), text.chars().peekable(), 0);
    while let Some(letter) = letters.next() {
        tokens.push(match letter {
            letter if letter.is_whitespace() => continue,
            '&' => Token::And,
            '|' => Token::Or,
            '!' => Token::Not,
            '(' => Token::Open,
            ')' => Token::Close,
            '<' => return Err(Fault::validation(name, "words next to each other, as by <->, are not looked for; write &")),
            '\'' => {
                let mut word = String::new();
                loop {
                    match letters.next() {
                        Some('\'') => break,
                        Some(letter) => word.push(letter),
                        None => return Err(Fault::validation(name, "a quote has no end")),
                    }
                }
                Token::Word(word)
            }
            first => {
                let mut word = String::from(first);
                while let Some(next) = letters.next_if(|next| !next.is_whitespace() && !"&|!()<".contains(*next)) {
                    word.push(next);
                }
                Token::Word(word.strip_suffix(":*").unwrap_or(&word).to_owned())
            }
        });
        words += usize::from(matches!(tokens.last(), Some(Token::Word(_))));
        if words > MOST_WORDS || tokens.len() > 10 * MOST_WORDS {
            return Err(too_many(name));
        }
    }
    Ok(tokens)
}

struct Reader<'a> {
    tokens: Vec<Token>,
    at: usize,
    name: &'a str,
    holds: &'a dyn Fn(&str) -> Filter,
}

impl Reader<'_> {
    fn whole(&mut self) -> Result<Filter, Fault> {
        let filter = self.any(0)?;
        if self.at < self.tokens.len() { Err(self.wrong()) } else { Ok(filter) }
    }

    fn wrong(&self) -> Fault {
        Fault::validation(self.name, "cannot be read; combine words by &, |, ! and brackets, or leave `plain` out")
    }

    fn took(&mut self, token: &Token) -> bool {
        let is_next = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(is_next);
        is_next
    }

    fn any(&mut self, depth: usize) -> Result<Filter, Fault> {
        let mut any = vec![self.all(depth)?];
        while self.took(&Token::Or) {
            any.push(self.all(depth)?);
        }
        Ok(Filter::Any(any))
    }

    fn all(&mut self, depth: usize) -> Result<Filter, Fault> {
        let mut all = vec![self.one(depth)?];
        while self.took(&Token::And) {
            all.push(self.one(depth)?);
        }
        Ok(Filter::All(all))
    }

    fn one(&mut self, depth: usize) -> Result<Filter, Fault> {
        if depth > MOST_DEPTH {
            return Err(self.wrong());
        }
        if self.took(&Token::Not) {
            return Ok(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.took(&Token::Open) {
            let inner = self.any(depth + 1)?;
            return if self.took(&Token::Close) { Ok(inner) } else { Err(self.wrong()) };
        }
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) if !word.is_empty() => {
                self.at += 1;
                Ok((self.holds)(word))
            }
            Some(Token::Word(_) | Token::And | Token::Or | Token::Not | Token::Open | Token::Close) | None => Err(self.wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_read_in_both_ways() {
        let holds = |text: &str| Filter::Holds { field: None, text: text.to_owned() };
        assert_eq!(filter("q", &json!("a  \"*)("), true).unwrap(), [holds("a"), holds("\"*)(")]);
        let read = filter("q", &json!("a:* & ('b c' | !d)"), false).unwrap();
        let not = Filter::Not(Box::new(holds("d")));
        let inner = Filter::Any(vec![Filter::All(vec![holds("b c")]), Filter::All(vec![not])]);
        assert_eq!(read, [Filter::Any(vec![Filter::All(vec![holds("a"), inner])])]);
        let named = filter("q", &json!({ "x": "a" }), true).unwrap();
        assert_eq!(named, [Filter::Holds { field: Some("x".to_owned()), text: "a".to_owned() }]);
        assert!(filter("q", &json!(""), false).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let long = "a ".repeat(50);
        let deep = "(".repeat(100);
        for text in ["a b", "a &", "(a", "a)", "'a", "a <-> b", "!", "''", long.as_str(), deep.as_str()] {
            assert!(filter("q", &json!(text), false).is_err(), "{text}");
        }
        for question in [json!(long), json!([1]), json!(true), json!({ "a": [1] })] {
            assert!(filter("q", &question, true).is_err(), "{question}");
        }
    }
}
