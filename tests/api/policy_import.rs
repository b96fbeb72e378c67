//! Policies that an import refuses.

use crate::support::{TestApp, people};

#[tokio::test]
async fn policies_that_could_leak_are_refused_at_the_import() {
    let app = TestApp::empty().await;
    let direct = "sensitivity = \"direct\"\n";
    let cases = [
        ("", format!("{direct}release = {{ truncate = {{ chars = 18 }} }}"), "give policy.subject"),
        ("subject = \"id\", k = 1", format!("{direct}release = {{ mask = {{ first = 3 }} }}"), "let policy.k be 2"),
        ("", format!("{direct}release = [\"keep\", \"pseudonym\"]"), "stand alone"),
        (
            "",
            "sensitivity = \"quasi\"\nrelease = { truncate = { chars = 2 } }\ncoarser = [{ truncate = { chars = 10 } }]".into(),
            "not coarser",
        ),
        ("", "sensitivity = \"none\"\nrelease = { truncate = { chars = 2 }, mask = { first = 1 } }".into(), "stands beside"),
        ("", "sensitivity = \"none\"\nrelease = { round = { to = 5 } }".into(), "needs a field declared as a number"),
        ("", "sensitivity = \"none\"\nrelease = { taxonomy = { values = {}, other = \"x\" } }".into(), "give 1 to 2000 values"),
        ("", "sensitivity = \"none\"\ncoarser = [\"drop\"]".into(), "only an identifier"),
        ("where = \"nothing = 1\"", "sensitivity = \"none\"".into(), "there is no field `nothing`"),
        ("where = \"id = 7\"", "sensitivity = \"none\"".into(), "a text in single quotes"),
        ("where = \"upper(id) = 'A'\"", "sensitivity = \"none\"".into(), "compares no field"),
        ("subject = \"nobody\"", "sensitivity = \"none\"".into(), "there is no field `nobody`"),
        ("k = 0", "sensitivity = \"none\"".into(), "give 1 to 1000"),
        ("sample = nan", "sensitivity = \"none\"".into(), "a share above 0"),
        ("sample = 1.5", "sensitivity = \"none\"".into(), "a share above 0"),
        ("leave_out_share = 0.5", "sensitivity = \"none\"".into(), "0 to 0.1"),
        ("max_suppressed_share = inf", "sensitivity = \"none\"".into(), "0 to 1"),
    ];
    for (policy, rule, wanted) in cases {
        let folder = people(policy, &[("id", "string", &rule)], "id\nx\n");
        let report =
            qingdan::release::import_folder(&app.app.tools(), folder.path(), "service", qingdan::release::unwatched).await.unwrap();
        let said: Vec<String> = report.mistakes.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|mistake| mistake.contains(wanted)), "{policy} {rule}: {said:?}");
    }
    let folder = people(
        "",
        &[("seen", "date", "sensitivity = \"quasi\"\nrelease = [{ shift_days = { subject = \"seen\", days = 14 } }, \"year\"]")],
        "seen\n",
    );
    let report = qingdan::release::import_folder(&app.app.tools(), folder.path(), "service", qingdan::release::unwatched).await.unwrap();
    assert!(report.mistakes[0].to_string().contains("stand at the end"), "{:?}", report.mistakes);
}
