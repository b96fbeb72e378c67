//! A signed agreement as one file, with everything that is needed to check it anywhere.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{Confirmation, find_for, find_row};
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::identity::keys::agreements::{KeySet, published_one};
use crate::identity::{Caller, firms, jwk};

/// A signed agreement with both signatures. The same agreement is the same bytes for ever.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgreementBundle {
    /// The agreement, by id.
    pub agreement: String,
    /// Its text, in Chinese and English.
    pub text: String,
    /// SHA-256 of the text in UTF-8, in lower-case hexadecimal.
    pub sha256: String,
    /// The firm, and how it signed.
    pub firm: BundleFirm,
    /// The service's signature: a JWS in compact form of the type `agreement+jws`.
    pub countersignature: String,
    /// The key that countersigned. Compare it with `GET /api/v1/agreements/keys`.
    pub keys: KeySet,
}

/// A firm that has signed: with the key of a client, or by a person with a second factor.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleFirm {
    /// Its 统一社会信用代码.
    pub uscc: String,
    /// The client whose key signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// That key, as it was at the signature.
    #[schema(value_type = Option<Object>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_jwk: Option<Box<RawValue>>,
    /// A detached JWS over `sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// In place of the three: that a person of the firm confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
}

/// The bundle of a signed agreement, when the caller may see it.
///
/// # Errors
/// When there is no such agreement, it is another firm's, or nobody has signed it yet.
pub fn bundle_for(conn: &mut Conn, caller: &Caller, id: &str) -> Result<AgreementBundle> {
    find_for(conn, caller, id)?;
    let row = find_row(conn, id)?;
    let confirmation = row.confirmation();
    let Some(countersignature) = row.countersignature else {
        return Err(Error::Conflict("the agreement is not signed yet; there is a bundle once the firm has signed".to_owned()));
    };
    let keys = published_one(conn, &jwk::key_id("/countersignature", &countersignature)?)?;
    let firm = BundleFirm {
        uscc: firms::find(conn, &row.firm_id)?.uscc,
        client_id: row.signed_by,
        public_jwk: row.firm_jwk_json.map(RawValue::from_string).transpose()?,
        signature: row.signature,
        confirmation,
    };
    Ok(AgreementBundle { agreement: row.id, text: row.text, sha256: row.sha256, firm, countersignature, keys })
}
