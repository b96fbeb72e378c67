//! Parameters of an action: a query string, a form, or a JSON object.

use serde_json::{Map, Value};

use super::Fault;

/// The parameters by name.
#[derive(Debug, Default)]
pub struct Params(Map<String, Value>);

impl Params {
    /// Those of a query string or a form.
    pub fn of_query(text: &str) -> Self {
        Params(url::form_urlencoded::parse(text.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect())
    }

    /// Those of a body.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn of_body(kind: &str, body: &[u8]) -> Result<Self, Fault> {
        let text = String::from_utf8_lossy(body);
        if kind.starts_with("application/x-www-form-urlencoded") && !text.trim_start().starts_with('{') {
            return Ok(Params::of_query(&text));
        }
        if text.trim().is_empty() {
            return Ok(Params::default());
        }
        match serde_json::from_str(&text) {
            Ok(Value::Object(object)) => Ok(Params(object)),
            Ok(_) => Err(Fault::Bad("Bad request - JSON Error: Request data JSON decoded to something that is no object".to_owned())),
            Err(cause) => Err(Fault::Bad(format!("Bad request - JSON Error: Error decoding JSON data. Error: {cause}"))),
        }
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Some(other.to_string()),
        }
    }

    /// A text that has to be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn needed(&self, name: &str) -> Result<String, Fault> {
        self.text(name).filter(|text| !text.is_empty()).ok_or_else(|| Fault::Validation(name.to_owned(), "Missing value".to_owned()))
    }

    /// A whole number from `least` on.
    ///
    /// # Errors
    /// When it is none.
    pub fn number(&self, name: &str, least: i64) -> Result<Option<i64>, Fault> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        let number = text.parse::<i64>().ok().filter(|number| *number >= least);
        number.map(Some).ok_or_else(|| Fault::Validation(name.to_owned(), format!("`{text}` is no whole number from {least} on")))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// That there are none but these.
    ///
    /// # Errors
    /// Names the one that is not known.
    pub fn only(&self, known: &[&str]) -> Result<(), Fault> {
        match self.names().find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(other) => {
                let other: String = other.chars().take(64).collect();
                Err(Fault::validation(&other, format!("is no parameter of this; the parameters are {}", known.join(", "))))
            }
        }
    }

    /// A value as it came; a text that is a JSON object is that object.
    pub fn value(&self, name: &str) -> Option<Value> {
        let value = self.0.get(name).filter(|value| !value.is_null())?;
        match value.as_str() {
            Some("") => None,
            Some(text) if text.trim_start().starts_with('{') => Some(serde_json::from_str(text).unwrap_or_else(|_no_json| text.into())),
            Some(_) | None => Some(value.clone()),
        }
    }

    /// An object, also as the text of its JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn object(&self, name: &str) -> Result<Option<Map<String, Value>>, Fault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object.clone())),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => match serde_json::from_str(text) {
                Ok(Value::Object(object)) => Ok(Some(object)),
                Ok(_) => Err(Fault::validation(name, "must be a JSON object")),
                Err(cause) => Err(Fault::validation(name, format!("Cannot parse JSON: {cause}"))),
            },
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_)) => Err(Fault::validation(name, "must be a JSON object")),
        }
    }

    /// Whether it is true, or what it is where it is not there.
    ///
    /// # Errors
    /// When it is neither true nor false.
    pub fn flag_or(&self, name: &str, usual: bool) -> Result<bool, Fault> {
        match self.text(name).map(|text| text.to_lowercase()).as_deref() {
            None | Some("") => Ok(usual),
            Some("true" | "t" | "yes" | "y" | "1" | "on") => Ok(true),
            Some("false" | "f" | "no" | "n" | "0" | "off") => Ok(false),
            Some(_) => Err(Fault::validation(name, "must be true or false")),
        }
    }

    /// Whether it is true.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.text(name).as_deref(), Some("true" | "True" | "1" | "yes"))
    }

    /// Texts: a JSON array, also inside of a text, or one text alone.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let of = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
        };
        match self.0.get(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(of).collect(),
            Some(Value::String(text)) => match serde_json::from_str(text) {
                Ok(Value::Array(items)) => items.iter().map(of).collect(),
                Ok(_) | Err(_) if text.is_empty() => Vec::new(),
                Ok(_) | Err(_) => vec![text.clone()],
            },
            Some(other) => vec![of(other)],
        }
    }
}
