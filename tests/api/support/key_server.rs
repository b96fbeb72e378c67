//! A server of a firm's own, at which its client publishes keys: with TLS by an authority of its own, and answers that a test chooses.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the server answers, until it is told otherwise.
struct State {
    answer: Mutex<Vec<u8>>,
    asked: AtomicUsize,
}

pub struct KeyServer {
    pub address: SocketAddr,
    state: Arc<State>,
    ca: PathBuf,
    _dir: TempDir,
}

impl KeyServer {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (acceptor, authority) = certificates();
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, authority).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { answer: Mutex::default(), asked: AtomicUsize::new(0) });
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&serving));
                tokio::spawn(async move {
                    let mut first = [0];
                    // A handshake of TLS begins with 22, and a request in plain text with a letter.
                    if stream.peek(&mut first).await.is_ok() && first[0] == 22 {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            state.serve(stream).await;
                        }
                    } else {
                        state.serve(stream).await;
                    }
                });
            }
        });
        KeyServer { address, state, ca, _dir: dir }
    }

    /// Where the keys are.
    pub fn uri(&self) -> String {
        format!("https://localhost:{}/jwks.json", self.address.port())
    }

    /// The settings with which the service believes this server, and reaches it on this machine.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        vec![("outbound_allow_private", "true"), ("outbound_ca_file", self.ca.to_str().unwrap())]
    }

    /// How many requests have come.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// Answers with these bytes from now on; with none the server is silent.
    pub fn answer(&self, bytes: impl Into<Vec<u8>>) {
        *self.state.answer.lock().unwrap() = bytes.into();
    }

    /// Answers 200 with these keys from now on, and this header besides.
    pub fn publish(&self, keys: &[Value], header: &str) {
        let body = serde_json::json!({ "keys": keys }).to_string();
        self.answer(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{header}\r\n{body}", body.len()));
    }
}

impl State {
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read_buf(&mut head).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().unwrap().clone();
        if answer.is_empty() {
            // Until whoever asked goes away.
            _ = stream.read_buf(&mut head).await;
            return;
        }
        _ = stream.write_all(&answer).await;
        _ = stream.shutdown().await;
    }
}

/// A certificate for localhost, and the authority that it is by.
fn certificates() -> (TlsAcceptor, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder.with_single_cert(vec![certificate.der().clone()], private).unwrap();
    (TlsAcceptor::from(Arc::new(config)), root.pem())
}
