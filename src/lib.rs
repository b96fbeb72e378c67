//! qingdan (清单, "the list"): a district's open-data list, and the lawful release of its sensitive datasets to registered AI firms.
//!
//! Many thin surfaces over one core that knows nothing of HTTP, with a proof of access between them:
//!
//! ```text
//! cli · app · http        the surfaces
//! lab                     what is found out about data: traces of leaked copies
//! read                    the only readers of releases
//! release                 policy, materialise, publish
//! access                  check → Pass; applications, agreements, grants
//! catalog                 the open list
//! intake                  a file becomes Parquet
//! identity                people, firms, clients, tokens, keys, Caller
//! limits                  requests, queries, bytes
//! ledger                  everything that happens, chained by hash
//! engine db storage       query engine, database, object store and data folder
//! settings error clock crypto
//! ```
//!
//! Arrows go down only; `tests/api/architecture.rs` checks them.

pub mod access;
pub mod app;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod crypto;
pub mod db;
pub mod engine;
pub mod error;
pub mod feedback;
pub mod http;
pub mod identity;
pub mod intake;
pub mod jobs;
pub mod lab;
pub mod ledger;
pub mod limits;
pub mod outbound;
pub mod read;
pub mod release;
pub mod settings;
pub mod storage;
