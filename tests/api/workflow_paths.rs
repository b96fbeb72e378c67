//! No way leads to data past a step: random calls by any mix of roles, explored by proptest against the running application.

#![expect(clippy::wildcard_enum_match_arm, reason = "a call or an actor that is not named here needs nothing of its own")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof};
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::{Value, json};

use crate::support::{Firm, Folder, KeyPair, Person, TestApp, TestDatabase, application, people, signature_body};

const ROWS: &str = "/api/v1/datasets/people/rows";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    Firm,
    OtherFirm,
    Reviewer,
    SecondReviewer,
    StewardWhoReviews,
    Operator,
    Auditor,
    Nobody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// Whatever leads on from here, by whoever may.
    Forward,
    Begin,
    Submit,
    Change,
    Accept,
    Ask,
    Answer,
    Try,
    Approve,
    Refuse,
    Appeal,
    Uphold,
    Reopen,
    Withdraw,
    Sign,
    SignWithAnotherKey,
    Suspend,
    Resume,
    Revoke,
    /// By a report of what the application was before it changed.
    ApproveUnread,
    SuspendFirm,
    ResumeFirm,
    /// Nobody's call: the time of whoever's turn it is goes by.
    TimeGoesBy,
    /// Nobody's call: the term of the grant ends.
    TermEnds,
    /// The curator keeps a field of the application back.
    CloseField,
    OpenField,
}

const CALLS: [Call; 25] = [
    Call::ApproveUnread,
    Call::SuspendFirm,
    Call::ResumeFirm,
    Call::TimeGoesBy,
    Call::TermEnds,
    Call::CloseField,
    Call::OpenField,
    Call::Begin,
    Call::Submit,
    Call::Change,
    Call::Accept,
    Call::Ask,
    Call::Answer,
    Call::Try,
    Call::Approve,
    Call::Refuse,
    Call::Appeal,
    Call::Uphold,
    Call::Reopen,
    Call::Withdraw,
    Call::Sign,
    Call::SignWithAnotherKey,
    Call::Suspend,
    Call::Resume,
    Call::Revoke,
];

const ACTORS: [Actor; 8] = [
    Actor::Firm,
    Actor::OtherFirm,
    Actor::Reviewer,
    Actor::SecondReviewer,
    Actor::StewardWhoReviews,
    Actor::Operator,
    Actor::Auditor,
    Actor::Nobody,
];

/// Ways around that no chance would find in so few calls: what was read is changed before it is approved, and so on.
const WAYS_AROUND: [&[(Call, Actor)]; 5] = [
    &[
        (Call::Try, Actor::Reviewer),
        (Call::Ask, Actor::Reviewer),
        (Call::Change, Actor::Firm),
        (Call::Answer, Actor::Firm),
        (Call::ApproveUnread, Actor::SecondReviewer),
    ],
    &[
        (Call::Forward, Actor::Firm),
        (Call::Forward, Actor::Firm),
        (Call::Try, Actor::Reviewer),
        (Call::Ask, Actor::Reviewer),
        (Call::Change, Actor::Firm),
        (Call::Answer, Actor::Firm),
        (Call::Try, Actor::Reviewer),
        (Call::ApproveUnread, Actor::SecondReviewer),
    ],
    &[(Call::TimeGoesBy, Actor::Nobody), (Call::Forward, Actor::Firm)],
    &[(Call::SuspendFirm, Actor::Operator), (Call::Forward, Actor::Firm)],
    &[(Call::CloseField, Actor::Nobody), (Call::Forward, Actor::Firm)],
];

fn steps() -> impl Strategy<Value = Vec<(Call, Actor)>> {
    let any = (proptest::sample::select(&CALLS[..]), proptest::sample::select(&ACTORS[..])).prop_map(|step| vec![step]);
    let around = proptest::sample::select(&WAYS_AROUND[..]).prop_map(<[_]>::to_vec);
    vec(prop_oneof![6 => Just(vec![(Call::Forward, Actor::Firm)]), 5 => any, 1 => around], 1..24).prop_map(|parts| parts.concat())
}

/// Who may do what, as the rules say and not as the code does.
fn may(call: Call, actor: Actor) -> bool {
    let reviews = matches!(actor, Actor::Reviewer | Actor::SecondReviewer);
    match call {
        Call::Begin => matches!(actor, Actor::Firm | Actor::OtherFirm),
        Call::Submit | Call::Change | Call::Answer | Call::Appeal | Call::Withdraw | Call::Sign => actor == Actor::Firm,
        Call::Accept | Call::Ask | Call::Approve | Call::Refuse | Call::Uphold | Call::Reopen => reviews,
        // To look at what would be released is no decision.
        Call::Try => reviews || actor == Actor::StewardWhoReviews,
        Call::Suspend | Call::Resume | Call::Revoke => reviews || matches!(actor, Actor::Operator | Actor::StewardWhoReviews),
        Call::SuspendFirm | Call::ResumeFirm => actor == Actor::Operator,
        Call::TimeGoesBy | Call::TermEnds | Call::CloseField | Call::OpenField => true,
        Call::SignWithAnotherKey | Call::ApproveUnread | Call::Forward => false,
    }
}

/// One application, as somebody sees it who notes what succeeded.
#[derive(Debug, Default)]
struct Story {
    application: Option<String>,
    agreement: Option<Value>,
    grant: Option<String>,
    report: Option<Value>,
    /// A report of what the application was before it changed.
    unread: Option<Value>,
    /// URLs that were signed while the firm could read.
    urls: Vec<String>,
    done: Vec<Call>,
}

/// What is true of the world besides the story, whatever application it is about.
#[derive(Debug, Clone, Copy, Default)]
struct Around {
    firm_suspended: bool,
    field_closed: bool,
}

struct World {
    app: TestApp,
    firm: Firm,
    other: Firm,
    people: Vec<(Actor, Person)>,
    stranger: KeyPair,
    folder: Folder,
    around: Cell<Around>,
}

/// What is no step of an application, and leaves it where it is.
fn is_beside(call: Call) -> bool {
    let grant = matches!(call, Call::Suspend | Call::Resume | Call::TermEnds);
    let world = matches!(call, Call::SuspendFirm | Call::ResumeFirm | Call::TimeGoesBy | Call::CloseField | Call::OpenField);
    grant || world || matches!(call, Call::Try | Call::Change)
}

impl World {
    async fn new() -> Self {
        let fields = [("name", "string", "sensitivity = \"direct\"\nrelease = \"pseudonym\""), ("n", "integer", "sensitivity = \"none\"")];
        let folder = people("", &fields, "name,n\na,1\nb,2\n");
        let app = TestApp::with_datasets(folder.path()).await;
        let (firm, other) = (app.firm().await, app.firm().await);
        let people = vec![
            (Actor::Reviewer, app.staff(&["reviewer"], None).await),
            (Actor::SecondReviewer, app.staff(&["reviewer"], None).await),
            (Actor::StewardWhoReviews, app.staff(&["steward", "reviewer"], Some("office")).await),
            (Actor::Operator, app.operator().await),
            (Actor::Auditor, app.staff(&["auditor"], None).await),
        ];
        World { app, firm, other, people, stranger: KeyPair::ed25519(), folder, around: Cell::default() }
    }

    /// Lets the firm be approved and the field open, as at the beginning.
    async fn restore(&self) {
        let Around { firm_suspended, field_closed } = self.around.get();
        if field_closed {
            self.close_field(false).await;
        }
        if firm_suspended {
            let path = format!("/api/v1/admin/firms/{}/resumption", self.firm.id);
            self.app.post_as(&path, self.token(Actor::Operator).unwrap(), &json!({ "reason": "a new story" })).await.expect(200);
        }
        self.around.set(Around::default());
    }

    async fn close_field(&self, closed: bool) {
        let text = std::fs::read_to_string(self.folder.file("people/dataset.toml")).unwrap();
        let (open, shut) = ("sensitivity = \"none\"", "sensitivity = \"none\"\nrelease = \"drop\"");
        let text = text.replace(shut, open);
        self.folder.write("people/dataset.toml", if closed { text.replace(open, shut) } else { text });
        self.app.import(&self.folder).await;
        self.around.set(Around { field_closed: closed, ..self.around.get() });
    }

    /// What happens without anybody's call. Answers whether the call was such a thing.
    async fn happens(&self, story: &mut Story, call: Call) -> bool {
        let tamper = |sql: String| TestDatabase::tamper(self.app.app.settings.database_url.expose(), &sql);
        match (call, &story.application, &story.grant) {
            (Call::CloseField | Call::OpenField, ..) => self.close_field(call == Call::CloseField).await,
            (Call::TimeGoesBy, Some(id), _) => {
                tamper(format!("UPDATE applications SET due_at = '2026-01-02 00:00:00' WHERE id = '{id}' AND due_at IS NOT NULL"));
                self.app.app.db.write(qingdan::access::applications::tidy).await.unwrap();
                story.done.push(call);
            }
            (Call::TermEnds, _, Some(id)) => {
                tamper(format!("UPDATE grants SET expires_at = '2026-01-02 00:00:00' WHERE id = '{id}'"));
                self.app.app.end_grants().await.unwrap();
                story.done.push(call);
            }
            (Call::TimeGoesBy | Call::TermEnds, ..) => {}
            _ => return false,
        }
        true
    }

    fn token(&self, actor: Actor) -> Option<&str> {
        match actor {
            Actor::Firm => Some(&self.firm.token),
            Actor::OtherFirm => Some(&self.other.token),
            Actor::Nobody => None,
            staff => self.people.iter().find(|(known, _)| *known == staff).map(|(_, person)| person.token.as_str()),
        }
    }

    /// What leads on from what was done, and who may.
    fn forward(story: &Story) -> (Call, Actor) {
        let state = story.done.iter().rev().find(|call| !is_beside(**call));
        match state {
            None | Some(Call::Withdraw | Call::Uphold | Call::Revoke) => (Call::Begin, Actor::Firm),
            Some(Call::Begin) => (Call::Submit, Actor::Firm),
            Some(Call::Ask) => (Call::Answer, Actor::Firm),
            Some(Call::Refuse) => (Call::Appeal, Actor::Firm),
            Some(Call::Appeal) => (Call::Reopen, Actor::SecondReviewer),
            Some(Call::Approve) => (Call::Sign, Actor::Firm),
            Some(Call::Sign) => (Call::Suspend, Actor::Operator),
            Some(_) if story.report.is_none() => (Call::Try, Actor::Reviewer),
            Some(_) => (Call::Approve, Actor::SecondReviewer),
        }
    }

    async fn call(&self, story: &mut Story, call: Call, actor: Actor) -> Result<(), TestCaseError> {
        let (call, actor) = if call == Call::Forward { Self::forward(story) } else { (call, actor) };
        if self.happens(story, call).await {
            return Ok(());
        }
        let Some((path, body)) = self.request(story, call) else { return Ok(()) };
        let method = if call == Call::Change { reqwest::Method::PUT } else { reqwest::Method::POST };
        let answer = self.app.send(method, &path, self.token(actor), Some(&body), &[]).await;
        let status = answer.status.as_u16();
        if !answer.status.is_success() {
            let refused = matches!(status, 400 | 401 | 403 | 404 | 409);
            return if refused { Ok(()) } else { Err(TestCaseError::fail(format!("{call:?} by {actor:?}: {status} {}", answer.text()))) };
        }
        if !may(call, actor) {
            return Err(TestCaseError::fail(format!("{call:?} by {actor:?} succeeded: {}", answer.text())));
        }
        let answer = answer.json();
        match call {
            // Another firm's application is another story.
            Call::Begin if actor == Actor::OtherFirm => return Ok(()),
            Call::Begin => *story = Story { application: answer["id"].as_str().map(str::to_owned), ..Story::default() },
            Call::Try => {
                story.report = Some(answer["sha256"].clone());
                // What is tried again after a change of words comes to the same report, which is one of what the application is now.
                story.unread.take_if(|unread| Some(&*unread) == story.report.as_ref());
            }
            Call::Approve => story.agreement = Some(answer["agreement"].clone()),
            Call::Sign => story.grant = answer["grant"]["id"].as_str().map(str::to_owned),
            Call::Change => story.unread = story.report.take().or(story.unread.take()),
            Call::SuspendFirm | Call::ResumeFirm => {
                let firm_suspended = call == Call::SuspendFirm;
                self.around.set(Around { firm_suspended, ..self.around.get() });
                return Ok(());
            }
            _ => {}
        }
        story.done.push(call);
        Ok(())
    }

    /// The request of a call, where there is something that it could be about.
    fn request(&self, story: &Story, call: Call) -> Option<(String, Value)> {
        let wish = application("people", &["name", "n"]);
        if call == Call::Begin {
            return Some(("/api/v1/applications?draft=true".to_owned(), wish));
        }
        let at = |step: &str| story.application.as_ref().map(|id| format!("/api/v1/applications/{id}{step}"));
        let sign = |key: Option<&KeyPair>| {
            let agreement = story.agreement.as_ref()?;
            let mut body = signature_body(&self.firm, agreement);
            if let Some(key) = key {
                body["signature"] = json!(key.sign_detached(agreement["sha256"].as_str()?));
            }
            Some((format!("/api/v1/agreements/{}/signature", agreement["id"].as_str()?), body))
        };
        let grant = |step: &str| story.grant.as_ref().map(|id| format!("/api/v1/grants/{id}{step}"));
        let reason = json!({ "reason": "a random call" });
        let decision = |approve: bool| json!({ "approve": approve, "reason": "a random call", "report_sha256": story.report });
        let firm = |step: &str| format!("/api/v1/admin/firms/{}/{step}", self.firm.id);
        Some(match call {
            Call::Submit => (at("/submission")?, json!({})),
            Call::Change => {
                let mut changed = wish;
                changed["purpose"] = json!(format!("to test what leaves, the {}th time", story.done.len()));
                (at("")?, changed)
            }
            Call::Accept => (at("/acceptance")?, json!({})),
            Call::Ask => (at("/questions")?, json!({ "question": "what for?" })),
            Call::Answer => (at("/answers")?, json!({ "answer": "for this" })),
            Call::Try => (at("/reports")?, json!({})),
            Call::Approve => (at("/decision")?, decision(true)),
            Call::Refuse => (at("/decision")?, decision(false)),
            Call::Appeal => (at("/appeal")?, reason),
            Call::Uphold => (at("/appeal/decision")?, json!({ "approve": false, "reason": "a random call" })),
            Call::Reopen => (at("/appeal/decision")?, json!({ "approve": true, "reason": "a random call" })),
            Call::Withdraw => (at("/withdrawal")?, reason),
            Call::Sign => sign(None)?,
            Call::SignWithAnotherKey => sign(Some(&self.stranger))?,
            Call::Suspend => (grant("/suspension")?, reason),
            Call::Resume => (grant("/resumption")?, reason),
            Call::Revoke => (grant("/revocation")?, reason),
            Call::ApproveUnread => {
                (at("/decision")?, json!({ "approve": true, "reason": "a random call", "report_sha256": story.unread.as_ref()? }))
            }
            Call::SuspendFirm => (firm("suspension"), reason),
            Call::ResumeFirm => (firm("resumption"), reason),
            Call::Begin | Call::Forward | Call::TimeGoesBy | Call::TermEnds | Call::CloseField | Call::OpenField => return None,
        })
    }

    /// Looks who reads what: the firm by its grant, if every step was made, and nobody else by anything.
    async fn look(&self, story: &mut Story) -> Result<bool, TestCaseError> {
        for actor in ACTORS {
            let answer = self.app.send(reqwest::Method::GET, ROWS, self.token(actor), None, &[]).await;
            if !matches!(answer.status.as_u16(), 401 | 403) {
                return Err(TestCaseError::fail(format!("{actor:?} reads without a grant: {}", answer.text())));
            }
        }
        let around = self.around.get();
        let may_read = !around.firm_suspended && !around.field_closed && is_complete(&story.done);
        for url in &story.urls {
            let status = self.app.get(url).await.status.as_u16();
            if !matches!(status, 200 | 401 | 403) || (status == 200 && !may_read) {
                return Err(TestCaseError::fail(format!("{status} by a signed URL after {:?}, {around:?}", story.done)));
            }
        }
        let Some(grant) = &story.grant else { return Ok(false) };
        let foreign = self.app.assert(&self.assertion(&self.other), Some(grant)).await;
        if foreign.status.is_success() {
            return Err(TestCaseError::fail("another firm has a token for the grant"));
        }
        let answer = self.app.assert(&self.assertion(&self.firm), Some(grant)).await;
        if !answer.status.is_success() {
            return Ok(false);
        }
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        let reads = self.app.get_as(ROWS, &token).await.status.is_success();
        let signed = self.app.post_as("/api/v1/datasets/people/signed-urls", &token, &json!({})).await;
        if (reads || signed.status.is_success()) && !may_read {
            return Err(TestCaseError::fail(format!("data after {:?}, {around:?}", story.done)));
        }
        if reads {
            let url = signed.expect(201).json()["url"].as_str().unwrap().to_owned();
            story.urls.push(url.strip_prefix(&self.app.url).unwrap().to_owned());
        }
        Ok(reads)
    }

    fn assertion(&self, firm: &Firm) -> String {
        firm.key.sign(&crate::support::assertion_claims(&self.app, &firm.client_id))
    }
}

/// Whether the required steps were made one after the other, and none that ends it.
fn is_complete(done: &[Call]) -> bool {
    let last = |call: Call| done.iter().rposition(|one| *one == call);
    let ordered = [Call::Begin, Call::Submit, Call::Try, Call::Approve, Call::Sign].map(last);
    let in_order = ordered.iter().all(Option::is_some) && ordered.is_sorted();
    let open = last(Call::Suspend) <= last(Call::Resume);
    let answered = last(Call::Ask) <= last(Call::Answer);
    let decided_after = [Call::Refuse, Call::Withdraw, Call::Appeal].map(last).iter().all(|at| *at < last(Call::Approve));
    // Where it was the firm's turn, the application is over with its time.
    let turn = |at: usize| done[..at].iter().rev().find(|call| !is_beside(**call));
    let in_time = done
        .iter()
        .enumerate()
        .all(|(at, call)| *call != Call::TimeGoesBy || !matches!(turn(at), Some(Call::Begin | Call::Ask | Call::Approve | Call::Refuse)));
    // A change after the last report is one that nobody has looked at.
    let read = last(Call::Change) < last(Call::Try);
    in_order
        && open
        && answered
        && decided_after
        && in_time
        && read
        && !done.iter().any(|call| matches!(call, Call::Revoke | Call::TermEnds))
}

#[test]
fn no_way_leads_to_data_past_a_step() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let config = ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() };
    let reached = Cell::new((0, 0));
    let met = RefCell::new(BTreeSet::new());
    let explored = TestRunner::new(config).run(&steps(), |steps| {
        runtime.block_on(async {
            world.restore().await;
            let mut story = Story::default();
            let mut read = false;
            for (call, actor) in &steps {
                world.call(&mut story, *call, *actor).await?;
                if let Some(last) = story.done.last() {
                    met.borrow_mut().insert(format!("{last:?}"));
                }
                read |= story.grant.is_some() && world.look(&mut story).await?;
            }
            world.look(&mut story).await?;
            let (calls, reads) = reached.get();
            reached.set((calls + steps.len(), reads + usize::from(read)));
            Ok(())
        })
    });
    explored.unwrap();
    let (calls, reads) = reached.get();
    println!("{calls} calls in 96 sequences; {reads} of these came to data; what was done: {:?}", met.borrow());
    assert!(reads > 0, "no sequence came to data, so that nothing was shown");
}
