//! Releases: the immutable artefacts that readers see. 发布件
//!
//! Policy is applied here, when a release is made, and never when it is read. An unconditional dataset has one public
//! release for each version, which shares the version's file; a conditional one has a release for each grant and version.

mod candidates;
mod combination;
mod groups;
mod layout;
mod materialise;
mod plan;
mod publish;
mod report;
mod store;
mod transform;
mod withdrawal;

pub use candidates::{Candidate, CandidateRows};
pub use groups::{Bar, LeastValues, Sizes};
pub use materialise::Maker;
pub use publish::{
    Outcome, PublishMode, Published, Refusal, Report, Settle, Source, Stage, Tools, Watcher, check_folder, import_folder, open_findings,
    publish_file, resolve_version, unwatched,
};
pub use report::{FieldReport, GroupsReport, ReleaseReport, Risk, RowsReport};
pub use store::{Found, Release, exists, find_for, versions_of};
pub use transform::Holder;
pub use withdrawal::{affected, require_may, turn_dataset};
