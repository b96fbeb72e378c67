//! The record of an entry: what the list says beside title and fields, what an import refuses of it, and what it only remarks on.

use qingdan::release::{check_folder, import_folder, unwatched};
use serde_json::{Value, json};

use crate::support::{Folder, TestApp, people};

async fn detail(app: &TestApp, slug: &str) -> Value {
    app.get(&format!("/api/v1/datasets/{slug}")).await.expect(200).json()
}

async fn mistakes(app: &TestApp, folder: &Folder) -> Vec<String> {
    let report = import_folder(&app.app.tools(), folder.path(), "service", unwatched).await.unwrap();
    report.mistakes.iter().map(|mistake| mistake.to_string().replace(&format!("{}/", folder.path().display()), "")).collect()
}

fn read(folder: &Folder, slug: &str) -> String {
    std::fs::read_to_string(folder.file(&format!("{slug}/dataset.toml"))).unwrap()
}

/// Puts lines before the fields of an entry.
fn with(folder: &Folder, slug: &str, lines: &str) {
    let text = read(folder, slug);
    folder.write(&format!("{slug}/dataset.toml"), text.replacen("[[fields]]", &format!("{lines}\n[[fields]]"), 1));
}

/// A folder with a dataset of which everything is said, and one that it is made from.
pub fn full() -> Folder {
    let folder = Folder::new();
    folder.write(
        "publishers.toml",
        "[office]\nname = { zh = \"办公室\", en = \"Office\" }\nuscc = \"91310000132260250X\"\ncontact = { phone = \"021-12345678\" }\n",
    );
    folder.write("subjects.toml", "[community]\nkind = \"topic\"\nname = { zh = \"社区治理\", en = \"Community governance\" }\n");
    folder.open("areas", &["code:string"], "code\n310104\n");
    folder.open("homes", &["area:string", "kind:string", "count:integer"], "area,kind,count\n310104,a,3\n");
    with(
        &folder,
        "homes",
        r#"code = "29200/01103512"
registration_code = "GGSJ-2025-000123"
department = { zh = "数据科", en = "Data section" }
subject_class = "community"
languages = ["zh", "en"]
spatial = [{ code = "310104", name = { zh = "徐汇区", en = "Xuhui" }, bbox = [121.38, 31.1, 121.48, 31.22] }]
temporal = { start = "2020-01-01", end = "2025-12-31" }
next_due = "2099-01-31"
sharing = { type = "conditional", conditions = { zh = "按职责", en = "by duty" } }
legal_basis = [{ title = { zh = "某办法", en = "Some measures" }, url = "https://example.org/law" }]
high_value = { category = "statistics", reason = { zh = "常用", en = "much used" } }
related = [{ dataset = "areas", relation = "derived_from" }]"#,
    );
    let text = read(&folder, "homes")
        .replace("name = \"area\"\n", "name = \"area\"\ncodes_of = { dataset = \"areas\", field = \"code\" }\nexample = \"310104\"\n")
        .replace(
            "name = \"kind\"\n",
            "name = \"kind\"\ncodes = [{ code = \"a\", title = { zh = \"甲\", en = \"first\" } }]\nexample = \"a\"\n",
        );
    folder.write("homes/dataset.toml", text);
    folder
}

#[tokio::test]
async fn the_whole_record_is_read_by_programs_and_people() {
    let app = TestApp::empty().await;
    assert_eq!(mistakes(&app, &full()).await, [""; 0]);

    let homes = detail(&app, "homes").await;
    assert_eq!((&homes["code"], &homes["registration_code"]), (&json!("29200/01103512"), &json!("GGSJ-2025-000123")));
    assert_eq!(homes["spatial"][0]["bbox"], json!([121.38, 31.1, 121.48, 31.22]));
    assert_eq!(homes["temporal"], json!({ "start": "2020-01-01", "end": "2025-12-31" }));
    assert_eq!(homes["due"], json!({ "day": "2099-01-31", "late_days": 0 }));
    assert_eq!(homes["contact"], json!({ "phone": "021-12345678" }), "the publisher's, where the entry has none");
    assert_eq!(homes["fields"][0]["codes_of"], json!({ "dataset": "areas", "field": "code" }));
    assert_eq!(homes["fields"][1]["codes"][0]["title"]["en"], "first");
    assert_eq!(
        homes["related_datasets"][0],
        json!({ "slug": "areas", "title": { "zh": "areas", "en": "areas" }, "relation": "derived_from", "inverse": false })
    );
    let areas = detail(&app, "areas").await;
    assert_eq!((&areas["related_datasets"][0]["slug"], &areas["related_datasets"][0]["inverse"]), (&json!("homes"), &json!(true)));
    let classes = app.get("/api/v1/subject-classes").await.expect(200).json();
    assert_eq!(
        classes["items"][0],
        json!({ "slug": "community", "kind": "topic", "name": { "zh": "社区治理", "en": "Community governance" } })
    );

    let page = app.get("/datasets/homes?lang=en").await.expect(200).text();
    for text in [
        "29200/01103512",
        "GGSJ-2025-000123",
        "91310000132260250X",
        "Data section",
        "Community governance",
        "2020-01-01 to 2025-12-31",
        "Chinese, English",
        "2099-01-31",
        "shared on conditions",
        "https://example.org/law",
        "High value",
        "statistics",
        "Made from",
        "tel:021-12345678",
        "Codes",
        "first",
    ] {
        assert!(page.contains(text), "{text}");
    }
    let page = app.get("/datasets/areas?lang=zh").await.expect(200).text();
    assert!(page.contains("被用于制作"), "the relation is told from the other side");
}

#[tokio::test]
async fn what_is_wrong_with_a_record_is_told_by_key_and_line() {
    let app = TestApp::empty().await;
    let table: &[(&str, &str, &str)] = &[
        ("code = \"29200-01103512\"", "code", "with `/` between them"),
        ("subject_class = \"nothing\"", "subject_class", "is not in subjects.toml"),
        ("languages = [\"Chinese\"]", "languages[0]", "no language tag"),
        ("temporal = { start = \"2026-02-01\", end = \"2026-01-01\" }", "temporal", "before it starts"),
        ("spatial = [{ name = { zh = \"区\", en = \"X\" }, code = \"3101x4\" }]", "spatial[0].code", "2, 4, 6, 9 or 12 digits"),
        (
            "spatial = [{ name = { zh = \"区\", en = \"X\" }, bbox = [31.0, 121.0, 32.0, 122.0] }]",
            "spatial[0].bbox",
            "west, south, east, north",
        ),
        ("sharing = { type = \"none\" }", "sharing.conditions", "by which rule it is not shared"),
        ("contact = { name = { zh = \"科\", en = \"S\" } }", "contact", "give email, phone or url"),
        ("contact = { phone = \"138 1234 5678\" }", "contact.phone", "belongs to a person"),
        ("contact = { email = \"暂无\" }", "contact.email", "no e-mail address"),
        (
            "legal_basis = [{ title = { zh = \"法\", en = \"law\" }, url = \"javascript:alert(1)\" }]",
            "legal_basis[0].url",
            "begins with https://",
        ),
        ("contact = { url = \"https://example.org/100%\" }", "contact.url", "written as %XX"),
        ("contact = { url = \"https://example.org/[1]\" }", "contact.url", "written as %XX"),
        ("contact = { email = \"open#data@example.org\" }", "contact.email", "no e-mail address"),
        ("related = [{ dataset = \"gone\", relation = \"see_also\" }]", "related[0].dataset", "there is no dataset `gone`"),
        ("related = [{ dataset = \"things\", relation = \"part_of\" }]", "related[0].dataset", "things → things"),
        ("keywords = { zh = [\"一\", \"一\"] }", "keywords.zh[1]", "stands twice"),
        ("title.x = 1", "title", ""),
    ];
    for (line, key, detail) in table {
        let folder = Folder::new();
        folder.open("things", &["a"], "a\n1\n");
        with(&folder, "things", line);
        let at = read(&folder, "things").lines().position(|text| text == *line).unwrap() + 1;
        let said = mistakes(&app, &folder).await;
        if detail.is_empty() {
            assert_eq!(said.len(), 1, "{line}: {said:?}");
            continue;
        }
        let wanted = format!("things/dataset.toml:{at}: {key}: ");
        assert!(said.len() == 1 && said[0].starts_with(&wanted) && said[0].contains(detail), "{line}: {said:?}");
        app.get("/api/v1/datasets/things").await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn codes_and_examples_fit_their_field_and_tell_of_nobody() {
    let app = TestApp::empty().await;
    let table: &[(&str, &str, &str)] = &[
        ("example = \"x\"", "example", "`x` is no integer"),
        (
            "codes = [{ code = \"1\", title = { zh = \"一\", en = \"one\" } }, { code = \"1\", title = { zh = \"壹\", en = \"uno\" } }]",
            "codes[1].code",
            "stands twice",
        ),
        ("codes = [{ code = \"one\", title = { zh = \"一\", en = \"one\" } }]", "codes[0].code", "is no integer"),
        ("codes = [{ code = \"1\", title = { zh = \"一\", en = \"one\" } }]\nexample = \"2\"", "example", "none of its codes"),
        ("example = \"13812345678\"", "example", "looks like an identifier"),
        (
            "codes = [{ code = \"1\", title = { zh = \"一\", en = \"one\" } }]\nexample = \"13812345678\"",
            "example",
            "looks like an identifier",
        ),
        ("codes = [{ code = \"13812345678\", title = { zh = \"一\", en = \"one\" } }]", "codes[0].code", "looks like an identifier"),
        ("codes_of = { dataset = \"gone\", field = \"a\" }", "codes_of.dataset", "no dataset `gone`"),
        ("codes_of = { dataset = \"things\", field = \"b\" }", "codes_of.field", "has no field `b`"),
        ("codes_of = { dataset = \"things\", field = \"a\" }", "codes_of.field", "does not list its own"),
    ];
    for (lines, key, detail) in table {
        let folder = Folder::new();
        folder.open("things", &["a:integer"], "a\n1\n");
        let text = read(&folder, "things");
        folder.write("things/dataset.toml", format!("{text}{lines}\n"));
        let said = mistakes(&app, &folder).await;
        assert!(said.len() == 1 && said[0].contains(&format!("fields[0].{key}: ")) && said[0].contains(detail), "{lines}: {said:?}");
        assert!(!said[0].contains("13812345678"), "what looks like a person's number is not repeated: {said:?}");
    }
}

#[tokio::test]
async fn one_code_names_one_dataset_and_may_be_handed_on() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    folder.open("first", &["a"], "a\n1\n");
    folder.open("second", &["a"], "a\n1\n");
    with(&folder, "first", "code = \"31010/0001\"");
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    let plain = read(&folder, "second");
    with(&folder, "second", "code = \"31010/0001\"");
    let said = mistakes(&app, &folder).await;
    assert!(
        said.len() == 2 && said.iter().any(|line| line.contains("second/dataset.toml") && line.contains("is the code of `first` already")),
        "{said:?}"
    );
    // The list alone knows of the first one.
    std::fs::remove_dir_all(folder.file("first")).unwrap();
    let said = mistakes(&app, &folder).await;
    assert!(said.len() == 1 && said[0].contains("code: `31010/0001` is the code of `first` already"), "{said:?}");
    assert_eq!(detail(&app, "second").await["code"], Value::Null);
    // The first gives it up, and the second takes it, in one import.
    folder.open("first", &["a"], "a\n1\n");
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    assert_eq!(detail(&app, "second").await["code"], "31010/0001");
    // Back again: whoever is imported first has to find the code free.
    folder.write("second/dataset.toml", plain);
    with(&folder, "first", "code = \"31010/0001\"");
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    assert_eq!((&detail(&app, "first").await["code"], &detail(&app, "second").await["code"]), (&json!("31010/0001"), &Value::Null));
}

#[tokio::test]
async fn relations_do_not_go_round_in_a_circle() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    for (slug, part_of) in [("a", "b"), ("b", "c"), ("c", "d"), ("d", "")] {
        folder.open(slug, &["x"], "x\n1\n");
        if !part_of.is_empty() {
            with(&folder, slug, &format!("related = [{{ dataset = \"{part_of}\", relation = \"part_of\" }}]"));
        }
    }
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    // The circle goes through entries that only the list knows.
    for slug in ["a", "b", "c"] {
        std::fs::remove_dir_all(folder.file(slug)).unwrap();
    }
    with(&folder, "d", "related = [{ dataset = \"a\", relation = \"part_of\" }]");
    let said = mistakes(&app, &folder).await;
    assert!(said.len() == 1 && said[0].contains("d → a → b → c → d"), "{said:?}");
    // To see each other is no circle, and stands once.
    let text = read(&folder, "d").replace("part_of", "see_also");
    folder.write("d/dataset.toml", text);
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    let others = detail(&app, "a").await["related_datasets"].clone();
    assert_eq!(
        others.as_array().unwrap().iter().map(|one| one["relation"].clone()).collect::<Vec<_>>(),
        ["part_of", "see_also"],
        "{others}"
    );
    // An entry that is refused takes those with it that refer to it, when the list does not know it.
    let folder = Folder::new();
    folder.open("new", &["x"], "x\n1\n");
    folder.open("other", &["x"], "x\n1\n");
    with(&folder, "new", "related = [{ dataset = \"gone\", relation = \"see_also\" }]");
    with(&folder, "other", "related = [{ dataset = \"new\", relation = \"see_also\" }]");
    let said = mistakes(&app, &folder).await;
    assert_eq!(said.len(), 2, "{said:?}");
    app.get("/api/v1/datasets/other").await.problem(404, "not-found");
}

#[tokio::test]
async fn hidden_characters_and_endless_texts_are_refused() {
    let app = TestApp::empty().await;
    let many: Vec<String> = (0..10_000).map(|number| format!("\"词{number}\"")).collect();
    let lines = [
        ("title = { zh = \"名录\u{202e}001\", en = \"x\" }".to_owned(), "title.zh", "U+202E at 3"),
        ("title = { zh = \"名录\", en = \"a\u{200b}b\" }".to_owned(), "title.en", "U+200B at 2"),
        ("title = { zh = \"名录\\n二\", en = \"x\" }".to_owned(), "title.zh", "a line break at character 3"),
        (format!("keywords = {{ zh = [{}] }}", many.join(", ")), "keywords.zh", "10000 are too many: give at most 100"),
        (format!("title = {{ zh = \"{}\", en = \"x\" }}", "长".repeat(5000)), "title.zh", "5000 characters are too many"),
    ];
    for (line, key, detail) in lines {
        let folder = Folder::new();
        folder.open("things", &["a"], "a\n1\n");
        let text = read(&folder, "things");
        let text = if line.starts_with("title") { text.split_once('\n').unwrap().1.to_owned() } else { text };
        folder.write("things/dataset.toml", format!("{line}\n{text}"));
        let said = mistakes(&app, &folder).await;
        assert!(said.len() == 1 && said[0].contains(&format!("dataset.toml:1: {key}: ")) && said[0].contains(detail), "{key}: {said:?}");
    }
    // A condition is no text that is shown, and has rules of its own.
    let condition = vec!["a = 'x'"; 100].join(" OR ");
    let folder = people(&format!("where = \"{condition}\""), &[("a", "string", "sensitivity = \"none\"\n")], "a\nx\n");
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    // Markup is text.
    let folder = Folder::new();
    folder.open("things", &["a"], "a\n1\n");
    let text = read(&folder, "things")
        .replace("zh = \"说明\", en = \"About\"", "zh = \"<b>说明</b><script>alert(1)</script>\", en = \"<img src=x onerror=alert(1)>\"");
    folder.write("things/dataset.toml", text);
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    let page = app.get("/datasets/things?lang=en").await.expect(200).text();
    assert!(page.contains("&#60;img src=x") && !page.contains("<img src=x") && !page.contains("<script>"), "{page}");
    // The one that there is holds data.
    assert_eq!(page.matches("<script").count(), page.matches("<script type=\"application/ld+json\">").count(), "{page}");
}

#[tokio::test]
async fn what_editors_should_look_at_is_told_and_stops_nothing() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    folder.write("publishers.toml", "[office]\nname = { zh = \"办公室\", en = \"Office\" }\n");
    folder.open("things", &["xzqhdm", "amount:number"], "xzqhdm,amount\n310104,1.5\n");
    let text = read(&folder, "things")
        .replace("title = { zh = \"xzqhdm\", en = \"xzqhdm\" }", "title = { zh = \"行政区划代码\", en = \"xzqhdm\" }");
    folder.write("things/dataset.toml", text.replace("CC0-1.0", "https://example.org/terms").replace("zh = \"说明\"", "zh = \"暂无\""));
    let remarks = check_folder(&app.app.tools(), folder.path(), &"service".into()).await.unwrap().remarks;
    let said: Vec<String> = remarks.iter().map(|remark| format!("{}: {}", remark.key.clone().unwrap(), remark.detail)).collect();
    for wanted in [
        "fields[0].name: field `xzqhdm`: these are the initials of “行政区划代码” in pinyin",
        "description: it says nothing",
        "contact: nobody can be asked",
        "licence: an address by itself",
        "keywords: there are none",
        "spatial: ",
        "temporal: ",
        "legal_basis: ",
        "fields[1].unit: field `amount`: a measured value without a unit",
    ] {
        assert!(said.iter().any(|line| line.starts_with(wanted)), "{wanted}: {said:#?}");
    }
    assert!(remarks.iter().all(|remark| remark.key.as_deref() != Some("fields[0].name") || remark.line.is_some()));
    app.get("/api/v1/datasets/things").await.problem(404, "not-found");
    let report = import_folder(&app.app.tools(), folder.path(), "service", unwatched).await.unwrap();
    assert_eq!((report.mistakes.len(), report.remarks.len()), (0, remarks.len()));
    detail(&app, "things").await;
    // What is no licence at all is a mistake.
    let text = read(&folder, "things").replace("https://example.org/terms", "Apache 2");
    folder.write("things/dataset.toml", text);
    let said = mistakes(&app, &folder).await;
    assert!(said.len() == 1 && said[0].contains("did you mean `Apache-2.0`?"), "{said:?}");
}
