//! Offers of conditional datasets, as ODRL 2.2 says them (W3C Recommendation, 2018).

use actix_web::{HttpResponse, get, web};
use serde_json::{Value, json};

use super::datasets::DatasetPath;
use crate::app::App;
use crate::catalog::{self, Dataset, Duty, OpenType};
use crate::error::{Error, Result};
use crate::identity::Caller;

/// Show the offer of a conditional dataset
///
/// On what terms a firm may have it, as an ODRL Offer in JSON-LD: purposes, modes and the longest term are constraints of the permission to
/// use it, what a firm owes are its duties, and passing on and re-identification are prohibited. Purposes and safeguards are terms of this service's
/// own vocabulary, which the API document lists.
#[utoipa::path(tag = "catalog", params(DatasetPath), responses((status = OK, body = Object, content_type = "application/ld+json")))]
#[get("/datasets/{slug}/offer")]
pub async fn find_offer(_caller: Caller, app: web::Data<App>, path: web::Path<DatasetPath>) -> Result<HttpResponse> {
    let slug = path.into_inner().slug;
    let (dataset, publisher) = app
        .db
        .read(move |conn| {
            let dataset = catalog::find(conn, &slug)?;
            let publisher = catalog::publishers(conn)?.into_iter().find(|publisher| publisher.slug == dataset.entry.publisher);
            Ok((dataset, publisher))
        })
        .await?;
    if dataset.entry.open_type != OpenType::Conditional {
        let detail = format!("`{}` is {}; only a conditional dataset has an offer", dataset.slug, dataset.entry.open_type.as_str());
        return Err(Error::Conflict(detail));
    }
    let assigner = publisher
        .and_then(|publisher| publisher.uscc)
        .map_or_else(|| format!("{}/api/v1/publishers#{}", app.issuer, dataset.entry.publisher), |uscc| format!("urn:uscc:{uscc}"));
    let body = serde_json::to_vec(&offer(&app.issuer, &dataset, &assigner))?;
    Ok(HttpResponse::Ok().content_type("application/ld+json").body(body))
}

fn offer(issuer: &str, dataset: &Dataset, assigner: &str) -> Value {
    let (offer, slug) = (dataset.entry.offer(), &dataset.slug);
    let term = |name: &str| format!("{issuer}/docs#{name}");
    let purposes: Vec<String> = offer.purposes.iter().map(|purpose| term(purpose.as_str())).collect();
    let modes: Vec<String> = offer.modes.iter().map(|mode| term(mode.as_str())).collect();
    let duty = |duty: &Duty| match duty {
        Duty::Citation => json!({ "action": "attribute" }),
        Duty::UseReport => json!({ "action": "inform", "informedParty": assigner }),
        Duty::DeletionProof => {
            json!({ "action": "delete", "constraint": [{ "leftOperand": "event", "operator": "gt", "rightOperand": { "@id": "odrl:policyUsage" } }] })
        }
    };
    let safeguards = offer.safeguards.iter().map(|safeguard| {
        json!({ "action": "ensureExclusivity", "constraint": [{ "leftOperand": term("safeguard"), "operator": "eq", "rightOperand": term(safeguard.as_str()) }] })
    });
    let duties: Vec<Value> = offer.duties.iter().map(duty).chain(safeguards).collect();
    let mut prohibitions =
        vec![json!({ "action": "distribute", "target": format!("{issuer}/datasets/{slug}") }), json!({ "action": term("reidentify") })];
    if !offer.models_may_be_shared {
        prohibitions.push(json!({ "action": term("share_models") }));
    }
    let mut constraints = vec![
        json!({ "leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": purposes }),
        json!({ "leftOperand": "deliveryChannel", "operator": "isAnyOf", "rightOperand": modes }),
        json!({ "leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": { "@value": format!("P{}D", dataset.entry.max_term_days()), "@type": "xsd:duration" } }),
        json!({ "leftOperand": term("versions"), "operator": "isAnyOf", "rightOperand": offer.versions.iter().map(|rule| term(rule.as_str())).collect::<Vec<_>>() }),
    ];
    let bounds = offer.quota.bounds();
    constraints.extend(bounds.map(|(key, most, ..)| json!({ "leftOperand": term(key), "operator": "lteq", "rightOperand": most })));
    if offer.sender_constrained {
        constraints.push(json!({ "leftOperand": term("token"), "operator": "eq", "rightOperand": term("sender_constrained") }));
    }
    json!({
        "@context": "http://www.w3.org/ns/odrl.jsonld",
        "@type": "Offer",
        "uid": format!("{issuer}/api/v1/datasets/{slug}/offer"),
        "profile": format!("{issuer}/docs"),
        "permission": [{
            "target": format!("{issuer}/datasets/{slug}"),
            "assigner": assigner,
            "action": "use",
            "constraint": constraints,
            "duty": duties,
        }],
        "prohibition": prohibitions,
    })
}
