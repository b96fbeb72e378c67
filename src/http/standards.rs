//! The list as other catalogues read it: DCAT-AP 3, DCAT-US 3, Croissant 1.1, data packages, schema.org, feeds. Each is a pure mapping of one
//! [`card::Card`], so that none of them says what another does not know.

pub mod card;
pub mod catalogs;
mod croissant;
mod datapackage;
pub mod datasets;
mod dcat;
mod dcat_us;
mod feeds;
pub mod following;
mod graph;
mod llms;
mod policy;
mod schema_org;
mod terms;
mod vocabulary;

use chrono::{Duration, NaiveDateTime};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::clock::{self, now_naive};
use crate::http::kept::Made;

pub use graph::Syntax;
pub use policy::rights;
pub use schema_org::{dataset as schema_org, embedded};
pub use vocabulary::licence_page;

/// Every route of other catalogues' shapes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(catalogs::show_catalog)
        .service(catalogs::show_catalog_in)
        .service(catalogs::show_dcat_us)
        .service(datasets::show_dataset_in)
        .service(datasets::show_croissant)
        .service(datasets::show_data_package)
        .service(following::show_feed)
        .service(following::show_site_map)
        .service(following::show_robots)
        .service(following::show_llms);
}

/// A moment as documents say it.
fn moment(at: NaiveDateTime) -> String {
    clock::format(at.and_utc())
}

/// What is kept for a while: sizes and digests of files come to be known without any change of the list.
fn for_a_while(body: Vec<u8>) -> Made {
    Made { body, keep: true, until: Some(now_naive() + Duration::minutes(10)) }
}
