//! One integration binary: every test speaks HTTP to a real application on port 0, each with a database of its own.
//!
//! `TEST_DATABASE_URL=postgres://…` runs the same tests on PostgreSQL, each in a schema of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod agreements;
mod architecture;
mod attachments;
mod book;
mod browser;
pub mod ckan;
mod collections;
mod crash;
mod download;
mod download_codings;
mod download_formats;
mod dpop;
mod duties;
mod grading;
mod grants;
mod hostile;
mod import;
mod intake;
mod judged;
mod kept;
mod key_sets;
mod layout;
mod ledger;
mod limits;
mod matrix;
mod migrations;
mod oauth;
mod openapi;
mod pages;
mod pages_access;
mod pages_clients;
mod pages_documents;
mod pages_firms;
mod pages_grants;
mod pages_guard;
mod people;
mod policy;
mod policy_import;
mod problems;
mod process;
mod publishing;
mod record;
mod register;
mod revocation;
mod rows;
mod sanctions;
mod sandbox;
mod scan;
mod search;
mod second_factor;
mod sign_in;
mod signed_urls;
mod sql;
mod standards;
mod support;
mod tpch;
mod trace;
mod versions;
mod withdrawal;
mod workflow;
mod workflow_paths;
