//! Tests of the way out: which addresses are asked, and that the one which was checked is the one that is asked.

use std::cell::Cell;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn outbound(allow_private: bool) -> Outbound {
    Outbound::new(&OutboundSettings { allow_private, ca_file: None, timeout_seconds: 1 }).unwrap()
}

#[test]
fn an_address_is_checked_when_it_is_named() {
    let (strict, lax) = (outbound(false), outbound(true));
    let cases = [
        ("https://keys.example.com/jwks.json", true, true),
        ("https://keys.example.com:8443/jwks.json?x=1", true, true),
        ("https://8.8.8.8/jwks.json", true, true),
        ("https://[2606:4700::1111]/jwks.json", true, true),
        ("https://localhost/jwks.json", true, true),
        ("https://keys.example.com:22/", false, true),
        ("https://127.0.0.1/", false, true),
        // The same, as browsers read it.
        ("https://2130706433/", false, true),
        ("https://0x7f.1/", false, true),
        ("https://[::ffff:127.0.0.1]/", false, true),
        ("https://169.254.169.254/latest", false, true),
        ("http://127.0.0.1:8080/jwks.json", false, true),
        ("http://localhost:8080/jwks.json", false, true),
        ("http://10.0.0.1/jwks.json", false, false),
        ("http://8.8.8.8/jwks.json", false, false),
        ("https://user@keys.example.com/", false, false),
        ("https://:secret@keys.example.com/", false, false),
        ("https://keys.example.com/#here", false, false),
        ("ftp://keys.example.com/", false, false),
        ("file:///etc/passwd", false, false),
        ("jwks.json", false, false),
    ];
    for (text, when_strict, when_lax) in cases {
        assert_eq!(strict.address("/jwks_uri", text).is_ok(), when_strict, "{text}");
        assert_eq!(lax.address("/jwks_uri", text).is_ok(), when_lax, "{text} with private addresses allowed");
    }
    assert!(strict.address("/jwks_uri", &format!("https://example.com/{}", "x".repeat(MAX_URL))).is_err());
}

/// A name that leads first here and then there, as whoever tries to get around the check would have it.
struct Rebinding<'r> {
    answers: &'r [Vec<SocketAddr>],
    asked: &'r Cell<usize>,
}

impl Rebinding<'_> {
    async fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        self.asked.set(self.asked.get() + 1);
        Ok(self.answers[self.asked.get() - 1].clone())
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_checked() {
    let ((checked, first), (other, second)) = (listener().await, listener().await);
    let asked = Cell::new(0);
    let name = Rebinding { answers: &[vec![first], vec![second]], asked: &asked };
    let url = Url::parse("http://rebinding.example/jwks.json?x=1").unwrap();
    let lax = outbound(true);
    let fetching = lax.get_by(|_, _| name.resolve(), &url, "application/json", 100);
    let serving = tokio::spawn(async move {
        let (mut stream, _) = checked.accept().await.unwrap();
        let mut head = vec![0; 1000];
        let length = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncache-control: max-age=60\r\n\r\n{}").await.unwrap();
        String::from_utf8(head[..length].to_vec()).unwrap()
    });
    let fetched = fetching.await.unwrap();
    let request = serving.await.unwrap();
    assert_eq!((fetched.body.as_ref(), fetched.kept_for), (b"{}".as_slice(), Some(Duration::from_secs(60))));
    assert!(request.starts_with("GET /jwks.json?x=1 HTTP/1.1\r\nhost: rebinding.example\r\n"), "{request}");
    assert_eq!(asked.get(), 1, "a second look-up may have another answer");
    assert!(futures::FutureExt::now_or_never(other.accept()).is_none());
}

#[tokio::test]
async fn a_name_with_one_address_that_is_not_public_is_not_asked_at_all() {
    let (listener, inside) = listener().await;
    let public = SocketAddr::from(([192, 0, 1, 1], 443));
    let url = Url::parse("https://rebinding.example/jwks.json").unwrap();
    for addresses in [vec![inside], vec![public, inside], vec![SocketAddr::from(([169, 254, 169, 254], 443))]] {
        let refused = outbound(false).get_by(|_, _| async { Ok(addresses) }, &url, "application/json", 100).await;
        assert!(matches!(refused, Err(Refusal::NotPublic)), "{refused:?}");
    }
    assert!(futures::FutureExt::now_or_never(listener.accept()).is_none());
    // Without TLS loopback alone is asked, also where private addresses are allowed.
    let url = Url::parse("http://rebinding.example/jwks.json").unwrap();
    let private = SocketAddr::from(([10, 0, 0, 1], 80));
    let refused = outbound(true).get_by(|_, _| async { Ok(vec![private]) }, &url, "application/json", 100).await;
    assert!(matches!(refused, Err(Refusal::NotPublic)), "{refused:?}");
}
