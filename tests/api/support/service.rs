//! A running service, wherever it runs, and plain requests to it.

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|cause| panic!("{cause}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The answer, when it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    /// The problem of this status and type; its shape is checked too.
    #[track_caller]
    pub fn problem(self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(problem["instance"].as_str().unwrap().starts_with("urn:uuid:0"), "{problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        problem
    }
}

/// The service closes a connection that was idle for five seconds; one that is about to be closed is not used again.
const IDLE: std::time::Duration = std::time::Duration::from_secs(2);

/// A running service.
#[derive(Clone)]
pub struct Service {
    pub url: String,
    client: Client,
}

impl Service {
    pub fn new(url: String) -> Self {
        Service { url, client: Client::builder().redirect(reqwest::redirect::Policy::none()).pool_idle_timeout(IDLE).build().unwrap() }
    }

    pub async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Option<&Value>, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, None, None, headers).await
    }

    pub async fn get_as(&self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, path, Some(token), None, &[]).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, None, Some(body), &[]).await
    }

    pub async fn post_as(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(token), Some(body), &[]).await
    }

    /// A query with parameters, encoded as they must be.
    pub async fn query(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.get(&with_query(path, parameters)).await
    }

    pub async fn form(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request =
            self.client.post(format!("{}{path}", self.url)).header("content-type", "application/x-www-form-urlencoded").body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request).await
    }

    pub async fn raw(&self, method: Method, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        read(self.client.request(method, format!("{}{path}", self.url)).header("content-type", content_type).body(body)).await
    }

    /// A request with a body of bytes, as somebody.
    pub async fn bytes(&self, method: Method, path: &str, token: &str, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(token).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request).await
    }

    /// A form with a file, as a browser sends it: fields first.
    pub async fn send_file(&self, path: &str, fields: &[(&str, &str)], file: (&str, &[u8]), headers: &[(&str, &str)]) -> Answer {
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend(format!("--line\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes());
        }
        let disposition = format!("form-data; name=\"document\"; filename=\"{}\"", file.0);
        body.extend(format!("--line\r\nContent-Disposition: {disposition}\r\nContent-Type: application/octet-stream\r\n\r\n").into_bytes());
        body.extend_from_slice(file.1);
        body.extend_from_slice(b"\r\n--line--\r\n");
        let request = self.client.post(format!("{}{path}", self.url)).header("content-type", "multipart/form-data; boundary=line");
        read(headers.iter().fold(request.body(body), |request, (name, value)| request.header(*name, *value))).await
    }

    /// An answer whose body is still to be read.
    pub async fn open(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    /// The same with a token.
    pub async fn open_as(&self, path: &str, token: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.url)).bearer_auth(token).send().await.unwrap()
    }
}

pub fn with_query(path: &str, parameters: &[(&str, &str)]) -> String {
    format!("{path}?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish())
}

async fn read(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
}
