//! The noise of the sandbox: from what it follows, and what neither it nor what is left out tells.

use serde_json::{Value, json};

use super::{ALL, FIELDS, POLICY, answered, folder, folder_of, number, revoke, rows, sandboxed, wanting};
use crate::support::TestApp;

#[tokio::test]
async fn noise_is_the_same_for_the_same_rows_in_whatever_words_and_another_for_others() {
    let (app, grant, firm) = sandboxed(POLICY, &rows()).await;
    let mut told = Vec::new();
    for sql in [
        "select count(*) as n from people where kind = 'a'",
        "select count(1) as n from people as p where kind in ('a', 'x')",
        "with t as (select kind as k, worth as w from people) select count(k) as n from t where k < 'b'",
        "select count(*) filter (where age = 30) as n from people",
        "select count(case when age - 30 = 0 then 1 end) as n from people",
        "select n from (select kind, age, count(*) as n from people where age > 0 group by kind, age) where kind = 'a'",
    ] {
        told.push(answered(&app, &grant, sql).await);
    }
    for other in &told {
        assert_eq!(other, &told[0]);
    }
    // Sets that differ have noises of their own, also by rows that are alike: how many they are does not show.
    let mut noises = std::collections::BTreeSet::new();
    for (kinds, members) in [("'a'", 90), ("'a', 'b'", 120), ("'a', 'c'", 94), ("'b'", 30), ("'b', 'c'", 34), ("'a', 'b', 'c'", 124)] {
        let [row] = answered(&app, &grant, &format!("select count(*) as n from people where kind in ({kinds})")).await.try_into().unwrap();
        noises.insert(row["n"].as_i64().unwrap() - members);
    }
    assert!(noises.len() > 1, "{noises:?}");
    // Tables that are cut in the same way are the same, by whatever fields: the age follows from the kind.
    let of = async |groups: &str| {
        let sql = format!("select kind, count(*) as n, sum(price) as total, avg(price) as mean from people group by {groups} order by n");
        answered(&app, &grant, &sql).await
    };
    let by_kind = of("kind").await;
    assert_eq!(of("kind, age").await, by_kind);
    // In one that is cut in another way a group that is the same has another noise: of b nobody has a fine, and whether that is so does not show.
    let by_fine = of("kind, fine").await;
    let b = |rows: &[Value]| rows.iter().find(|row| row["kind"] == "b").unwrap()["total"].clone();
    assert_ne!(b(&by_kind), b(&by_fine));
    // Another grant of the firm over the same rows and fields has the same noise, or the mean of many would have less; another firm has its own.
    let sql = "select kind, sum(worth) as total, sum(price) as price from people group by kind order by kind";
    let before = answered(&app, &grant, sql).await;
    revoke(&app, &grant).await;
    let again = app.grant_for(&firm, &wanting(&["sandbox"], &ALL)).await;
    assert_eq!(answered(&app, &again, sql).await, before);
    let foreign = app.grant_for(&app.firm().await, &wanting(&["sandbox"], &ALL)).await;
    assert_ne!(answered(&app, &foreign, sql).await, before);
}

/// Of how many a group must be at the least is not known to the last one: what is told and what is not do not differ by a known number.
#[tokio::test]
async fn the_least_size_of_a_group_is_not_the_same_for_all() {
    let sizes: Vec<usize> = (0..160).map(|at| 9 + at % 4).collect();
    let group =
        |(at, size): (usize, &usize)| (0..*size).map(|one| format!("r{at}-{one},k{at},30,2024-01-11,100,1.00,0\n")).collect::<String>();
    let csv = "id,kind,age,day,worth,price,fine\n".to_owned() + &sizes.iter().enumerate().map(group).collect::<String>();
    let (app, grant, _firm) = sandboxed(POLICY, &csv).await;
    let found = answered(&app, &grant, "select kind, sum(price) as total from people group by kind").await;
    let mut told = [0; 4];
    for row in &found {
        let at: usize = row["kind"].as_str().unwrap()[1..].parse().unwrap();
        told[sizes[at] - 9] += 1;
    }
    assert_eq!((told[0], told[3]), (0, 40), "of 9 none is told, of 12 each one: {told:?}");
    assert!((1..40).contains(&told[1]) && (1..40).contains(&told[2]), "of 10 and of 11 some are told: {told:?}");
    // How far a sum is moved tells of the largest amount in which power of two it is, and no more: it is 65, and the most for 65 to 128 is 768.
    let row = |at: usize| format!("r{at},k{},30,2024-01-11,65,1.00,0\n", at % 200);
    let csv = "id,kind,age,day,worth,price,fine\n".to_owned() + &(0..200 * 12).map(row).collect::<String>();
    let (app, grant, _firm) = sandboxed(POLICY, &csv).await;
    let found = answered(&app, &grant, "select kind, sum(worth) as total from people group by kind").await;
    let furthest = found.iter().map(|row| (number(&row["total"]) - 780.0).abs()).fold(0.0, f64::max);
    assert!(found.len() == 200 && furthest > 400.0 && furthest <= 768.0, "{furthest}");
    // So it is with what adds to a sum: the groups are told, some with a sum and some without.
    let row = |at: usize| format!("r{at},k{},30,2024-01-11,{},1.00,0\n", at % 40, u8::from(at / 40 < 11));
    let csv = "id,kind,age,day,worth,price,fine\n".to_owned() + &(0..40 * 20).map(row).collect::<String>();
    let (app, grant, _firm) = sandboxed(POLICY, &csv).await;
    let found = answered(&app, &grant, "select kind, sum(worth) as total from people group by kind").await;
    let told = found.iter().filter(|row| !row["total"].is_null()).count();
    assert!(found.len() == 40 && (1..40).contains(&told), "{told} of {}", found.len());
}

/// Rows that are alike but for where a value is missing are not the same: neither are the noises of sets of them.
#[tokio::test]
async fn where_a_value_is_missing_tells_rows_apart() {
    let row = |at: usize| format!("r{at},a,30,2024-01-11,{},100\n", if at < 40 { "30," } else { ",30" });
    let csv = "id,kind,age,day,worth,price,fine\n".to_owned() + &(0..80).map(row).collect::<String>();
    let fields = FIELDS.map(|(name, kind, rest)| if name == "price" { (name, "integer", FIELDS[4].2) } else { (name, kind, rest) });
    let app = TestApp::with_datasets(folder_of(POLICY, &fields, &csv).path()).await;
    let grant = app.grant_for(&app.firm().await, &wanting(&["sandbox"], &ALL)).await;
    let found =
        answered(&app, &grant, "select worth, count(*) as n, sum(age) as ages, sum(fine) as fines from people group by worth").await;
    assert_eq!(found.len(), 2, "{found:?}");
    // One noise may be the same by chance, in one run of a thousand; three are not.
    let told = |row: &Value| ["n", "ages", "fines"].map(|name| row[name].clone());
    assert_ne!(told(&found[0]), told(&found[1]), "{found:?}");
}

/// An average is over those who have a value, and what it is made of does not tell whether somebody lacks one.
#[tokio::test]
async fn an_average_does_not_tell_who_lacks_a_value() {
    let row = |at: usize| format!("r{at},k{},30,2024-01-11,100,{},0\n", at % 40, if at < 40 { "" } else { "8.00" });
    let csv = "id,kind,age,day,worth,price,fine\n".to_owned() + &(0..40 * 20).map(row).collect::<String>();
    let (app, grant, _firm) = sandboxed(POLICY, &csv).await;
    let sql = "select kind, count(*) as n, sum(price) as prices, avg(price) as price, sum(worth) as worths, avg(worth) as worth \
               from people group by kind";
    let found = answered(&app, &grant, sql).await;
    assert_eq!(found.len(), 40, "{found:?}");
    for row in &found {
        assert!((number(&row["price"]) - 8.0).abs() <= 48.0 / 19.0 && number(&row["price"]) != 8.0, "{row}");
        // All the digits of a double would tell by which whole numbers it may have been divided.
        for name in ["prices", "price", "worth"] {
            let told = number(&row[name]);
            let step = 10_f64.powi(8 - told.abs().log10().floor() as i32);
            assert!(((told * step).round() / step - told).abs() <= told.abs() * 1e-15, "{name} has more digits than nine: {row}");
        }
        // Neither a field that has all its values gives the count of all rows as it is told, nor one that does not.
        for (total, mean) in [("prices", "price"), ("worths", "worth")] {
            assert_ne!(number(&row[total]) / number(&row[mean]), number(&row["n"]), "{row}");
        }
    }
}

/// Whether some group is left out does not show: neither the tables of which one has it nor their noises differ by it.
#[tokio::test]
async fn a_group_that_is_left_out_does_not_change_the_others() {
    // Of a and b nobody has a fine; one of c has, which are few by then, and so in both tables the same of c are left out.
    let row = |at: usize| format!("r{at},{},30,2024-01-11,100,1.25,{}\n", ["a", "b"][at % 2], u8::from(at >= 80));
    let row = |at: usize| if at < 80 { row(at) } else { format!("r{at},c,50,2024-01-11,100,1.25,{}\n", at % 2) };
    let csv = "id,kind,age,day,worth,price,fine\n".to_owned() + &(0..86).map(row).collect::<String>();
    let (app, grant, _firm) = sandboxed(POLICY, &csv).await;
    let of = async |groups: &str| {
        answered(&app, &grant, &format!("select kind, sum(price) as total from people group by {groups} order by kind")).await
    };
    let by_kind = of("kind").await;
    assert_eq!(by_kind.len(), 2, "{by_kind:?}");
    assert_eq!(of("kind, fine").await, by_kind);
}

/// What changed from one version to the next does not show: also groups that are the same have another noise.
#[tokio::test]
async fn each_version_has_a_noise_of_its_own() {
    let folder = folder(POLICY, &rows());
    let app = TestApp::with_datasets(folder.path()).await;
    let grant = app.grant_for(&app.firm().await, &wanting(&["sandbox"], &ALL)).await;
    folder.write("people/data.csv", rows() + "r999,b,40,2024-07-14,105,12.25,0\n");
    app.import(&folder).await;
    let of = |version| format!("select kind, sum(price) as total from \"people@{version}\" group by kind order by kind");
    let (first, second) = (answered(&app, &grant, &of(1)).await, answered(&app, &grant, &of(2)).await);
    assert_eq!((&first[0]["kind"], &second[0]["kind"]), (&json!("a"), &json!("a")));
    assert_ne!(first[0]["total"], second[0]["total"], "of a there is no other row");
}
