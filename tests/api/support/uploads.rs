//! What a steward does: upload, publish, and follow the job.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use super::service::{Answer, Service};

pub const TUS: (&str, &str) = ("tus-resumable", "1.0.0");

impl Service {
    /// Begins an upload; answers the path of its address.
    pub async fn begin_upload(&self, token: &str, name: &str, size: usize, more: &[(&str, &str)]) -> Answer {
        let (size, metadata) = (size.to_string(), format!("filename {}", STANDARD.encode(name)));
        let headers = [&[TUS, ("upload-length", &size), ("upload-metadata", &metadata)], more].concat();
        self.send(Method::POST, "/api/v1/admin/uploads", Some(token), None, &headers).await
    }

    /// Sends a piece of an upload.
    pub async fn send_piece(&self, token: &str, id: &str, offset: usize, bytes: &[u8], more: &[(&str, &str)]) -> Answer {
        let offset = offset.to_string();
        let headers = [&[TUS, ("upload-offset", offset.as_str()), ("content-type", "application/offset+octet-stream")], more].concat();
        self.bytes(Method::PATCH, &format!("/api/v1/admin/uploads/{id}"), token, bytes, &headers).await
    }

    /// Uploads a whole file; answers its id.
    pub async fn upload(&self, token: &str, name: &str, bytes: &[u8]) -> String {
        let begun = self.begin_upload(token, name, bytes.len(), &[]).await.expect(201);
        let id = begun.header("location").rsplit('/').next().unwrap().to_owned();
        self.send_piece(token, &id, 0, bytes, &[]).await.expect(204);
        id
    }

    /// Publishes an upload and waits for the job's end.
    pub async fn publish(&self, token: &str, slug: &str, upload: &str, mode: &str) -> Value {
        let path = format!("/api/v1/admin/datasets/{slug}/versions");
        let job = self.post_as(&path, token, &json!({ "upload": upload, "mode": mode })).await.expect(202).json();
        self.ended_job(token, job["id"].as_str().unwrap()).await
    }

    /// The job when it has come to its end: its events are followed until they stop.
    pub async fn ended_job(&self, token: &str, id: &str) -> Value {
        let events = self.get_as(&format!("/api/v1/admin/jobs/{id}/events"), token).await.expect(200);
        let text = events.text();
        let last = text.trim_end().rsplit("\n\n").next().unwrap();
        let data = last.strip_prefix("event: end\ndata: ").unwrap_or_else(|| panic!("{text}"));
        serde_json::from_str(data).unwrap()
    }
}
