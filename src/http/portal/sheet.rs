//! An application held against its dataset's offer, entry by entry, and the offer itself, in words.

use super::Words;
use super::wording::capital;
use crate::access::agreements::words_of_rows;
use crate::access::applications::{Application, Granted, Reach};
use crate::catalog::{Dataset, Entry, Field, Mode, Policy, Purpose, ReleaseRule, Safeguard, Versions, may_leave};
use crate::error::{Error, Fault, Result};
use crate::limits::ReadQuota;

/// One entry of an application.
pub(super) struct SheetRow {
    /// What it is.
    pub label: &'static str,
    /// What the firm says.
    pub asked: String,
    /// What the offer says of it; nothing where it says nothing.
    pub offer: String,
    /// Whether the offer speaks of it.
    pub checked: bool,
    /// Where it does not meet the offer.
    pub conflicts: Vec<String>,
}

/// A field, and what happens to it in a release.
pub(super) struct Leaving {
    /// The column.
    pub name: String,
    /// Its title.
    pub title: String,
    /// How it leaves.
    pub leaves: String,
    /// How it leaves instead where groups of people would be too small.
    pub coarser: String,
    /// Whether it leaves at all.
    pub may_leave: bool,
}

impl Words {
    /// Several things as one sentence.
    fn listed(&self, words: impl Iterator<Item = (&'static str, &'static str)>) -> String {
        let words: Vec<&str> = words.map(|(zh, en)| self.t(zh, en)).collect();
        capital(&words.join(self.t("、", ", ")))
    }

    fn purposes(&self, purposes: &[Purpose]) -> String {
        self.listed(purposes.iter().map(|purpose| purpose.words()))
    }

    fn safeguards(&self, safeguards: &[Safeguard]) -> String {
        self.listed(safeguards.iter().map(|safeguard| safeguard.words()))
    }

    fn ways(&self, modes: &[Mode]) -> String {
        capital(&self.modes(modes))
    }

    fn versions(&self, versions: &[Versions]) -> String {
        self.listed(versions.iter().map(|rule| rule.words()))
    }

    fn bounds(&self, quota: &ReadQuota) -> String {
        let bounds: Vec<String> = quota.bounds().map(|(_, most, zh, en)| format!("{most} {}", self.t(zh, en))).collect();
        if bounds.is_empty() { self.t("不限", "Not bounded").to_owned() } else { bounds.join(self.t("、", ", ")) }
    }

    fn tokens(&self, bound: bool) -> String {
        let words = if bound {
            self.t("须与企业密钥绑定（DPoP）", "Bound to a key of the firm (DPoP)")
        } else {
            self.t("无须绑定密钥", "Need not be bound to a key")
        };
        words.to_owned()
    }

    fn sharing(&self, shares: bool) -> &'static str {
        if shares { self.t("向他人提供", "Passed on to others") } else { self.t("不向他人提供", "Not passed on") }
    }
}

/// An application, entry by entry. What the firm says in its own words stands for itself.
pub(super) fn rows(w: Words, application: &Application, dataset: &Dataset) -> Vec<SheetRow> {
    let (entry, wish) = (&dataset.entry, &application.wish);
    let offer = entry.offer();
    let conflicts = |pointer: &str| {
        let of_it = application.conflicts.iter().filter(|conflict| conflict.pointer.starts_with(pointer));
        of_it.map(|conflict| capital(w.text(&conflict.detail))).collect()
    };
    let row =
        |label, pointer: &str, asked: String, offer: String| SheetRow { label, asked, offer, checked: true, conflicts: conflicts(pointer) };
    let own = |label, text: &str| SheetRow { label, asked: text.to_owned(), offer: String::new(), checked: false, conflicts: Vec::new() };
    let models = if offer.models_may_be_shared {
        w.t("可以向他人提供", "May be passed on")
    } else {
        w.t("不得向他人提供", "May not be passed on")
    };
    let most = w.days(&i64::from(entry.max_term_days()));
    vec![
        own(w.t("用途说明", "Purpose"), &application.purpose),
        row(w.t("用途类别", "Kinds of purpose"), "/purposes", w.purposes(&wish.purposes), w.purposes(&offer.purposes)),
        row(
            w.t("训练所得模型", "Models that learn from it"),
            "/shares_models",
            w.sharing(wish.shares_models).to_owned(),
            models.to_owned(),
        ),
        row(w.t("提供方式", "Handed over by"), "/modes", w.ways(&application.modes), w.ways(&offer.modes)),
        row(w.t("期限", "Term"), "/term_days", w.days(&i64::from(application.term_days)), format!("{}{most}", w.t("最长 ", "At most "))),
        row(
            w.t("具备的安全措施", "Safeguards in place"),
            "/safeguards_met",
            w.safeguards(&wish.safeguards_met),
            w.safeguards(&offer.safeguards),
        ),
        own(w.t("安全措施说明", "Safeguards in words"), &application.safeguards),
        row(w.t("版本", "Versions"), "/versions", w.versions(&[wish.versions]), w.versions(&offer.versions)),
        row(w.t("用量上限", "At most"), "/quota", w.bounds(&wish.quota), w.bounds(&offer.quota)),
        row(w.t("访问令牌", "Tokens"), "/sender_constrained", w.tokens(wish.sender_constrained), w.tokens(offer.sender_constrained)),
        own(w.t("数据范围", "Rows"), wish.condition.as_deref().unwrap_or(w.t("全部行", "All rows"))),
    ]
}

/// The bounds that a form gives, by their keys; what is empty bounds nothing.
///
/// # Errors
/// Names each that is no whole number, below `pointer`.
pub(super) fn quota<'t>(typed: impl Iterator<Item = (&'static str, &'t str)>, pointer: &str) -> Result<ReadQuota> {
    let (mut bounds, mut faults) = (serde_json::Map::new(), Vec::new());
    for (key, text) in typed.filter(|(_, text)| !text.is_empty()) {
        match text.parse::<u32>() {
            Ok(most) if most > 0 => _ = bounds.insert(key.to_owned(), most.into()),
            Ok(_) | Err(_) => {
                let detail = format!("give a whole number from 1 to {}, or leave it empty where nothing is bounded", u32::MAX);
                faults.push(Fault { pointer: format!("{pointer}/{key}"), detail });
            }
        }
    }
    if faults.is_empty() { Ok(serde_json::from_value(bounds.into())?) } else { Err(Error::Invalid(faults)) }
}

/// How far a grant reaches besides its fields: a label and a text.
pub(super) fn reach(w: Words, reach: &Reach) -> Vec<(&'static str, String)> {
    let versions = match reach.version {
        Some(number) => format!("{}{number}", w.t("仅第 ", "Version ")) + w.t(" 版", " alone"),
        None => w.versions(&[reach.versions]),
    };
    vec![
        (w.t("版本", "Versions"), versions),
        (w.t("用量上限", "At most"), w.bounds(&reach.quota)),
        (w.t("访问令牌", "Tokens"), w.tokens(reach.sender_constrained)),
        (w.t("义务", "Duties"), w.listed(reach.duties.iter().map(|duty| duty.words()))),
    ]
}

/// What was granted, entry by entry: a label and a text.
pub(super) fn granted(w: Words, granted: &Granted) -> Vec<(&'static str, String)> {
    let mut said = vec![
        (w.t("用途类别", "Kinds of purpose"), w.purposes(&granted.purposes)),
        (w.t("训练所得模型", "Models that learn from it"), w.sharing(granted.shares_models).to_owned()),
        (w.t("提供方式", "Handed over by"), w.ways(&granted.modes)),
        (w.t("期限", "Term"), w.days(&i64::from(granted.term_days))),
        (w.t("数据项", "Fields"), w.list(&granted.fields)),
    ];
    said.extend(reach(w, &granted.reach));
    said.extend(granted.conditions.clone().map(|text| (w.t("附加条件", "Further conditions"), text)));
    said
}

fn leaving_of(w: Words, field: &Field) -> Leaving {
    let coarser: Vec<String> = field.coarser.iter().map(ReleaseRule::words).map(|words| w.text(&words).to_owned()).collect();
    Leaving {
        name: field.name.clone(),
        title: w.text(&field.title).to_owned(),
        leaves: w.rule(&field.release),
        coarser: coarser.join(w.t("；再粗则：", "; coarser still: ")),
        may_leave: may_leave(field),
    }
}

/// Every field of a dataset, with what happens to it.
pub(super) fn all_fields(w: Words, entry: &Entry) -> Vec<Leaving> {
    entry.fields.iter().map(|field| leaving_of(w, field)).collect()
}

/// These fields of a dataset, with what happens to each. One that the dataset has no more is only named.
pub(super) fn fields(w: Words, entry: &Entry, names: &[String]) -> Vec<Leaving> {
    let gone = |name: &String| Leaving {
        name: name.clone(),
        title: w.t("数据集已不含此项", "The dataset has it no more").to_owned(),
        leaves: String::new(),
        coarser: String::new(),
        may_leave: false,
    };
    names.iter().map(|name| entry.field(name).map_or_else(|| gone(name), |field| leaving_of(w, field))).collect()
}

/// The offer of a dataset in words: a label and a text for each point. `share` is what each release leaves out where the entry says nothing.
pub(super) fn offer(w: Words, entry: &Entry, share: f64) -> Vec<(String, String)> {
    let offer = entry.offer();
    let none = || w.t("无", "None").to_owned();
    let safeguards = if offer.safeguards.is_empty() { none() } else { w.safeguards(&offer.safeguards) };
    let models = if offer.models_may_be_shared {
        w.t("可以向他人提供", "May be passed on")
    } else {
        w.t("不得向他人提供", "May not be passed on")
    };
    let point = |label: &str, text: String| (label.to_owned(), text);
    let mut said = vec![
        point(w.t("可用于", "For"), w.purposes(&offer.purposes)),
        point(w.t("提供方式", "Handed over by"), w.ways(&offer.modes)),
        point(w.t("最长期限", "Longest term"), w.days(&i64::from(entry.max_term_days()))),
        point(w.t("须具备的安全措施", "Safeguards asked for"), safeguards),
        point(w.t("训练所得模型", "Models that learn from it"), models.to_owned()),
        point(
            w.t("企业义务", "What the firm owes"),
            if offer.duties.is_empty() { none() } else { w.listed(offer.duties.iter().map(|duty| duty.words())) },
        ),
    ];
    said.extend(rows_of(w, entry, share));
    said
}

/// Which rows leave, in the words of agreements.
fn rows_of(w: Words, entry: &Entry, share: f64) -> Vec<(String, String)> {
    let names: Vec<String> = entry.fields.iter().filter(|field| may_leave(field)).map(|field| field.name.clone()).collect();
    let Ok(policy) = Policy::for_fields(entry, &names, share) else { return Vec::new() };
    let (zh, en) = words_of_rows(&policy.rows);
    let (text, mark) = (w.t(&zh, &en), w.t("：", ": "));
    text.lines().filter_map(|line| line.split_once(mark)).map(|(label, text)| (label.to_owned(), capital(text))).collect()
}
