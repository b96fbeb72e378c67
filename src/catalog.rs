//! The open list: publishers, themes, datasets and their versions. Knows nothing of data files and their formats (`intake`) and
//! nothing of who may read what (`access`).

mod advice;
pub mod book;
mod changes;
mod check;
mod citation;
mod collection;
mod condition;
pub mod drafts;
mod due;
mod entry;
mod folder;
mod grading;
mod history;
mod kept;
mod members;
mod newest;
mod offer;
mod policy;
mod record;
mod relations;
mod search;
mod state;
mod store;
mod subjects;
mod transform;
mod versions;

pub use advice::advice;
pub use changes::{Change, Changes, changes};
pub use citation::Citation;
pub use collection::files_leave;
pub use condition::{
    MAX_CHARS as MAX_CONDITION_CHARS, MAX_DEPTH as MAX_CONDITION_DEPTH, condition, example as example_of, scalar as value_of,
    unknown as unknown_field,
};
pub use due::{Due, due};
pub use entry::{DatasetKind, Entry, Field, FieldType, OpenType, ReleaseRule, RowPolicy, Sensitivity, Text, UpdateFrequency, with_types};
pub use folder::{Folder, FolderEntry, Mistake, read_folder};
pub use grading::{Dimension, Grade, GradedField, Grading, LoweredBy, Scheme, is_singled_out, is_to_be_counted, quasi_identifiers};
pub use history::{
    ChangeCode, DatasetChange, Difference, Edition, ListChange, ListDiff, ListVersion, ValueChange, compare, diff, history_of,
    list_versions, narrowing, newest_version, withdrawals,
};
pub use kept::{Kept, list_kept};
pub use members::{MEMBERS_AT_ONCE, find_member, is_member, members_after, members_of, new_set, put_members, remove_orphan_sets};
pub use newest::{Newest, newest_of};
pub use offer::{Duty, Mode, Offer, OfferConflict, Purpose, Safeguard, Versions, Wish, twice};
pub use policy::{Policy, PolicyField, Rows, may_leave};
pub use record::{
    Code, CodesOf, Contact, HighValue, HighValueCategory, LegalBasis, Period, Place, Related, Relation, Sharing, SharingType,
};
pub use relations::{Clashes, Link, RelatedDataset, clashes, forget_unlisted, links_of, related};
pub use search::{Choice, Counted, Counts, Facet, FormatsOf, Found, Moment, Order, Place as SearchPlace, Search, Wish as SearchWish};
pub use state::{Ground, State, Turn, standing, turn};
pub use store::{
    Dataset, DatasetFilter, DatasetPage, EntryChange, Publisher, Theme, change_faults, find, find_any, is_empty, is_first_import_done,
    last_change, latest_changes, list, list_on, mark_first_import, named, publisher_contact, publishers, put_entry, put_publisher,
    put_theme, slug_behind, slug_of, slugs_after, slugs_of, themes, total,
};
pub use subjects::{SubjectClass, SubjectKind, put_subject_class, subject_classes};
pub use transform::{Amount, AreaLevel, Transform, units_text};
pub use versions::{
    Findings, NewVersion, Part, Version, VersionStatus, add_version, all_versions, any_version, columns_of, digest_of, findings,
    forget_parts, is_part, last_taken, latest_version, parts_of, put_parts, resolve, version, version_at, versions, withdrawn_source,
};
