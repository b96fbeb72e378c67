//! The open list: publishers, themes, datasets and their versions. Knows nothing of files or formats (`intake`) and
//! nothing of who may read what (`access`).

mod check;
mod citation;
mod collection;
mod condition;
mod entry;
mod folder;
mod grading;
mod members;
mod offer;
mod policy;
mod store;
mod transform;
mod versions;

pub use citation::Citation;
pub use collection::files_leave;
pub use condition::{MAX_CHARS as MAX_CONDITION_CHARS, MAX_DEPTH as MAX_CONDITION_DEPTH, condition, unknown as unknown_field};
pub use entry::{DatasetKind, Entry, Field, FieldType, OpenType, ReleaseRule, RowPolicy, Sensitivity, Text, UpdateFrequency, with_types};
pub use folder::{Folder, FolderEntry, Mistake, read_folder};
pub use grading::{Dimension, Grade, GradedField, Grading, LoweredBy, Scheme};
pub use members::{MEMBERS_AT_ONCE, find_member, is_member, members_after, members_of, new_set, put_members, remove_orphan_sets};
pub use offer::{Duty, Mode, Offer, OfferConflict, Purpose, Safeguard, Versions, Wish, twice};
pub use policy::{Policy, PolicyField, Rows, may_leave};
pub use store::{
    Dataset, DatasetFilter, DatasetPage, EntryChange, Publisher, PublisherContact, Theme, find, is_empty, is_first_import_done, list,
    mark_first_import, publishers, put_entry, put_publisher, put_theme, slugs_of, themes,
};
pub use transform::{Amount, AreaLevel, Transform, units_text};
pub use versions::{
    Findings, NewVersion, Part, Version, VersionStatus, add_version, all_versions, any_version, columns_of, digest_of, findings,
    forget_parts, is_part, last_taken, latest_version, parts_of, put_parts, resolve, version, version_at, versions,
};
