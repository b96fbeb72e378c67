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

/// One address without a name, of what is written everywhere without quotes.
fn is_email(text: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-_+".contains(letter));
    text.split_once('@').is_some_and(|(name, host)| plain(name) && plain(host) && host.contains('.'))
}
