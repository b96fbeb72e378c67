//! Drafts of the list, as people prepare and approve them on pages.

use qingdan::catalog::book;
use serde_json::json;

use crate::support::{Browser, TestApp};

const SLUG: &str = "ai-policy-measures";
const OFFICE: &str = "xuhui-government-office";

fn unescaped(text: &str) -> String {
    text.replace("&#60;", "<")
        .replace("&lt;", "<")
        .replace("&#62;", ">")
        .replace("&gt;", ">")
        .replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

/// What a browser would send of the form that saves an entry.
fn form_of(page: &str) -> Vec<(String, String)> {
    let form = page.split_once("<form class=\"entry curate\"").unwrap().1.split("</form>").next().unwrap();
    let mut fields = Vec::new();
    for part in form.split('<').skip(1) {
        let (tag, inside) = part.split_once('>').unwrap();
        let value = match tag.split_whitespace().next().unwrap() {
            "input" if tag.contains("type=\"checkbox\"") => continue,
            "input" => attribute(tag, "value").unwrap_or_default(),
            "textarea" => inside,
            "select" => "",
            "option" if tag.contains(" selected") => {
                fields.last_mut().map(|(_, value)| *value = unescaped(attribute(tag, "value").unwrap())).unwrap();
                continue;
            }
            _ => continue,
        };
        if let Some(name) = attribute(tag, "name").filter(|name| *name != "csrf") {
            fields.push((name.to_owned(), unescaped(value)));
        }
    }
    fields
}

fn set(form: &mut [(String, String)], name: &str, text: &str) {
    let found = form.iter_mut().find(|(known, _)| known == name).unwrap_or_else(|| panic!("the form has no {name}"));
    found.1 = text.to_owned();
}

async fn send(browser: &Browser, path: &str, form: &[(String, String)]) -> crate::support::Answer {
    let fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.send(path, &fields).await
}

fn path_of(address: &str) -> String {
    address.split('?').next().unwrap().to_owned()
}

/// A draft with the dataset in it; its address.
async fn begun(steward: &Browser) -> String {
    let draft = path_of(&steward.done("/console/drafts?lang=en", &[("title", "The measures, anew"), ("reason", "")]).await);
    let entry = steward.done(&format!("{draft}/entries?lang=en"), &[("slug", SLUG)]).await;
    assert_eq!(path_of(&entry), format!("{draft}/entries/{SLUG}"));
    draft
}

fn revision_of(page: &str) -> String {
    attribute(page.split_once("name=\"revision\"").unwrap().1, "value").unwrap().to_owned()
}

#[tokio::test]
async fn a_draft_goes_from_the_form_to_the_list() {
    let app = TestApp::spawn().await;
    let steward = app.staff_browser(&["steward"], Some(OFFICE)).await;
    let reviewer = app.staff_browser(&["reviewer"], None).await;
    let draft = begun(&steward).await;
    let entry = format!("{draft}/entries/{SLUG}");
    let page = steward.page(&format!("{entry}?lang=en")).await;
    let before = form_of(&page);
    let mut form = before.clone();
    // Saved as it is, it says what the list says.
    assert_eq!(path_of(send(&steward, &format!("{entry}?lang=en"), &before).await.expect(303).header("location")), entry);
    assert!(steward.page(&format!("{draft}?lang=en")).await.contains("As the list has it"));

    set(&mut form, "revision", "2");
    set(&mut form, "d.title.en", "Measures <for> AI");
    set(&mut form, "d.max_reject_share", "many");
    form.push(("f6.remove".to_owned(), "yes".to_owned()));
    let refused = send(&steward, &format!("{entry}?lang=en"), &form).await.expect(400).text();
    for text in ["Nothing was saved", "`many` is no number", "value=\"Measures &#60;for&#62; AI\""] {
        assert!(refused.contains(text), "{text}: {refused}");
    }
    set(&mut form, "d.max_reject_share", "");
    send(&steward, &format!("{entry}?lang=en"), &form).await.expect(303);
    let page = steward.page(&format!("{draft}?lang=en")).await;
    for text in ["Measures &#60;for&#62; AI", "needs a reason: the field `period` goes", "goes on having the columns", "values changed"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    // Its columns stay, and it is open on conditions from now on.
    form.retain(|(name, _)| name != "f6.remove");
    set(&mut form, "revision", "3");
    set(&mut form, "d.open_type", "conditional");
    for key in ["open_type_reason.zh", "open_type_reason.en", "conditions.zh", "conditions.en"] {
        set(&mut form, &format!("d.{key}"), "说明用途 (say for what)");
    }
    send(&steward, &format!("{entry}?lang=en"), &form).await.expect(303);
    let page = steward.page(&format!("{draft}?lang=en")).await;
    // It is not handed in without a reason.
    let revision = revision_of(&page);
    let refused = steward.send(&format!("{draft}/steps/submission?lang=en"), &[("revision", &revision)]).await.expect(400).text();
    assert!(refused.contains("give the reason for that"), "{refused}");
    let change = [("revision", revision.as_str()), ("title", "The measures, anew"), ("reason", "改为有条件开放")];
    steward.done(&format!("{draft}/steps/change?lang=en"), &change).await;
    let revision = revision_of(&steward.page(&format!("{draft}?lang=en")).await);
    steward.done(&format!("{draft}/steps/submission?lang=en"), &[("revision", &revision)]).await;

    assert!(reviewer.page("/console/drafts?lang=en").await.contains("1 to review"));
    assert!(steward.page(&format!("{entry}?lang=zh")).await.contains("<dl class=\"said\">"), "what waits for its review is not edited");
    let page = reviewer.page(&format!("{draft}?lang=zh")).await;
    assert!(page.contains("改为有条件开放") && page.contains("name=\"effective_at\""), "{page}");
    let approval = format!("{draft}/steps/approval?lang=en");
    let old = reviewer.send(&approval, &[("revision", "1"), ("effective_at", "")]).await.expect(409).text();
    assert!(old.contains("read it again"), "{old}");
    let wrong = [("revision", revision_of(&page)), ("effective_at", "tomorrow".to_owned())].map(|(name, value)| (name.to_owned(), value));
    assert!(send(&reviewer, &approval, &wrong).await.expect(400).text().contains("Give a day and a time"));
    let done = reviewer.done(&approval, &[("revision", &revision_of(&page)), ("effective_at", "")]).await;
    assert!(reviewer.page(&done).await.contains("The draft is in the list."));
    let found = app.get(&format!("/api/v1/datasets/{SLUG}")).await.expect(200).json();
    assert_eq!(found["title"]["en"], "Measures <for> AI");
    assert!(app.get("/open-list?lang=zh").await.expect(200).text().contains("改为有条件开放"));
}

#[tokio::test]
async fn of_two_who_edit_a_page_the_second_sees_what_the_first_has_done() {
    let app = TestApp::spawn().await;
    let one = app.staff_browser(&["steward"], Some(OFFICE)).await;
    let other = app.staff_browser(&["steward"], Some(OFFICE)).await;
    let draft = begun(&one).await;
    let entry = format!("{draft}/entries/{SLUG}");
    let mut first = form_of(&one.page(&entry).await);
    let mut second = first.clone();
    set(&mut first, "d.title.en", "Measures of 2018");
    send(&one, &entry, &first).await.expect(303);
    set(&mut second, "d.title.en", "AI measures");
    let conflict = send(&other, &format!("{entry}?lang=en"), &second).await.expect(409).text();
    for text in [
        "Somebody else has changed this entry",
        "there is &#34;Measures of 2018&#34;; yours is &#34;AI measures&#34;",
        "value=\"AI measures\"",
    ] {
        assert!(conflict.contains(text), "{text}: {conflict}");
    }
    // What was typed is in the form again, and saving it once more puts it. A mistake in between does not hide what others do.
    let mut mistyped = second.clone();
    set(&mut mistyped, "d.max_reject_share", "many");
    let refused = send(&other, &format!("{entry}?lang=en"), &mistyped).await.expect(400).text();
    let mut mended = form_of(&refused);
    set(&mut mended, "d.max_reject_share", "");
    send(&other, &format!("{entry}?lang=en"), &mended).await.expect(409);
    let again = form_of(&conflict);
    send(&other, &entry, &again).await.expect(303);
    assert!(one.page(&format!("{draft}?lang=en")).await.contains("AI measures"));
    // Another draft does not have it meanwhile.
    let second = path_of(&one.done("/console/drafts?lang=en", &[("title", "Another draft"), ("reason", "")]).await);
    let refused = one.send(&format!("{second}/entries?lang=en"), &[("slug", SLUG)]).await.expect(409).text();
    assert!(refused.contains("one draft at a time"), "{refused}");
    let revision = revision_of(&one.page(&format!("{draft}?lang=en")).await);
    one.done(&format!("{draft}/steps/discard?lang=en"), &[("revision", &revision)]).await;
    one.done(&format!("{second}/entries?lang=en"), &[("slug", SLUG)]).await;
    // A dataset that the list does not have begins with what is to be said yet.
    let new = one.done(&format!("{second}/entries?lang=en"), &[("slug", "new-measures")]).await;
    let page = one.page(&new).await;
    assert!(page.contains("value=\"new-measures\"") && page.contains("name the data file beside this one"), "{page}");
    assert!(one.send(&format!("{second}/entries?lang=zh"), &[("slug", "New Measures")]).await.expect(400).text().contains("请填写标识"));
    let (path, revision) = (path_of(&new), revision_of(&page));
    one.done(&format!("{path}/removal?lang=en"), &[("revision", &revision)]).await;
}

#[tokio::test]
async fn a_workbook_is_taken_into_a_draft_on_its_page() {
    let app = TestApp::spawn().await;
    let steward = app.staff_browser(&["steward"], Some(OFFICE)).await;
    let draft = path_of(&steward.done("/console/drafts?lang=en", &[("title", "A workbook"), ("reason", "")]).await);
    let token = app.staff(&["auditor"], None).await.token;
    let listed = app.get_as(&format!("/api/v1/admin/datasets/{SLUG}/entry"), &token).await.expect(200).json();
    let mut entry = listed["entry"].clone();
    entry["theme"] = json!("nothing");
    let book_of = |entry: &serde_json::Value| book::to_xlsx(&[(SLUG.to_owned(), serde_json::from_value(entry.clone()).unwrap())]).unwrap();
    let refused = steward.upload(&format!("{draft}/book?lang=en"), "list.xlsx", &book_of(&entry)).await.expect(400).text();
    assert!(refused.contains("datasets!") && refused.contains("theme"), "{refused}");
    assert!(steward.upload(&format!("{draft}/book?lang=zh"), "list.xlsx", b"no book").await.expect(400).text().contains("workbook"));
    entry["theme"] = json!("public-services");
    let done = steward.upload(&format!("{draft}/book?lang=en"), "list.xlsx", &book_of(&entry)).await.expect(303);
    let page = steward.page(done.header("location")).await;
    assert!(page.contains("The workbook is in the draft.") && page.contains("<code>theme</code>"), "{page}");
}
