//! Answers that are the same for everybody, kept until the open list or the register changes. What a caller has a share in, such as limits, is
//! not part of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::{ETAG, HeaderName, HeaderValue, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use chrono::NaiveDateTime;

use super::v1::download::{etag, matches_any};
use crate::app::App;
use crate::clock::now_naive;
use crate::crypto::sha256_hex;
use crate::error::Result;
use crate::ledger::Marks;

/// How much is kept before everything is forgotten.
const MOST_BYTES: usize = 32 << 20;

/// What an answer costs beside its body, by and large.
const OVERHEAD_BYTES: usize = 500;

/// A body with its validator.
#[derive(Clone)]
pub struct Body {
    bytes: Bytes,
    sha256: String,
}

impl Body {
    fn new(bytes: Vec<u8>) -> Self {
        Body { sha256: sha256_hex(&bytes), bytes: bytes.into() }
    }

    /// The answer with this body, or that the caller has it already.
    pub fn answer(self, request: &HttpRequest, headers: &[(HeaderName, &'static str)]) -> HttpResponse {
        let lists = request.headers().get_all(IF_NONE_MATCH).filter_map(|list| list.to_str().ok());
        let same = lists.into_iter().any(|list| matches_any(list, &self.sha256));
        let mut response: HttpResponseBuilder = if same { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response.insert_header((ETAG, etag(&self.sha256)));
        for (name, value) in headers {
            response.insert_header((name.clone(), HeaderValue::from_static(value)));
        }
        if same { response.finish() } else { response.body(self.bytes) }
    }
}

/// The right to make what takes long: whoever has it is the only one.
pub type Turn = tokio::sync::OwnedMutexGuard<()>;

/// What was made for an answer.
pub struct Made {
    /// Its body.
    pub body: Vec<u8>,
    /// Whether everybody gets the same, until something changes.
    pub keep: bool,
    /// Until when it holds where nothing changes; for ever without it.
    pub until: Option<NaiveDateTime>,
}

/// The answers of this process that are made of the same things.
pub struct Answers {
    kept: Mutex<Kept>,
    /// What takes long is made one at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The mark of what they are made of.
    mark: fn(Marks) -> i64,
}

/// What shows datasets, with what the public says of them.
pub struct PageAnswers(pub Answers);

/// Answers that are made of the register.
pub struct RegisterAnswers(pub Answers);

#[derive(Default)]
struct Kept {
    /// The mark (see `ledger::Marks`) that all of them were made under.
    mark: i64,
    size: usize,
    bodies: HashMap<String, (Body, Option<NaiveDateTime>)>,
}

impl PageAnswers {
    /// None yet.
    pub fn new() -> Self {
        PageAnswers(Answers { kept: Mutex::default(), turn: Arc::default(), mark: Marks::page })
    }
}

impl RegisterAnswers {
    /// None yet.
    pub fn new() -> Self {
        RegisterAnswers(Answers { kept: Mutex::default(), turn: Arc::default(), mark: Marks::register })
    }
}

impl Answers {
    /// None yet, of those that are made of the open list.
    pub fn of_list() -> Self {
        Answers { kept: Mutex::default(), turn: Arc::default(), mark: |marks| marks.list }
    }

    /// The body of that name, which says everything on which it depends but what the mark is of; `make` makes it when it is not kept.
    ///
    /// # Errors
    /// What `make` answers, or that the database does not.
    pub async fn find(&self, app: &App, name: String, make: impl AsyncFnOnce() -> Result<Made>) -> Result<Body> {
        // Read before anything is made: a change in between makes the answer newer than its mark, and never older.
        let mark = (self.mark)(app.follower.marks(&app.db).await?);
        if let Some(body) = self.kept(mark, &name) {
            return Ok(body);
        }
        let Made { body, keep, until } = make().await?;
        let body = Body::new(body);
        if keep {
            self.keep(mark, name, (body.clone(), until));
        }
        Ok(body)
    }

    /// [`Self::find`] for what takes long to make: one at a time, and those who waited get what was made meanwhile.
    ///
    /// # Errors
    /// What `make` answers, or that the database does not.
    pub async fn find_in_turn(&self, app: &App, name: String, make: impl AsyncFnOnce(Turn) -> Result<Made>) -> Result<Body> {
        let mark = (self.mark)(app.follower.marks(&app.db).await?);
        if let Some(body) = self.kept(mark, &name) {
            return Ok(body);
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        self.find(app, name, async || make(turn).await).await
    }

    fn kept(&self, mark: i64, name: &str) -> Option<Body> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.mark != mark {
            return None;
        }
        let (body, until) = kept.bodies.get(name)?;
        until.is_none_or(|until| now_naive() < until).then(|| body.clone())
    }

    fn keep(&self, mark: i64, name: String, body: (Body, Option<NaiveDateTime>)) {
        let size = name.len() + body.0.bytes.len() + OVERHEAD_BYTES;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.mark > mark {
            return;
        }
        if kept.mark < mark || kept.size + size > MOST_BYTES {
            *kept = Kept { mark, ..Kept::default() };
        }
        if kept.bodies.insert(name, body).is_none() {
            kept.size += size;
        }
    }
}
