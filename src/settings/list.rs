//! What the list says of itself to other catalogues.

use anyhow::Result;

use super::values::Values;

/// What the list says of itself.
#[derive(Debug, Clone)]
pub struct ListSettings {
    /// The publisher, by slug, that answers for the list.
    pub publisher: String,
    /// The address to which questions about a dataset go where neither it nor its publisher has one.
    pub contact_email: Option<String>,
}

impl ListSettings {
    pub(super) fn of(values: &Values) -> Result<Self> {
        let contact_email = values.text("contact_email").map(str::to_owned);
        if let Some(email) = &contact_email
            && !is_email(email)
        {
            return Err(values.wrong("contact_email"));
        }
        Ok(ListSettings { publisher: values.text("list_publisher").unwrap_or_default().to_owned(), contact_email })
    }
}

/// Whether it is one address without a name, of what is written everywhere without quotes: other catalogues take no other one.
pub fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else { return false };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"!$&'*+-._~=".contains(&byte);
    let label = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    text.len() <= 254 && !name.is_empty() && name.bytes().all(named) && host.contains('.') && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::is_email;

    #[test]
    fn an_address_is_one_that_every_catalogue_takes() {
        for right in ["opendata@example.org", "a.b+c_d~e@x-1.example.cn", "o'neil@example.org"] {
            assert!(is_email(right), "{right}");
        }
        let long = format!("{}@example.org", "a".repeat(250));
        for wrong in [
            "",
            "a",
            "@b.c",
            "a@",
            "a@b",
            "a@b.",
            "a@.b",
            "a@.",
            "a@b+c.d",
            "a@b..c",
            "a b@c.d",
            "a#b@c.d",
            "a@b@c.d",
            "é@c.d",
            "a@b.中国",
            &long,
        ] {
            assert!(!is_email(wrong), "{wrong}");
        }
    }
}
