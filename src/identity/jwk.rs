//! Public keys of clients: Ed25519 or P-256, as JWK (RFC 7517), and signatures made with them.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::crypto::{base64url, hex, sha256, unbase64, unbase64url, unhex};
use crate::error::{Error, Result};

/// The y coordinates of the points of small order on Curve25519's Edwards form, also in the spellings beyond the field's modulus:
/// a signature under such a key can be made without a private key.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];

/// Every name of an algorithm by which somebody else's signature is taken. That of Ed25519 has two: RFC 8037 named it after its family, and RFC 9864 by itself.
pub const ALGORITHMS: [&str; 3] = ["EdDSA", "Ed25519", "ES256"];

/// A client's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// `kty` OKP, `crv` Ed25519; signs with Ed25519, which is also called EdDSA.
    Ed25519([u8; 32]),
    /// `kty` EC, `crv` P-256; signs with ES256. The two coordinates.
    P256([u8; 32], [u8; 32]),
}

/// What stands before the bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410), and before those of a P-256 point (RFC 5480).
const ED25519_INFO: &str = "302a300506032b6570032100";
const P256_INFO: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";

impl PublicKey {
    /// Reads a key as a person pastes it: a JWK, or what `openssl pkey -pubout` writes. A private key is refused.
    ///
    /// # Errors
    /// Says what is asked, at `pointer`.
    pub fn read(pointer: &str, text: &str) -> Result<Self> {
        let text = text.trim();
        if text.contains("PRIVATE KEY") {
            return Err(Error::invalid(pointer, "this is a private key; keep it, and send the public half only"));
        }
        if let Some(rest) = text.strip_prefix("-----BEGIN PUBLIC KEY-----") {
            let inner = rest.strip_suffix("-----END PUBLIC KEY-----").unwrap_or_default();
            let info = unbase64(&inner.split_whitespace().collect::<String>()).unwrap_or_default();
            let unknown =
                || Error::invalid(pointer, "give the public half of an Ed25519 or P-256 key, as `openssl pkey -pubout` writes it");
            return Self::parse(pointer, &Self::jwk_of(&info).ok_or_else(unknown)?);
        }
        let jwk = serde_json::from_str(text);
        Self::parse(pointer, &jwk.map_err(|_unreadable| Error::invalid(pointer, "give a public key as a JWK in JSON, or in PEM"))?)
    }

    /// Whether a text holds a private or secret key, as far as one can tell: it is neither kept nor shown again.
    pub fn is_private(text: &str) -> bool {
        text.contains("PRIVATE KEY") || serde_json::from_str(text).is_ok_and(|jwk: Value| Self::private_member(&jwk).is_some())
    }

    /// The JWK of a SubjectPublicKeyInfo.
    fn jwk_of(info: &[u8]) -> Option<Value> {
        let rest = |start: &str| info.strip_prefix(unhex(start)?.as_slice());
        if let Some(x) = rest(ED25519_INFO) {
            return Some(json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(x) }));
        }
        let (x, y) = rest(P256_INFO)?.split_at_checked(32)?;
        Some(json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y) }))
    }

    /// Reads a JWK. Private and secret keys are refused, so that nobody hands us one by mistake.
    ///
    /// # Errors
    /// Says what is asked, at `pointer`.
    pub fn parse(pointer: &str, jwk: &Value) -> Result<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        if let Some(private) = Self::private_member(jwk) {
            return Err(Error::invalid(format!("{pointer}/{private}"), "this is a private key; keep it, and send the public half only"));
        }
        let coordinate = |name: &str| -> Result<[u8; 32]> {
            let bytes = unbase64url(text(name)).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            bytes.ok_or_else(|| Error::invalid(format!("{pointer}/{name}"), "give 32 bytes in base64url without padding"))
        };
        let key = match (text("kty"), text("crv")) {
            ("OKP", "Ed25519") => PublicKey::Ed25519(coordinate("x")?),
            ("EC", "P-256") => PublicKey::P256(coordinate("x")?, coordinate("y")?),
            _ => return Err(Error::invalid(pointer, "give a public JWK with kty OKP and crv Ed25519, or kty EC and crv P-256")),
        };
        if !key.is_sound() {
            return Err(Error::invalid(pointer, "these numbers are no sound key of that curve"));
        }
        Ok(key)
    }

    /// The member of a JWK that only a private or symmetric key has, if it has one.
    pub(super) fn private_member(jwk: &Value) -> Option<&'static str> {
        ["d", "k", "p", "q", "dp", "dq", "qi", "oth", "priv"].into_iter().find(|member| jwk.get(member).is_some())
    }

    /// Whether a P-256 point lies on its curve, and an Ed25519 point is none of the few under which anything verifies.
    fn is_sound(&self) -> bool {
        match self {
            PublicKey::Ed25519(x) => {
                let mut unsigned = *x;
                // The highest bit is the sign of the other coordinate.
                unsigned[31] &= 0x7f;
                !SMALL_ORDER.contains(&hex(&unsigned).as_str())
            }
            PublicKey::P256(..) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.point()).is_ok(),
        }
    }

    /// The uncompressed form of a P-256 point (SEC 1 §2.3.3); an Ed25519 key as it is.
    fn point(&self) -> Vec<u8> {
        match self {
            PublicKey::Ed25519(x) => x.to_vec(),
            PublicKey::P256(x, y) => [&[4u8], x.as_slice(), y.as_slice()].concat(),
        }
    }

    /// The key as a JWK with nothing but its public members.
    pub fn to_jwk(&self) -> Value {
        match self {
            PublicKey::Ed25519(x) => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(x) }),
            PublicKey::P256(x, y) => json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y) }),
        }
    }

    /// The SHA-256 of the key (RFC 7638), in base64url.
    pub fn thumbprint(&self) -> String {
        // The members in the order of their names, without spaces.
        let text = match self {
            PublicKey::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url(x)),
            PublicKey::P256(x, y) => format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64url(x), base64url(y)),
        };
        base64url(&sha256(text.as_bytes()))
    }

    /// The names of the one algorithm that this key signs with; a token's header has no say in it, and only repeats one of them.
    pub fn algorithms(&self) -> &'static [&'static str] {
        match self {
            PublicKey::Ed25519(_) => &["EdDSA", "Ed25519"],
            PublicKey::P256(..) => &["ES256"],
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            PublicKey::Ed25519(_) => UnparsedPublicKey::new(&ED25519, self.point()).verify(message, signature).is_ok(),
            PublicKey::P256(..) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.point()).verify(message, signature).is_ok(),
        }
    }

    /// Checks a JWS in compact form with detached payload (RFC 7515, appendix F) over `payload`.
    ///
    /// # Errors
    /// Says what is wrong with it, at `pointer`.
    pub fn verify_detached(&self, pointer: &str, jws: &str, payload: &[u8]) -> Result<()> {
        let parts: Vec<&str> = jws.trim().split('.').collect();
        let [header, "", signature] = parts.as_slice() else {
            return Err(Error::invalid(pointer, "give a JWS in compact form with detached payload: header..signature"));
        };
        self.verify_parts(pointer, [header, &base64url(payload), signature]).map(|_header| ())
    }

    /// Checks a JWS in compact form (RFC 7515) of the type `typ`, which has its payload in it; answers the payload.
    ///
    /// # Errors
    /// Says what is wrong with it, at `pointer`.
    pub fn verify_attached(&self, pointer: &str, jws: &str, typ: &str) -> Result<Vec<u8>> {
        let parts = attached(pointer, jws)?;
        let header = self.verify_parts(pointer, parts)?;
        if header.get("typ").and_then(Value::as_str) != Some(typ) {
            return Err(Error::invalid(pointer, format!("its header does not say that it is of the type {typ}")));
        }
        unbase64url(parts[1]).ok_or_else(|| Error::invalid(pointer, "the payload is no base64url"))
    }

    /// Checks a JWT (RFC 7519) by this key; answers its header, and its claims as they stand.
    ///
    /// # Errors
    /// Says what is wrong with it, at `pointer`.
    pub fn verify_jwt(&self, pointer: &str, jwt: &str) -> Result<(Value, Value)> {
        let parts = attached(pointer, jwt)?;
        let header = self.verify_parts(pointer, parts)?;
        Ok((header, claims(pointer, parts[1])?))
    }

    /// Checks header, payload and signature, as they stand in the compact form; answers the header.
    fn verify_parts(&self, pointer: &str, [header_part, payload_part, signature_part]: [&str; 3]) -> Result<Value> {
        let wrong = |detail: &str| Error::invalid(pointer, detail);
        let header = header(pointer, header_part)?;
        let named = header.get("alg").and_then(Value::as_str);
        if !named.is_some_and(|named| self.algorithms().contains(&named)) {
            return Err(wrong(&format!("the key signs with {}; the header says otherwise", self.algorithms().join(" or "))));
        }
        if header.get("crit").is_some() || header.get("b64").is_some() {
            return Err(wrong("the header must not have crit or b64"));
        }
        let signature = unbase64url(signature_part).ok_or_else(|| wrong("the signature is no base64url"))?;
        let message = format!("{header_part}.{payload_part}");
        if self.verifies(message.as_bytes(), &signature) {
            Ok(header)
        } else {
            Err(wrong("the signature does not belong to this text and this key"))
        }
    }
}

fn header(pointer: &str, part: &str) -> Result<Value> {
    let header = unbase64url(part).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    header.ok_or_else(|| Error::invalid(pointer, "the header is no base64url JSON"))
}

fn attached<'j>(pointer: &str, jws: &'j str) -> Result<[&'j str; 3]> {
    let parts: Vec<&str> = jws.split('.').collect();
    <[&str; 3]>::try_from(parts).map_err(|_other| Error::invalid(pointer, "this is no JWS in compact form: header.payload.signature"))
}

fn claims(pointer: &str, part: &str) -> Result<Value> {
    let claims = unbase64url(part).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()).filter(Value::is_object);
    claims.ok_or_else(|| Error::invalid(pointer, "the payload is no base64url JSON object"))
}

/// What the header of a JWT says and its claims, which nobody has checked yet: they say whose key to look for.
///
/// # Errors
/// When it is no JWT.
pub fn unchecked(pointer: &str, jwt: &str) -> Result<(Value, Value)> {
    let [header_part, payload_part, _] = attached(pointer, jwt)?;
    Ok((header(pointer, header_part)?, claims(pointer, payload_part)?))
}

/// The `kid` that the header of a JWS with its payload names, which says nothing yet of who made it.
///
/// # Errors
/// When it names none.
pub fn key_id(pointer: &str, jws: &str) -> Result<String> {
    let header = header(pointer, attached(pointer, jws)?[0])?;
    let kid = header.get("kid").and_then(Value::as_str);
    kid.map(str::to_owned).ok_or_else(|| Error::invalid(pointer, "the header names no key by `kid`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_key_is_read_and_a_private_one_refused() {
        let point = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
        let pem = |info: &str| {
            let text = crate::crypto::base64(&unhex(info).unwrap());
            let (head, tail) = text.split_at(text.len() / 2);
            format!("-----BEGIN PUBLIC KEY-----\r\n{head}\r\n{tail}\r\n-----END PUBLIC KEY-----\r\n")
        };
        let p256 = PublicKey::read("/k", &pem(&format!("{P256_INFO}{point}"))).unwrap();
        assert_eq!(PublicKey::read("/k", &p256.to_jwk().to_string()).unwrap(), p256);
        let ed25519 = PublicKey::read("/k", &pem(&format!("{ED25519_INFO}{}", "07".repeat(32)))).unwrap();
        assert_eq!(ed25519, PublicKey::Ed25519([7; 32]));
        for wrong in
            [&pem(&format!("{ED25519_INFO}{}", "00".repeat(32)))[..], &pem(&format!("{ED25519_INFO}07")), &pem(&"30".repeat(60)), "", "{}"]
        {
            PublicKey::read("/k", wrong).unwrap_err();
        }
        let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----";
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","d":"eA"}"#;
        for text in [private, jwk] {
            assert!(PublicKey::is_private(text));
            assert!(PublicKey::read("/k", text).unwrap_err().to_string().contains("this is a private key"));
        }
        assert!(!PublicKey::is_private(&p256.to_jwk().to_string()));
    }

    #[test]
    fn every_algorithm_belongs_to_one_kind_of_key() {
        let kinds = [PublicKey::Ed25519([0; 32]), PublicKey::P256([0; 32], [0; 32])];
        let named: Vec<&str> = kinds.iter().flat_map(|key| key.algorithms()).copied().collect();
        assert_eq!(named, ALGORITHMS);
    }
}
