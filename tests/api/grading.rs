//! Grades of fields: what they permit, what an import refuses, and what everybody is told.

use qingdan::release::{import_folder, unwatched};
use serde_json::{Value, json};

use crate::support::{Folder, TestApp, people};

async fn grading(app: &TestApp, slug: &str) -> Value {
    app.get(&format!("/api/v1/datasets/{slug}/grading")).await.expect(200).json()
}

async fn mistakes(app: &TestApp, folder: &Folder) -> Vec<String> {
    let report = import_folder(&app.app.tools(), folder.path(), "service", unwatched).await.unwrap();
    report.mistakes.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn everybody_is_told_what_a_dataset_is_graded_and_why() {
    let app = TestApp::with_closed().await;
    let visits = grading(&app, "community-health-visits").await;
    assert_eq!(visits["permits"], "conditional", "{visits}");
    assert_eq!(visits["ungraded"], json!([]));
    let field = |name: &str| visits["fields"].as_array().unwrap().iter().find(|field| field["name"] == name).unwrap().clone();
    let diagnosis = field("diagnosis_group");
    assert_eq!((&diagnosis["grade"]["code"], &diagnosis["grade"]["open_type"]), (&json!("A4"), &json!("closed")));
    assert_eq!(diagnosis["leaves_as"]["code"], "A2", "nobody is named, and nobody stands alone: {diagnosis}");
    let lowered: Vec<&Value> = diagnosis["lowered_by"].as_array().unwrap().iter().map(|lowered| &lowered["to"]).collect();
    assert_eq!(lowered, [&json!("A2"), &json!("A2"), &Value::Null], "de-identified, by a rule, and left out: {diagnosis}");
    assert_eq!(field("resident_name")["leaves_as"], Value::Null);
    let forced: Vec<&str> = visits["forced_by"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(forced.contains(&"diagnosis_group") && !forced.contains(&"mobile"), "{forced:?}");
    let districts = grading(&app, "shanghai-districts").await;
    assert_eq!((&districts["permits"], &districts["forced_by"]), (&json!("unconditional"), &json!([])));
    let clues = grading(&app, "enterprise-inspection-clues").await;
    assert_eq!((&clues["permits"], &clues["forced_by"]), (&json!("closed"), &json!(["clue_type", "status"])));
    assert!(clues["fields"].as_array().unwrap().iter().all(|field| field["leaves_as"].is_null()), "nothing leaves: {clues}");
    app.get("/api/v1/datasets/nothing/grading").await.problem(404, "not-found");
    let page = app.get("/datasets/community-health-visits?lang=en").await.expect(200).text();
    for text in
        ["Sensitive personal information", "What forces this", "does not leave", "What would lower a grade", "proposed by this service"]
    {
        assert!(page.contains(text), "{text}");
    }
}

#[tokio::test]
async fn a_grade_that_permits_less_than_the_dataset_gives_is_refused() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    folder.open("things", &["a"], "a\n1\n");
    let entry = std::fs::read_to_string(folder.file("things/dataset.toml")).unwrap();
    for (code, wanted) in [("A3", "A3 permits conditional at most, and the dataset is unconditional"), ("Z9", "there is no grade `Z9`")] {
        folder.write("things/dataset.toml", format!("{entry}grade = \"{code}\"\n"));
        let said = mistakes(&app, &folder).await;
        let line = entry.lines().count() + 1;
        assert!(
            said.len() == 1 && said[0].contains(wanted) && said[0].contains(&format!("dataset.toml:{line}: fields[0].grade")),
            "{said:?}"
        );
    }
    app.get("/api/v1/datasets/things").await.problem(404, "not-found");
    folder.write("things/dataset.toml", format!("{entry}grade = \"A1\"\n"));
    assert!(mistakes(&app, &folder).await.is_empty());
    // What is not graded is said, and not guessed.
    folder.write("things/dataset.toml", &entry);
    assert!(mistakes(&app, &folder).await.is_empty());
    assert_eq!(grading(&app, "things").await["ungraded"], json!(["a"]));
    assert_eq!(grading(&app, "things").await["permits"], Value::Null);
}

#[tokio::test]
async fn a_rule_of_release_lowers_the_grade_of_what_leaves() {
    let app = TestApp::empty().await;
    let id = ("id", "string", "sensitivity = \"direct\"\nrelease = \"drop\"\ngrade = \"A3\"");
    let (kept, age) = ("sensitivity = \"sensitive\"\ngrade = \"A4\"", "sensitivity = \"quasi\"\ngrade = \"A3\"");
    let cases = [
        // Groups of five in which nobody is named.
        ("", kept.to_owned(), age, None),
        ("k = 5", kept.to_owned(), age, None),
        // Groups of two.
        (
            "k = 2",
            kept.to_owned(),
            age,
            Some("A4 permits closed at most, and the dataset is conditional: one of these would lower it: deidentified, "),
        ),
        // Without a quasi-identifier nobody is told apart.
        ("k = 2", format!("{kept}\nrelease = \"pseudonym\""), age, None),
        ("k = 2", format!("{kept}\nrelease = \"drop\""), age, None),
    ];
    for (policy, sensitive, age, wanted) in cases {
        let folder = people(policy, &[id, ("age", "integer", age), ("illness", "string", &sensitive)], "id,age,illness\nx,1,y\n");
        let said = mistakes(&app, &folder).await;
        match wanted {
            None => assert!(said.is_empty(), "{policy} {sensitive}: {said:?}"),
            Some(wanted) => assert!(said.len() == 1 && said[0].contains(wanted), "{policy} {sensitive}: {said:?}"),
        }
    }
}

#[tokio::test]
async fn the_scheme_is_the_publishers_choice() {
    let folder = Folder::new();
    folder.open("things", &["a"], "a\n1\n");
    let entry = std::fs::read_to_string(folder.file("things/dataset.toml")).unwrap();
    folder.write("things/dataset.toml", format!("{entry}grade = \"L1\"\n"));
    let app = TestApp::start(Some(folder.path()), &[("grading", "zhejiang-2021")]).await;
    assert_eq!(grading(&app, "things").await["source"], "DB33/T 2350-2021");
    let own = Folder::new();
    let shipped = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/grading/zhejiang-2021.toml")).unwrap();
    own.write("own.toml", shipped.replace("\"L1\"", "\"一级\""));
    folder.write("things/dataset.toml", format!("{entry}grade = \"一级\"\n"));
    let file = own.file("own.toml");
    let app = TestApp::start(Some(folder.path()), &[("grading", file.to_str().unwrap())]).await;
    assert_eq!(grading(&app, "things").await["fields"][0]["grade"]["code"], "一级");
}

/// Seven people by sex, year of birth and street: of six there are five or more alike, and one stands alone where `alone` is set.
fn people_by_street(folder: &Folder, alone: bool, grade: &str) {
    let rows: String = (0..6).map(|_| "男,1980,甲\n").collect();
    folder.open(
        "people",
        &["sex", "born:integer", "street"],
        format!("sex,born,street\n{rows}{}", if alone { "女,1931,乙\n" } else { "" }),
    );
    let entry = std::fs::read_to_string(folder.file("people/dataset.toml")).unwrap();
    folder.write("people/dataset.toml", entry.replace("sensitivity = \"none\"", &format!("sensitivity = \"quasi\"\ngrade = \"{grade}\"")));
}

#[tokio::test]
async fn a_version_in_which_somebody_stands_alone_is_held() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    people_by_street(&folder, true, "A1");
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let versions = app.get_as("/api/v1/admin/datasets/people/versions", &steward).await.expect(200).json();
    let held = &versions["items"][0];
    assert_eq!((&held["status"], &held["open_findings"]), (&json!("held"), &json!(1)), "{versions}");
    assert_eq!(
        held["profile"]["combination"],
        json!({ "fields": ["sex", "born", "street"], "least_group": 5, "smallest": 1, "small_groups": 1, "small_rows": 1 })
    );
    for path in [
        "download?format=csv",
        "download?format=parquet&version=1",
        "rows",
        "rows?version=1",
        "profile",
        "profile?version=1",
        "versions/1/diff",
        "files/data.csv",
        "archive",
    ] {
        let answer = app.get(&format!("/api/v1/datasets/people/{path}")).await;
        assert!(answer.status.is_client_error() && !answer.text().contains("1931"), "{path}: {} {}", answer.status, answer.text());
    }
    let page = app.get("/datasets/people?lang=en").await.expect(200).text();
    assert!(!page.contains("1931"), "nor does the page show a row");

    // Whoever looks at it and says why, publishes it.
    let reason = json!({ "publish": true, "reason": "made-up people" });
    let path = "/api/v1/admin/datasets/people/versions/1/resolution";
    app.post_as(path, &steward, &reason).await.expect(200);
    assert!(app.get("/api/v1/datasets/people/download?format=csv").await.expect(200).text().contains("1931"));
    assert_eq!(grading(&app, "people").await["singled_out_by"], json!([]), "somebody answers for it");

    // Six who are alike tell of nobody.
    people_by_street(&folder, false, "A1");
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    assert_eq!(app.get("/api/v1/datasets/people").await.expect(200).json()["version"], 2);

    // A curator who says of each field that it is no person's lets it out without being asked.
    people_by_street(&folder, true, "A1");
    folder.write("people/data.csv", "sex,born,street\n男,1980,甲\n女,1931,丙\n");
    let entry = std::fs::read_to_string(folder.file("people/dataset.toml")).unwrap();
    folder.write("people/dataset.toml", entry.replacen("grade = \"A1\"", "grade = \"A1\"\ncleared = \"dolls\"", 2));
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    assert_eq!(app.get("/api/v1/datasets/people").await.expect(200).json()["version"], 2, "two of three are not all");
    folder.write("people/dataset.toml", entry.replace("grade = \"A1\"", "grade = \"A1\"\ncleared = \"dolls\""));
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    assert_eq!(app.get("/api/v1/datasets/people").await.expect(200).json()["version"], 3);
}

#[tokio::test]
async fn fields_that_single_somebody_out_raise_their_grades() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    people_by_street(&folder, true, "A1");
    let open = std::fs::read_to_string(folder.file("people/dataset.toml")).unwrap();
    let conditional = open.replace("open_type = \"unconditional\"", "open_type = \"conditional\"").replacen(
        "[[fields]]",
        "open_type_reason = { zh = \"含个人信息\", en = \"personal\" }\nconditions = { zh = \"须说明用途\", en = \"say what for\" }\n[[fields]]",
        1,
    );
    folder.write("people/dataset.toml", &conditional);
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    let raised = grading(&app, "people").await;
    assert_eq!((&raised["singled_out_by"], &raised["least_group"]), (&json!(["sex", "born", "street"]), &json!(5)), "{raised}");
    let sex = &raised["fields"][0];
    assert_eq!(
        (&sex["grade"]["code"], &sex["raised_from"], &sex["leaves_as"]["code"]),
        (&json!("A3"), &json!("A1"), &json!("A2")),
        "{sex}"
    );
    let page = app.get("/datasets/people?lang=en").await.expect(200).text();
    assert!(page.contains("Together these fields single people out") && page.contains("raised from"), "{page}");

    // Opened to everybody, the version that came in before is not given out.
    folder.write("people/dataset.toml", &open);
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    app.get("/api/v1/datasets/people/download?format=csv").await.problem(404, "not-found");
    // Nor does another choice of fields let it out, of which nobody has counted anything.
    folder.write("people/dataset.toml", open.replacen("sensitivity = \"quasi\"", "sensitivity = \"none\"", 1));
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    app.get("/api/v1/datasets/people/download?format=csv").await.problem(404, "not-found");
    // Nor that no field is one any more: what was found stays found until a curator clears it, or a steward answers for it.
    folder.write("people/dataset.toml", open.replace("sensitivity = \"quasi\"", "sensitivity = \"none\""));
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    app.get("/api/v1/datasets/people/download?format=csv").await.problem(404, "not-found");
    // With data in which nobody stands alone it is open, and nothing is raised.
    people_by_street(&folder, false, "A1");
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    assert!(app.get("/api/v1/datasets/people/download?format=csv").await.expect(200).text().contains("1980"));
    let plain = grading(&app, "people").await;
    assert_eq!(
        (&plain["singled_out_by"], &plain["permits"], &plain["fields"][0]["grade"]["code"]),
        (&json!([]), &json!("unconditional"), &json!("A1"))
    );
}

#[tokio::test]
async fn people_are_counted_where_the_entry_names_them_and_again_when_its_marks_change() {
    let app = TestApp::empty().await;
    let folder = Folder::new();
    // Six visits of one person.
    let rows: String = (0..6).map(|_| "p1,男,1980\n").collect();
    folder.open("visits", &["person", "sex", "born:integer"], format!("person,sex,born\n{rows}"));
    let plain = std::fs::read_to_string(folder.file("visits/dataset.toml")).unwrap();
    let marked = |name: &str, text: &str| {
        let (head, tail) = text.split_once(&format!("name = \"{name}\"\n")).unwrap();
        format!("{head}name = \"{name}\"\n{}", tail.replacen("\"none\"", "\"quasi\"", 1))
    };
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    let count = async |app: &TestApp| {
        let steward = app.staff(&["steward"], Some("office")).await.token;
        app.get_as("/api/v1/admin/datasets/visits/versions", &steward).await.expect(200).json()["items"][0].clone()
    };
    assert_eq!(count(&app).await["profile"]["combination"], Value::Null, "nothing is marked");
    // Marked now: the same file is counted anew. As rows, six are alike.
    let by_rows = marked("born", &marked("sex", &plain));
    folder.write("visits/dataset.toml", &by_rows);
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    let found = count(&app).await;
    assert_eq!(
        (&found["version"], &found["status"], &found["profile"]["combination"]["smallest"]),
        (&json!(2), &json!("published"), &json!(6)),
        "{found}"
    );
    // As people, one is alone.
    folder.write("visits/dataset.toml", by_rows.replacen("[[fields]]", "policy = { subject = \"person\" }\n[[fields]]", 1));
    assert_eq!(mistakes(&app, &folder).await, [""; 0]);
    let found = count(&app).await;
    let combination = &found["profile"]["combination"];
    assert_eq!(
        (&found["version"], &found["status"], &combination["smallest"], &combination["subject"]),
        (&json!(3), &json!("held"), &json!(1), &json!("person")),
        "{found}"
    );
    app.get("/api/v1/datasets/visits/profile?version=3").await.problem(404, "not-found");
    // Other rules of releases stay refused where everybody may read.
    folder.write("visits/dataset.toml", by_rows.replacen("[[fields]]", "policy = { subject = \"person\", k = 5 }\n[[fields]]", 1));
    let said = mistakes(&app, &folder).await;
    assert!(said.len() == 1 && said[0].contains("only a conditional dataset has a policy"), "{said:?}");
    // Nothing to count, and nobody to single out.
    folder.open("none", &["sex"], "sex\n");
    let entry = std::fs::read_to_string(folder.file("none/dataset.toml")).unwrap();
    folder.write("none/dataset.toml", entry.replace("sensitivity = \"none\"", "sensitivity = \"quasi\"\ntype = \"string\""));
    folder.write("visits/dataset.toml", &by_rows);
    mistakes(&app, &folder).await;
    assert_eq!(app.get("/api/v1/datasets/none").await.expect(200).json()["version"], 1);
}
