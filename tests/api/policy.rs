//! What a policy lets leave: groups of people, transforms, samples, fingerprints, and the report that stands before an approval.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::{Firm, GrantOf, TestApp, application, people, shipped};

const VISITS: &str = "/api/v1/datasets/community-health-visits/download?format=csv";

type Table = Vec<BTreeMap<String, String>>;

fn table(csv: &str) -> Table {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| names.iter().map(str::to_owned).zip(record.iter().map(str::to_owned)).collect();
    reader.records().map(|record| row(record.unwrap())).collect()
}

fn visits() -> Table {
    table(&std::fs::read_to_string(shipped().join("community-health-visits/visits.csv")).unwrap())
}

fn column<'a>(table: &'a Table, name: &str) -> Vec<&'a str> {
    table.iter().map(|row| row[name].as_str()).collect()
}

fn distinct<'a>(table: &'a Table, name: &str) -> BTreeSet<&'a str> {
    column(table, name).into_iter().collect()
}

async fn download(app: &TestApp, path: &str, grant: &GrantOf) -> Table {
    table(&app.get_as(path, &grant.token).await.expect(200).text())
}

async fn apply(app: &TestApp, firm: &Firm, dataset: &str, fields: &[&str]) -> String {
    let made = app.post_as("/api/v1/applications", &firm.token, &application(dataset, fields)).await.expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

async fn released(app: &TestApp, fields: &[&str]) -> Table {
    let firm = app.firm().await;
    let grant = app.grant_for(&firm, &application("people", fields)).await;
    download(app, "/api/v1/datasets/people/download?format=csv", &grant).await
}

const IDENTIFYING: [&str; 7] = ["visit_id", "resident_id", "sex", "birth_date", "subdistrict_code", "visit_date", "diagnosis_group"];

/// Whoever knows who lives where looks for each resident in the release, by everything that the release and the register of residents have
/// in common.
#[tokio::test]
async fn nobody_of_the_population_is_found_in_a_group_below_k() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let grant = app.grant_for(&firm, &application("community-health-visits", &IDENTIFYING)).await;
    let release = download(&app, VISITS, &grant).await;
    let source = visits();

    // Which bands were taken, the attacker sees in the release.
    let years: BTreeSet<u32> = distinct(&release, "birth_date").iter().map(|band| band.split('-').count() as u32).collect();
    assert_eq!(years, BTreeSet::from([2]), "single years were made bands");
    let (first, last) = release[0]["birth_date"].split_once('-').unwrap();
    let width = last.parse::<u32>().unwrap() - first.parse::<u32>().unwrap() + 1;
    let band = |date: &str| {
        let first = date[..4].parse::<u32>().unwrap() / width * width;
        format!("{first:04}-{:04}", first + width - 1)
    };
    let mut groups = BTreeMap::<(&str, &str, &str), (BTreeSet<&str>, BTreeSet<&str>)>::new();
    for row in &release {
        let (residents, diagnoses) = groups.entry((&row["sex"], &row["birth_date"], &row["subdistrict_code"])).or_default();
        residents.insert(&row["resident_id"]);
        diagnoses.insert(&row["diagnosis_group"]);
    }
    let population: BTreeMap<&str, (&str, String, &str)> = source
        .iter()
        .map(|row| (row["resident_id"].as_str(), (row["sex"].as_str(), band(&row["birth_date"]), row["subdistrict_code"].as_str())))
        .collect();
    let (mut found, mut smallest) = (0, usize::MAX);
    for (sex, band, subdistrict) in population.values() {
        let Some((residents, diagnoses)) = groups.get(&(*sex, band.as_str(), *subdistrict)) else { continue };
        found += 1;
        smallest = smallest.min(residents.len());
        assert!(residents.len() >= 5, "{sex} {band} {subdistrict}: {} residents", residents.len());
        assert!(diagnoses.len() >= 2, "{sex} {band} {subdistrict}: all have one diagnosis");
    }
    println!(
        "residents looked for: {}, in a group: {found}, smallest group: {smallest} residents, bands of {width} years",
        population.len()
    );
    assert!(found > 6000, "{found} of {} residents are in some group", population.len());

    // With dates of birth as they are most residents would have been found.
    let mut raw = BTreeMap::<(&str, &str, &str), BTreeSet<&str>>::new();
    for row in &source {
        raw.entry((&row["sex"], &row["birth_date"], &row["subdistrict_code"])).or_default().insert(&row["resident_id"]);
    }
    assert!(raw.values().filter(|residents| residents.len() == 1).count() > 6000);
}

#[tokio::test]
async fn two_grants_have_no_pseudonym_in_common_and_move_dates_apart() {
    let app = TestApp::spawn().await;
    let (one, two) = (app.firm().await, app.firm().await);
    let asked = application("community-health-visits", &IDENTIFYING);
    let (one, two) = (app.grant_for(&one, &asked).await, app.grant_for(&two, &asked).await);
    let (one, two) = (download(&app, VISITS, &one).await, download(&app, VISITS, &two).await);
    for name in ["visit_id", "resident_id"] {
        assert!(distinct(&one, name).is_disjoint(&distinct(&two, name)), "{name}");
        assert_eq!(distinct(&one, name).len(), distinct(&two, name).len());
    }
    // The visits of a resident are as far apart as they were, and somewhere else in time.
    let days = |table: &Table, resident: &str| -> BTreeMap<String, Vec<i64>> {
        let mut visits = BTreeMap::<String, Vec<i64>>::new();
        for row in table {
            let day = row["visit_date"].parse::<chrono::NaiveDate>().unwrap();
            let number = (day - chrono::NaiveDate::from_ymd_opt(2025, 1, 1).unwrap()).num_days();
            visits.entry(row[resident].clone()).or_default().push(number);
        }
        visits.values_mut().for_each(|days| days.sort_unstable());
        visits
    };
    let gaps = |visits: &BTreeMap<String, Vec<i64>>| {
        let mut gaps: Vec<Vec<i64>> = visits.values().map(|days| days.windows(2).map(|pair| pair[1] - pair[0]).collect()).collect();
        gaps.sort_unstable();
        gaps
    };
    let (one, two, source) = (days(&one, "resident_id"), days(&two, "resident_id"), visits());
    assert_eq!(gaps(&one), gaps(&two));
    let true_gaps = gaps(&days(&source, "resident_id"));
    assert!(gaps(&one).iter().all(|gap| true_gaps.binary_search(gap).is_ok()), "no gap that no resident has");
    let firsts = |visits: &BTreeMap<String, Vec<i64>>| visits.values().map(|days| days[0]).collect::<Vec<_>>();
    assert!(firsts(&one).iter().any(|day| *day < 0), "some dates move before the first of January");
    assert!(firsts(&one).iter().all(|day| *day >= -14), "none moves by more than 14 days");
    assert_ne!(firsts(&one), firsts(&two));
}

#[tokio::test]
async fn an_approval_names_the_report_of_what_it_would_release() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let reviewer = app.staff(&["reviewer"], None).await;
    let id = apply(&app, &firm, "community-health-visits", &IDENTIFYING).await;
    let decision = format!("/api/v1/applications/{id}/decision");
    let approve = |sha256: Value| json!({ "approve": true, "reason": "looked at it", "report_sha256": sha256 });
    let problem = app.post_as(&decision, &reviewer.token, &approve(Value::Null)).await.problem(400, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "/report_sha256");
    app.post_as(&decision, &reviewer.token, &approve(json!("00"))).await.problem(400, "invalid-value");

    let filed = app.report(&reviewer, &id).await.expect(201).json();
    let report = &filed["report"];
    assert_eq!(filed["reached"], true);
    assert_eq!(report["policy"]["k"], 5);
    let rows = &report["rows"];
    assert_eq!(rows["in_version"], 20_000);
    let suppressed = rows["suppressed"].as_i64().unwrap();
    assert!(suppressed > 0 && suppressed <= 1000, "{rows}");
    assert_eq!(rows["released"].as_i64().unwrap(), 20_000 - suppressed);
    let groups = &report["groups"];
    assert_eq!(groups["fields"], json!(["sex", "birth_date", "subdistrict_code"]));
    assert_eq!((&groups["before"]["smallest"], &groups["risk_before"]["highest"]), (&json!(1), &json!(1.0)));
    let smallest = groups["after"]["smallest"].as_i64().unwrap();
    assert!(smallest >= 5, "{groups}");
    assert_eq!(groups["risk_after"]["highest"].as_f64().unwrap(), 1.0 / smallest as f64);
    assert!(groups["after"]["least_values"][0]["values"].as_i64().unwrap() >= 2);
    let birth = report["fields"].as_array().unwrap().iter().find(|field| field["name"] == "birth_date").unwrap().clone();
    assert_eq!(birth["rule"], json!({ "year_band": { "years": 5 } }));
    assert!(birth["values_before"].as_i64() > birth["values_after"].as_i64());
    // Counts, and nothing of any row.
    let text = filed.to_string();
    for row in visits().iter().take(2000) {
        assert!(!text.contains(&row["resident_id"]) && !text.contains(&row["birth_date"]) && !text.contains(&row["diagnosis_group"]));
    }
    let listed = app.get_as(&format!("/api/v1/applications/{id}/reports"), &reviewer.token).await.expect(200).json();
    assert_eq!(listed["items"], json!([filed]));

    // A report of another application is none of this one's.
    let other = apply(&app, &firm, "community-health-visits", &["sex"]).await;
    let foreign = app.report(&reviewer, &other).await.expect(201).json();
    app.post_as(&decision, &reviewer.token, &approve(foreign["sha256"].clone())).await.problem(400, "invalid-value");
    let decided = app.post_as(&decision, &reviewer.token, &approve(filed["sha256"].clone())).await.expect(200).json();
    assert_eq!(decided["agreement"]["policy"], report["policy"]);
    app.report(&reviewer, &id).await.problem(409, "conflict");

    // What is released is what the report said.
    let signed = app.sign(&firm, &decided["agreement"]).await.expect(200).json();
    let grant = signed["grant"]["id"].as_str().unwrap().to_owned();
    let token = app.client_token(&firm.client_id, &firm.key, Some(&grant)).await;
    let release = download(&app, VISITS, &GrantOf { id: grant, token }).await;
    assert_eq!(release.len() as i64, 20_000 - suppressed);
}

/// Ten people in two streets, of whom one is alone in hers.
fn ten() -> String {
    let mut csv = "name,street,age,illness\n".to_owned();
    for at in 0..10 {
        writeln!(csv, "p{at},{},{},{}", if at == 9 { "B2" } else { "A1" }, 30 + at % 2, if at % 3 == 0 { "x" } else { "y" }).unwrap();
    }
    csv
}

const TEN: [(&str, &str, &str); 4] = [
    ("name", "string", "sensitivity = \"direct\"\nrelease = \"pseudonym\""),
    ("street", "string", "sensitivity = \"quasi\""),
    ("age", "integer", "sensitivity = \"none\""),
    ("illness", "string", "sensitivity = \"sensitive\""),
];

#[tokio::test]
async fn a_policy_that_cannot_be_kept_stops_the_approval_and_the_release() {
    let folder = people("k = 20, max_suppressed_share = 0.2", &TEN, &ten());
    let app = TestApp::with_datasets(folder.path()).await;
    let (firm, reviewer) = (app.firm().await, app.staff(&["reviewer"], None).await);
    let id = apply(&app, &firm, "people", &["name", "street", "illness"]).await;
    let filed = app.report(&reviewer, &id).await.expect(201).json();
    assert_eq!((&filed["reached"], &filed["report"]["rows"]["suppressed"]), (&json!(false), &json!(10)));
    let body = json!({ "approve": true, "reason": "looked at it", "report_sha256": filed["sha256"] });
    let decision = format!("/api/v1/applications/{id}/decision");
    let problem = app.post_as(&decision, &reviewer.token, &body).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("no release can be made"), "{problem}");

    // With a k that can be reached it is approved; then the data shrinks, and the next version has no release.
    folder.write("people/dataset.toml", std::fs::read_to_string(folder.file("people/dataset.toml")).unwrap().replace("k = 20", "k = 5"));
    app.import(&folder).await;
    let problem = app.post_as(&decision, &reviewer.token, &body).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("has changed since that report"), "{problem}");
    let grant = app.grant_for(&firm, &application("people", &["name", "street", "illness"])).await;
    let path = "/api/v1/datasets/people/download?format=csv";
    let release = download(&app, path, &grant).await;
    assert_eq!((release.len(), distinct(&release, "street")), (9, BTreeSet::from(["A1"])));
    folder.write("people/data.csv", ten().lines().take(4).fold(String::new(), |text, line| text + line + "\n"));
    app.import(&folder).await;
    let problem = app.get_as(path, &grant.token).await.problem(409, "conflict");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("version 2") && detail.contains("100 %") && detail.contains("k = 5"), "{detail}");
    app.get_as(&format!("{path}&version=1"), &grant.token).await.expect(200);
}

#[tokio::test]
async fn groups_are_counted_in_subjects_and_not_in_rows() {
    // Twelve rows of street B2, all of one person; six people in A1 with one illness, six in C3 with two.
    let mut csv = "name,street,age,illness\n".to_owned();
    for at in 0..6 {
        writeln!(csv, "a{at},A1,30,x\nc{at},C3,30,{}\nb,B2,30,x\nb,B2,30,y", if at == 0 { "x" } else { "y" }).unwrap();
    }
    let streets = async |policy: &str| {
        let folder = people(policy, &TEN, &csv);
        let app = TestApp::with_datasets(folder.path()).await;
        let release = released(&app, &["street", "illness"]).await;
        distinct(&release, "street").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(streets("k = 5, max_suppressed_share = 1.0").await, ["A1", "B2", "C3"]);
    assert_eq!(streets("k = 5, max_suppressed_share = 1.0, subject = \"name\"").await, ["A1", "C3"]);
    assert_eq!(streets("k = 5, l = 2, max_suppressed_share = 1.0, subject = \"name\"").await, ["C3"]);
}

#[tokio::test]
async fn each_of_several_sensitive_fields_has_its_values_in_a_group() {
    // In A1 all with a job have the same; in C3 there are two of each, and a row about nobody.
    let fields = [TEN[0], TEN[1], TEN[3], ("job", "string", "sensitivity = \"sensitive\"")];
    let csv = "name,street,illness,job\na,A1,x,n\nb,A1,y,n\nc,A1,x,\nd,C3,x,n\ne,C3,y,s\n,C3,y,n\n";
    let folder = people("k = 2, l = 2, max_suppressed_share = 0.5, subject = \"name\"", &fields, csv);
    let app = TestApp::with_datasets(folder.path()).await;
    let (firm, reviewer) = (app.firm().await, app.staff(&["reviewer"], None).await);
    let id = apply(&app, &firm, "people", &["street", "illness", "job"]).await;
    let groups = app.report(&reviewer, &id).await.expect(201).json()["report"]["groups"].clone();
    let least = |job: i64| json!([{ "field": "illness", "values": 2 }, { "field": "job", "values": job }]);
    assert_eq!((&groups["before"]["least_values"], &groups["after"]["least_values"]), (&least(1), &least(2)));
    let sizes = ["groups", "rows", "subjects"].map(|name| groups["after"][name].as_i64().unwrap());
    assert_eq!(sizes, [1, 3, 2]);
    assert_eq!(distinct(&released(&app, &["street", "illness", "job"]).await, "street"), BTreeSet::from(["C3"]));
}

#[tokio::test]
async fn every_transform_does_what_it_says() {
    let fields = [
        ("id", "string", "sensitivity = \"direct\"\nrelease = { mask = { first = 3, last = 4 } }\ncoarser = [\"drop\"]"),
        ("division", "string", "sensitivity = \"quasi\"\nrelease = { area = { level = \"district\" } }"),
        ("post", "string", "sensitivity = \"none\"\nrelease = { truncate = { chars = 2 } }"),
        ("born", "date", "sensitivity = \"none\"\nrelease = { year_band = { years = 10 } }"),
        ("month", "date", "sensitivity = \"none\"\nrelease = \"month\""),
        ("quarter", "datetime", "sensitivity = \"none\"\nrelease = \"quarter\""),
        ("age", "integer", "sensitivity = \"none\"\nrelease = { band = { width = 10, from = 5 } }"),
        ("income", "decimal", "scale = 2\nsensitivity = \"none\"\nrelease = { bands = { edges = [0, 1000.5, 5000] } }"),
        (
            "rent",
            "decimal",
            "scale = 2\nsensitivity = \"none\"\nrelease = [{ clamp = { min = 100, max = 900.5 } }, { round = { to = 0.5 } }]",
        ),
        ("share", "number", "sensitivity = \"none\"\nrelease = { round = { to = 0.25 } }"),
        (
            "job",
            "string",
            "sensitivity = \"none\"\nrelease = { taxonomy = { values = { nurse = \"health\", smith = \"craft\" }, other = \"other\" } }",
        ),
    ];
    let csv = "id,division,post,born,month,quarter,age,income,rent,share,job\n\
        13812345678,310104003001,200030,1987-05-04,2025-03-31,2025-04-01T00:00:00,25,-0.01,99.99,0.374,nurse\n\
        1234567,310104,20,2000-01-01,2025-12-01,2024-12-31T23:59:59,24,1000.5,950.00,0.376,smith\n\
        13887654321,310115999,,,,,,,,,\n\
        13800000000,310104,1,0999-12-31,2025-01-01,2025-01-01T00:00:00,-6,5000,500.75,-0.125,king\n";
    let folder = people("k = 2, max_suppressed_share = 1.0, subject = \"month\"", &fields, csv);
    let app = TestApp::with_datasets(folder.path()).await;
    let names: Vec<&str> = fields.iter().map(|(name, ..)| *name).collect();
    // Only the two of one masked number in one district are alike to each other; the masks are too telling, and are dropped.
    let release = released(&app, &names).await;
    assert!(!release[0].contains_key("id"), "{release:?}");
    let mut rows: Vec<Vec<&str>> = release.iter().map(|row| names[1..].iter().map(|name| row[*name].as_str()).collect()).collect();
    rows.sort_unstable();
    let wanted = [
        ["310104", "1", "0990-0999", "2025-01", "2025-Q1", "[-15,-5)", "[5000,)", "501.00", "-0.25", "other"],
        ["310104", "20", "1980-1989", "2025-03", "2025-Q2", "[25,35)", "(,0)", "100.00", "0.25", "health"],
        ["310104", "20", "2000-2009", "2025-12", "2024-Q4", "[15,25)", "[1000.5,5000)", "900.50", "0.5", "craft"],
    ];
    assert_eq!(rows, wanted);
    let listed = app.get("/api/v1/datasets/people").await.expect(200).json();
    assert_eq!(listed["fields"][8]["release"], json!([{ "clamp": { "min": 100, "max": 900.5 } }, { "round": { "to": 0.5 } }]));
}

#[tokio::test]
async fn masked_identifiers_leave_when_enough_people_are_alike() {
    let fields = [
        ("phone", "string", "sensitivity = \"direct\"\nrelease = { mask = { first = 3 } }"),
        ("code", "string", "sensitivity = \"direct\"\nrelease = { truncate = { chars = 2 } }"),
    ];
    let csv = "phone,code\n13812345678,ab1\n13887654321,ab2\n13900000000,ab3\n,ab4\n,ab5\n";
    let folder = people("k = 2, max_suppressed_share = 0.6, subject = \"code\"", &fields, csv);
    let app = TestApp::with_datasets(folder.path()).await;
    let release = released(&app, &["phone", "code"]).await;
    let mut phones = column(&release, "phone");
    phones.sort_unstable();
    assert_eq!(phones, ["", "", "138********", "138********"], "two are alike, two have none, and one is alone and stays behind");
    assert_eq!(distinct(&release, "code"), BTreeSet::from(["ab"]));
}

fn numbers(count: usize) -> String {
    (0..count).fold("name,n,amount\n".to_owned(), |mut text, at| {
        writeln!(text, "s{},{at},{}.50", at / 4, 1000 + at).unwrap();
        text
    })
}

const NUMBERS: [(&str, &str, &str); 3] = [
    ("name", "string", "sensitivity = \"direct\"\nrelease = \"pseudonym\""),
    ("n", "integer", "sensitivity = \"none\""),
    ("amount", "decimal", "scale = 2\nsensitivity = \"none\"\nrelease = { noise = { scale = 5 } }"),
];

#[tokio::test]
async fn rows_are_filtered_sampled_and_left_out_by_the_grants_own_key() {
    let policy = "where = \"n >= 1000\", sample = 0.5, subject = \"name\", leave_out_share = 0.1";
    let folder = people(policy, &NUMBERS, &numbers(5000));
    let app = TestApp::with_datasets(folder.path()).await;
    let (firm, reviewer) = (app.firm().await, app.staff(&["reviewer"], None).await);
    let asked = ["n", "amount"];
    let id = apply(&app, &firm, "people", &asked).await;
    let rows = app.report(&reviewer, &id).await.expect(201).json()["report"]["rows"].clone();
    let count = |name: &str| rows[name].as_i64().unwrap();
    assert_eq!((count("in_version"), count("filtered")), (5000, 1000));
    assert_eq!(count("filtered") + count("not_sampled") + count("left_out") + count("suppressed") + count("released"), 5000);
    let (one, two) = (released(&app, &asked).await, released(&app, &asked).await);
    let of = |table: &Table| -> BTreeSet<u32> { column(table, "n").iter().map(|n| n.parse().unwrap()).collect() };
    let (ones, twos) = (of(&one), of(&two));
    for rows in [&ones, &twos] {
        assert!(rows.iter().all(|n| *n >= 1000));
        assert!((1450..2150).contains(&rows.len()), "{} of 4000, by half and then nine tenths", rows.len());
        // A subject is in the sample with all its four rows but for those that are left out, or with none.
        let mut subjects = BTreeMap::<u32, u32>::new();
        rows.iter().for_each(|n| *subjects.entry(n / 4).or_default() += 1);
        let whole = subjects.values().filter(|count| **count == 4).count();
        assert!(subjects.len() < 600 && whole * 10 > subjects.len() * 5, "{whole} of {}", subjects.len());
    }
    assert!(ones.intersection(&twos).count() < 1300, "each grant has a sample of its own");

    // Noise: near the true value, on both sides of it, and not the same for two grants.
    let noise = |table: &Table| -> BTreeMap<u32, f64> {
        let pair = |row: &BTreeMap<String, String>| {
            let n: u32 = row["n"].parse().unwrap();
            (n, row["amount"].parse::<f64>().unwrap() - f64::from(1000 + n) - 0.5)
        };
        table.iter().map(pair).collect()
    };
    let (one, two) = (noise(&one), noise(&two));
    let mean = one.values().map(|noise| noise.abs()).sum::<f64>() / one.len() as f64;
    assert!((4.0..6.0).contains(&mean), "{mean}");
    assert!(one.values().any(|noise| *noise > 5.0) && one.values().any(|noise| *noise < -5.0));
    let both: Vec<(f64, f64)> = one.iter().filter_map(|(n, noise)| Some((*noise, *two.get(n)?))).collect();
    // Two draws meet in the same cent now and then.
    let alike = both.iter().filter(|(one, two)| (one - two).abs() < 0.001).count();
    assert!(both.len() > 300 && alike * 20 < both.len(), "{alike} of {} are alike", both.len());
}

#[tokio::test]
async fn a_grant_leaves_out_the_same_rows_of_each_version_that_has_them() {
    let folder = people("leave_out_share = 0.05", &NUMBERS[1..2], "n\n1\n");
    folder.write("people/data.csv", (0..4000).fold("n\n".to_owned(), |text, at| format!("{text}{at}\n")));
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    let grant = app.grant_for(&firm, &application("people", &["n"])).await;
    let path = "/api/v1/datasets/people/download?format=csv";
    let first = download(&app, path, &grant).await;
    folder.write("people/data.csv", (0..5000).rev().fold("n\n".to_owned(), |text, at| format!("{text}{at}\n")));
    app.import(&folder).await;
    let second = download(&app, path, &grant).await;
    assert!((3720..3880).contains(&first.len()), "{}", first.len());
    let (first, second) = (distinct(&first, "n"), distinct(&second, "n"));
    let of_first: BTreeSet<&str> = second.iter().filter(|n| n.parse::<u32>().unwrap() < 4000).copied().collect();
    assert_eq!(first, of_first, "or two versions side by side would show what was left out");
    let agreement = app.drawn_agreement_for(&firm, &application("people", &["n"])).await;
    let text = agreement["text"].as_str().unwrap();
    assert!(text.contains("5 %") && text.contains("traced") && text.contains("可追溯"), "{text}");
}

const AGED: [(&str, &str, &str); 3] = [
    ("name", "string", "sensitivity = \"direct\"\nrelease = \"pseudonym\""),
    ("age", "integer", "sensitivity = \"quasi\"\ncoarser = [{ band = { width = 10 } }]"),
    ("street", "string", "sensitivity = \"quasi\"\ncoarser = [{ truncate = { chars = 1 } }]"),
];

#[tokio::test]
async fn a_later_version_is_in_no_field_finer_than_one_before() {
    // In the first version ages differ, and have to be made bands; in the second all have one age, and streets differ.
    let rows = |age: fn(u32) -> u32, street: fn(u32) -> u32| {
        (0..8).fold("name,age,street\n".to_owned(), |text, at| format!("{text}p{at},{},A{}\n", age(at), street(at)))
    };
    let folder = people("k = 4, subject = \"name\", max_suppressed_share = 0.0", &AGED, &rows(|at| 30 + at, |_| 1));
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    let grant = app.grant_for(&firm, &application("people", &["name", "age", "street"])).await;
    let path = "/api/v1/datasets/people/download?format=csv";
    let first = download(&app, path, &grant).await;
    assert_eq!((distinct(&first, "age"), distinct(&first, "street")), (BTreeSet::from(["[30,40)"]), BTreeSet::from(["A1"])));
    folder.write("people/data.csv", rows(|_| 30, |at| at));
    app.import(&folder).await;
    let second = download(&app, path, &grant).await;
    assert_eq!((distinct(&second, "age"), distinct(&second, "street")), (BTreeSet::from(["[30,40)"]), BTreeSet::from(["A"])));
    // Somebody who has only the second one gets the ages.
    let other = released(&app, &["name", "age", "street"]).await;
    assert_eq!(distinct(&other, "age"), BTreeSet::from(["30"]));
}

#[tokio::test]
async fn what_is_missing_counts_neither_as_a_person_nor_as_a_value() {
    let csv = "name,street,age,illness\na,A1,1,x\n,A1,1,y\n,A1,1,z\nb,B2,1,x\nc,B2,1,\nd,C3,1,x\ne,C3,1,y\n";
    let streets = async |policy: &str| {
        let folder = people(policy, &TEN, csv);
        let app = TestApp::with_datasets(folder.path()).await;
        let release = released(&app, &["street", "illness"]).await;
        distinct(&release, "street").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(streets("k = 2, subject = \"name\", max_suppressed_share = 1.0").await, ["B2", "C3"]);
    assert_eq!(streets("k = 2, l = 2, subject = \"name\", max_suppressed_share = 1.0").await, ["C3"]);
    assert_eq!(streets("k = 1, subject = \"name\"").await, ["A1", "B2", "C3"]);
}

#[tokio::test]
async fn two_grants_of_one_firm_have_the_same_noise_and_sample() {
    let folder = people("sample = 0.5", &NUMBERS, &numbers(1000));
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    let mut tables = Vec::new();
    for _ in 0..2 {
        let grant = app.grant_for(&firm, &application("people", &["name", "n", "amount"])).await;
        tables.push(download(&app, "/api/v1/datasets/people/download?format=csv", &grant).await);
    }
    let values =
        |table: &Table| -> BTreeSet<(String, String)> { table.iter().map(|row| (row["n"].clone(), row["amount"].clone())).collect() };
    assert!(values(&tables[0]).len() > 400 && values(&tables[0]) == values(&tables[1]), "with several grants a firm learns nothing more");
    assert!(distinct(&tables[0], "name").is_disjoint(&distinct(&tables[1], "name")), "pseudonyms are each grant's own");
}

#[tokio::test]
async fn a_field_that_turns_out_to_be_sensitive_stops_what_was_agreed() {
    let folder = people("", &NUMBERS, &numbers(10));
    let app = TestApp::with_datasets(folder.path()).await;
    let firm = app.firm().await;
    let grant = app.grant_for(&firm, &application("people", &["n"])).await;
    let path = "/api/v1/datasets/people/download?format=csv";
    download(&app, path, &grant).await;
    let entry = std::fs::read_to_string(folder.file("people/dataset.toml")).unwrap();
    let (head, tail) = entry.split_once("name = \"n\"").unwrap();
    for sensitivity in ["quasi", "sensitive"] {
        let tail = tail.replacen("sensitivity = \"none\"", &format!("sensitivity = \"{sensitivity}\""), 1);
        folder.write("people/dataset.toml", format!("{head}name = \"n\"{tail}"));
        app.import(&folder).await;
        app.get_as(path, &grant.token).await.problem(403, "forbidden");
    }
    folder.write("people/dataset.toml", entry);
    app.import(&folder).await;
    app.get_as(path, &grant.token).await.expect(200);
}
