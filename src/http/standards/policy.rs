//! On what terms a dataset may be had, in words and in ODRL 2.2. The offer of a conditional dataset becomes an `odrl:Offer`: what a grant permits, what
//! is bound to it, and what a firm owes.

use oxrdf::vocab::xsd;
use oxrdf::{Literal, NamedNode, NamedNodeRef};
use serde_json::{Value, json};

use super::card::Card;
use super::graph::{Graph, part};
use super::terms::{dct, odrl};
use crate::catalog::{Duty, OpenType, Text};

/// Who may have it and on what conditions, in words.
pub fn rights(card: &Card) -> Text {
    let entry = &card.dataset.entry;
    match entry.open_type {
        OpenType::Unconditional => Text {
            zh: "无条件开放：任何人均可获取和使用，无需注册；请注明数据来源和获取日期。".to_owned(),
            en: "Open to everybody without registration; name the source and the date of access.".to_owned(),
        },
        OpenType::Conditional => {
            let conditions = entry.conditions.as_ref();
            Text {
                zh: format!("有条件开放：经注册的企业申请获批并签署协议后提供。{}", conditions.map_or("", |text| text.zh.as_str())),
                en: format!(
                    "Conditional: provided to a registered firm after an approved application and a signed agreement. {}",
                    conditions.map_or("", |text| text.en.as_str())
                ),
            }
        }
        OpenType::Closed => {
            let reason = entry.open_type_reason.as_ref();
            Text {
                zh: format!("非开放：只列出名称，不提供数据。{}", reason.map_or("", |text| text.zh.as_str())),
                en: format!("Closed: listed by name, and the data is not provided. {}", reason.map_or("", |text| text.en.as_str())),
            }
        }
    }
}

/// What a duty is in ODRL.
fn action(duty: Duty) -> NamedNodeRef<'static> {
    match duty {
        Duty::Citation => odrl::ATTRIBUTE,
        Duty::UseReport => odrl::INFORM,
        Duty::DeletionProof => odrl::DELETE,
    }
}

/// The longest term of a grant, as a duration.
fn term(card: &Card) -> String {
    format!("P{}D", card.dataset.entry.max_term_days())
}

/// Says of a distribution on what terms a firm gets it.
pub fn offer(graph: &mut Graph, card: &Card, dataset: &NamedNode, distribution: &NamedNode, assigner: NamedNode) {
    let Some(terms) = &card.dataset.entry.offer else { return };
    let offer = part(dataset, "offer");
    graph.add(distribution, odrl::HAS_POLICY, offer.clone());
    graph.is_a(&offer, odrl::OFFER);
    graph.add(&offer, odrl::UID, offer.clone());
    graph.text(&offer, dct::DESCRIPTION, &rights(card));
    let permission = part(dataset, "offer-use");
    graph.add(&offer, odrl::PERMISSION, permission.clone());
    graph.is_a(&permission, odrl::PERMISSION_CLASS);
    graph.add(&permission, odrl::TARGET, distribution.clone());
    graph.add(&permission, odrl::ASSIGNER, assigner);
    graph.add(&permission, odrl::ACTION, odrl::USE.into_owned());
    let purpose = part(dataset, "offer-purpose");
    graph.add(&permission, odrl::CONSTRAINT, purpose.clone());
    graph.is_a(&purpose, odrl::CONSTRAINT_CLASS);
    graph.add(&purpose, odrl::LEFT_OPERAND, odrl::PURPOSE.into_owned());
    graph.add(&purpose, odrl::OPERATOR, odrl::IS_ANY_OF.into_owned());
    for one in &terms.purposes {
        graph.plain(&purpose, odrl::RIGHT_OPERAND, one.as_str());
    }
    let time = part(dataset, "offer-term");
    graph.add(&permission, odrl::CONSTRAINT, time.clone());
    graph.is_a(&time, odrl::CONSTRAINT_CLASS);
    graph.add(&time, odrl::LEFT_OPERAND, odrl::ELAPSED_TIME.into_owned());
    graph.add(&time, odrl::OPERATOR, odrl::LTEQ.into_owned());
    graph.add(&time, odrl::RIGHT_OPERAND, Literal::new_typed_literal(term(card), xsd::DURATION));
    for (at, duty) in terms.duties.iter().enumerate() {
        let node = part(dataset, &format!("offer-duty-{}", at + 1));
        graph.add(&permission, odrl::DUTY_OF, node.clone());
        graph.is_a(&node, odrl::DUTY);
        graph.add(&node, odrl::ACTION, action(*duty).into_owned());
        let (zh, en) = duty.words();
        graph.text(&node, dct::DESCRIPTION, &Text { zh: zh.to_owned(), en: en.to_owned() });
    }
}

/// The same offer as JSON-LD, for a document whose context has the prefixes `odrl` and `xsd`.
pub fn offer_json(card: &Card) -> Option<Value> {
    let terms = card.dataset.entry.offer.as_ref()?;
    let purposes: Vec<&str> = terms.purposes.iter().map(|purpose| purpose.as_str()).collect();
    let named = |name: NamedNodeRef<'_>| json!({ "@id": name.as_str() });
    let duties: Vec<Value> = terms.duties.iter().map(|duty| json!({ "@type": "odrl:Duty", "odrl:action": named(action(*duty)) })).collect();
    Some(json!({
        "@type": "odrl:Offer",
        "@id": format!("{}#offer", card.page),
        "odrl:permission": {
            "@type": "odrl:Permission",
            // The distribution that DCAT names. The dataset itself would be a circle, which loaders cannot read.
            "odrl:target": { "@id": format!("{}#parquet", card.page) },
            "odrl:action": named(odrl::USE),
            "odrl:constraint": [
                {
                    "@type": "odrl:Constraint",
                    "odrl:leftOperand": named(odrl::PURPOSE),
                    "odrl:operator": named(odrl::IS_ANY_OF),
                    "odrl:rightOperand": purposes,
                },
                {
                    "@type": "odrl:Constraint",
                    "odrl:leftOperand": named(odrl::ELAPSED_TIME),
                    "odrl:operator": named(odrl::LTEQ),
                    "odrl:rightOperand": { "@type": "xsd:duration", "@value": term(card) },
                },
            ],
            "odrl:duty": duties,
        },
    }))
}

/// What of the Data Use Ontology fits every grant: it is bound to one firm, one project, and a term.
pub fn data_use_terms() -> [Value; 3] {
    let term = |code: &str, name: &str| {
        json!({
            "@type": "DefinedTerm",
            "@id": format!("http://purl.obolibrary.org/obo/DUO_{code}"),
            "name": name,
            "termCode": format!("DUO:{code}"),
            "inDefinedTermSet": "http://purl.obolibrary.org/obo/duo.owl",
        })
    };
    [
        term("0000028", "institution specific restriction"),
        term("0000027", "project specific restriction"),
        term("0000025", "time limit on use"),
    ]
}
