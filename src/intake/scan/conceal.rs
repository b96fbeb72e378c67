//! A single value as a message may show it: of what looks like personal data, only what a finding would show.

use std::ops::Range;

use super::{Hints, Marks, mask, plain, tokens};
use crate::intake::{Declared, FindingKind};

/// The value with everything hidden that looks like personal data, also by what the column's header says; `None` when nothing does.
/// Unlike a column, one value cannot show that it has the form of an identifier by chance: what only may be one is hidden as well.
pub fn conceal(text: &str, column: Option<&Declared>) -> Option<String> {
    let hints = column.map_or_else(Hints::default, |column| Hints::new(&column.name, &column.titles));
    let text = plain::plain(text);
    let mut seen = Seen::default();
    tokens::look(&text, hints, crate::clock::now().date_naive(), &mut seen);
    if seen.hits.is_empty() {
        return (!seen.marks.is_empty()).then(|| mask::hide(FindingKind::Document, &text));
    }
    seen.hits.sort_by_key(|(_, range)| (range.start, range.end));
    let (mut concealed, mut at) = (String::new(), 0);
    let mut hits = seen.hits.into_iter().peekable();
    while let Some((kind, Range { start, mut end })) = hits.next() {
        // Those that overlap are hidden as one.
        while let Some((_, more)) = hits.next_if(|(_, more)| more.start < end) {
            end = end.max(more.end);
        }
        concealed += text.get(at..start)?;
        concealed += &mask::hide(kind, text.get(start..end)?);
        at = end;
    }
    concealed += text.get(at..)?;
    Some(concealed)
}

#[derive(Default)]
struct Seen {
    hits: Vec<(FindingKind, Range<usize>)>,
    marks: Marks,
}

impl tokens::Sink for Seen {
    fn hit(&mut self, kind: FindingKind, _masked: bool, range: Range<usize>) {
        self.hits.push((kind, range));
    }

    fn mark(&mut self, marks: Marks) {
        self.marks.0 |= marks.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_personal_data_is_hidden() {
        let column = |name: &str| Declared { name: name.to_owned(), ..Declared::default() };
        for (text, header, wanted) in [
            ("11010519491231002X", "n", Some("110*************2X")),
            ("１１０１０５１９４９１２３１００２Ｘ", "n", Some("110*************2X")),
            ("call 13812345678 or zhang@example.com", "n", Some("call 138******78 or z***@***.com")),
            ("张三", "姓名", Some("张*")),
            ("张三", "n", None),
            // A wrong check digit may be a slip of the pen.
            ("110105194912310021", "resident id", Some("110*************21")),
            ("three", "n", None),
            ("45123.5", "n", None),
            ("2024/01/02", "n", None),
            ("3.10105E+17", "n", None),
        ] {
            assert_eq!(conceal(text, Some(&column(header))).as_deref(), wanted, "{text} in {header}");
        }
    }
}
