//! That the best are the best, though most are not judged, and that pages fit together.

use tantivy::collector::Count;
use tantivy::indexer::NoMergePolicy;
use tantivy::{Index, IndexReader, IndexWriter, TantivyDocument};

use super::best::{Hit, Put};
use super::counts::{Columns, Tally};
use super::index::{Fields, schema, tie, tokenized};
use super::wish::{Facet, Within};
use super::*;

const WORDS: [&str; 16] = [
    "hospital",
    "school",
    "parking",
    "register",
    "survey",
    "district",
    "street",
    "water",
    "医院",
    "学校",
    "停车场",
    "名录",
    "徐汇区",
    "街道",
    "水质",
    "调查",
];

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// Some words, the later ones of the list more often: the last is nearly everywhere.
    fn words(&mut self, most: usize) -> String {
        let count = 1 + self.below(most);
        let mut word = || WORDS[self.below(WORDS.len()).max(self.below(WORDS.len()))];
        (0..count).map(|_| word()).collect::<Vec<_>>().join(" ")
    }
}

fn document(fields: &Fields, dice: &mut Dice, number: u32, longer: usize) -> TantivyDocument {
    let slug = format!("one-{number}");
    let mut document = TantivyDocument::default();
    document.add_text(fields.slug, &slug);
    document.add_u64(fields.tie, tie(&slug));
    document.add_f64(fields.weight, 1.0 + dice.below(15) as f64 / 100.0);
    document.add_text(fields.theme, ["health", "roads", "education"][dice.below(3)]);
    for _ in 0..dice.below(4) {
        document.add_text(fields.year, (2000 + dice.below(20)).to_string());
    }
    let mut all = String::new();
    for (field, most) in [(fields.title, 3), (fields.keywords, 2), (fields.description, 9 * longer), (fields.columns, 3 * longer)] {
        let text = dice.words(most);
        document.add_pre_tokenized_text(field, tokenized(words::words(&text)));
        if field != fields.columns {
            all += &text;
            all.push('\n');
        }
    }
    document.add_pre_tokenized_text(fields.letters, tokenized(words::letters(&all)));
    document
}

/// An index of several segments, of which some documents are deleted; texts of the first are longer.
fn index() -> (IndexReader, Fields) {
    let (schema, fields) = schema();
    let index = Index::create_in_ram(schema);
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 20 << 20).unwrap();
    writer.set_merge_policy(Box::new(NoMergePolicy));
    let mut dice = Dice(7);
    for number in 0..3_000_u32 {
        let longer = if number <= 100 { 12 } else { 1 };
        writer.add_document(document(&fields, &mut dice, number, longer)).unwrap();
        if matches!(number, 100 | 1_500) {
            writer.commit().unwrap();
        }
    }
    writer.commit().unwrap();
    for number in (0..3_000).step_by(17) {
        writer.delete_term(Term::from_field_text(fields.slug, &format!("one-{number}")));
    }
    writer.commit().unwrap();
    let reader = index.reader().unwrap();
    assert!(reader.searcher().segment_readers().len() >= 3);
    (reader, fields)
}

fn questions() -> Vec<String> {
    let mut dice = Dice(11);
    let more = [
        "of the hospital",
        "hospitl street",
        "徐汇区医院",
        "停车场 district 2004",
        "nothing at all",
        "徐汇区",
        "wat",
        "street water survey of school",
    ];
    (0..60).map(|_| dice.words(4)).chain(more.map(str::to_owned)).collect()
}

fn keys(hits: &[Hit]) -> Vec<(u64, u64)> {
    hits.iter().map(|hit| (hit.number.to_bits(), hit.tie)).collect()
}

#[test]
fn the_best_are_those_that_would_be_found_if_all_were_judged() {
    let (reader, fields) = index();
    let searcher = reader.searcher();
    let (marks, columns) = (Marks::default(), Arc::<Columns>::default());
    let filters: [Vec<Box<dyn Query>>; 2] =
        [vec![], vec![Choice::Has(Facet::Theme, "roads".to_owned()).query(&Within { fields: &fields, searcher: &searcher })]];
    let mut pruned = 0;
    for (question, filters) in questions().iter().flat_map(|question| filters.iter().map(move |filters| (question, filters))) {
        let asked = question::read(&Within { fields: &fields, searcher: &searcher }, question).unwrap();
        let put = Put::new(&searcher, &marks, &asked, filters).unwrap();
        let clauses = filters.iter().map(|filter| (Occur::Must, filter.box_clone())).chain([(Occur::Must, asked.query())]);
        let query = BooleanQuery::new(clauses.collect());
        let found: u64 = put.segments.iter().map(|segment| segment.found.count()).sum();
        assert_eq!(found, searcher.search(&query, &Count).unwrap() as u64, "{question}");
        let whole = put.best(3_000, None).unwrap();
        assert_eq!(whole.len() as u64, found, "{question}");
        assert!(whole.is_sorted_by(|one, other| (one.number, other.tie) >= (other.number, one.tie)), "{question}");

        // Page after page, of which each judges some.
        let (mut paged, mut after) = (Vec::new(), None);
        for _ in 0..12 {
            let page = put.best(9, after.as_ref()).unwrap();
            after = page.last().map(|hit| Place::Number(hit.number, hit.tie)).or(after);
            paged.extend(page);
        }
        assert_eq!(keys(&paged), keys(&whole[..paged.len()]), "{question}");
        assert_eq!(paged.len() as u64, found.min(12 * 9), "{question}");
        pruned += usize::from(found > 12 * 9);

        // And as the index itself would have it, but for how it rounds.
        let wish = Wish {
            choice: Choice::None,
            order: Order::Best,
            after: None,
            skip: 0,
            limit: 40,
            counted: vec![(Facet::Theme, 9), (Facet::Year, 30)],
        };
        let (tallied, (slugs, _)) = by_number(&columns, &searcher, &query, &wish, 41).unwrap();
        let ours: Vec<String> =
            whole.iter().take(40).filter_map(|hit| slug_of(searcher.segment_reader(hit.segment), hit.document).unwrap()).collect();
        let alike = whole.windows(2).take(41).any(|pair| (pair[0].number - pair[1].number).abs() < pair[0].number * 1e-5);
        assert!(ours == slugs || alike && ours.len() == slugs.len(), "{question}: {ours:?} {slugs:?}");
        let tally = Tally::of(&wish.counted, &columns).count(&searcher, put.segments.iter().map(|segment| &segment.found)).unwrap();
        assert_eq!((tally.total(), tally.counts(&wish.counted)), (tallied.total(), tallied.counts(&wish.counted)), "{question}");
    }
    assert!(pruned > 60, "{pruned}");
}

#[test]
fn what_a_question_costs_is_bounded() {
    let (reader, fields) = index();
    let searcher = reader.searcher();
    let within = Within { fields: &fields, searcher: &searcher };
    let read = |text: &str| question::read(&within, text).unwrap();
    let twice = read("water water 水质 水质 water");
    assert_eq!((twice.needed.len(), twice.joint.len()), (2, read("water 水质").joint.len()));
    assert!(twice.whole.is_some());
    let many = (b'a'..=b'z').map(|letter| format!("{0}{0}{0}", char::from(letter))).collect::<Vec<_>>().join(" ");
    let asked = read(&many);
    assert_eq!((asked.needed.len(), asked.joint.len(), asked.whole.is_none()), (24, 12, true));
}

#[test]
fn what_is_known_of_words_is_true_after_a_change_of_the_list() {
    let (reader, fields) = index();
    let ask = |marks: &Marks| -> Vec<Vec<(u64, u64)>> {
        let searcher = reader.searcher();
        marks.forget_others(&searcher);
        let each = questions().into_iter().take(20).map(|question| {
            let asked = question::read(&Within { fields: &fields, searcher: &searcher }, &question).unwrap();
            keys(&Put::new(&searcher, marks, &asked, &[]).unwrap().best(20, None).unwrap())
        });
        each.collect()
    };
    let marks = Marks::default();
    let before = ask(&marks);
    // Long texts: each word counts otherwise in all the others, too.
    let mut writer: IndexWriter = reader.searcher().index().writer_with_num_threads(1, 20 << 20).unwrap();
    writer.set_merge_policy(Box::new(NoMergePolicy));
    let mut dice = Dice(5);
    (3_000..3_400).for_each(|number| {
        writer.add_document(document(&fields, &mut dice, number, 20)).unwrap();
    });
    (1..3_000).step_by(13).for_each(|number| {
        writer.delete_term(Term::from_field_text(fields.slug, &format!("one-{number}")));
    });
    writer.commit().unwrap();
    reader.reload().unwrap();
    let after = ask(&marks);
    assert_ne!(before, after);
    assert_eq!(after, ask(&Marks::default()));
}

#[test]
fn what_has_the_words_next_to_each_other_is_among_the_best() {
    let (schema, fields) = schema();
    let index = Index::create_in_ram(schema);
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 20 << 20).unwrap();
    for number in 0..6_000_u32 {
        // Many have both words, some of them one in the title; only one has them next to each other.
        let (title, description) = match number {
            0..12 => ("survey", "quality of the water, a survey"),
            12..60 => ("park", "quality of the water, a survey"),
            60 => ("park", "quality survey, and quality survey again"),
            61.. => ("park", "trees of the road"),
        };
        let slug = format!("one-{number}");
        let mut document = TantivyDocument::default();
        document.add_text(fields.slug, &slug);
        document.add_u64(fields.tie, tie(&slug));
        document.add_f64(fields.weight, 1.0);
        document.add_pre_tokenized_text(fields.title, tokenized(words::words(title)));
        document.add_pre_tokenized_text(fields.description, tokenized(words::words(description)));
        document.add_pre_tokenized_text(fields.letters, tokenized(words::letters(&format!("{title}\n{description}"))));
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    let searcher = index.reader().unwrap().searcher();
    let asked = question::read(&Within { fields: &fields, searcher: &searcher }, "quality survey").unwrap();
    let marks = Marks::default();
    let put = Put::new(&searcher, &marks, &asked, &[]).unwrap();
    let (best, whole) = (put.best(9, None).unwrap(), put.best(6_000, None).unwrap());
    assert_eq!((best.len(), whole.len()), (9, 61));
    assert_eq!(keys(&best), keys(&whole[..9]));
    assert_eq!(best[0].tie, tie("one-60"));
}
