//! Tests of letters: what stands in their headers, and what a server's answer means.

use super::*;

fn mailer() -> Mailer {
    let server = SmtpServer { host: "localhost".to_owned(), port: 25, tls: SmtpTls::None, credentials: None, hello: None };
    let settings = MailSettings { server: Some(server), from: "清单 <list@example.org>".to_owned(), batch_seconds: 60 };
    Mailer::new(&settings, &OutboundSettings { allow_private: false, ca_file: None, timeout_seconds: 1 }).unwrap().unwrap()
}

fn letter(subject: &str) -> Letter {
    Letter {
        id: "0190".to_owned(),
        to: "somebody@example.com".to_owned(),
        subject: subject.to_owned(),
        plain: format!("{subject}\n.\nFrom here 到这里。\n"),
        html: "<p>到这里。</p>".to_owned(),
        unsubscribe: "https://data.example.org/mail/unsubscribe?token=x.y-z_0".to_owned(),
    }
}

fn head(message: &Message) -> String {
    let text = String::from_utf8(message.formatted()).unwrap();
    assert!(text.is_ascii(), "{text}");
    text.split_once("\r\n\r\n").unwrap().0.to_owned()
}

#[test]
fn a_letter_has_the_headers_of_one_that_a_program_sends() {
    let head = head(&mailer().message(&letter("居委会：发布第 2 版")).unwrap());
    let lines: Vec<&str> = head.split("\r\n").collect();
    for wanted in [
        "Message-ID: <0190@example.org>",
        "Auto-Submitted: auto-generated",
        "List-Unsubscribe: <https://data.example.org/mail/unsubscribe?token=x.y-z_0>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "To: somebody@example.com",
        "MIME-Version: 1.0",
    ] {
        assert!(lines.contains(&wanted), "{wanted}: {head}");
    }
    assert!(head.contains("Date: ") && head.contains("Content-Type: multipart/alternative;"), "{head}");
    assert!(head.contains("Subject: =?utf-8?b?"), "{head}");
    assert!(lines.iter().all(|line| line.len() <= 200), "{head}");
}

#[test]
fn a_title_adds_no_header_and_turns_nothing_around() {
    for subject in [
        "title\r\nBcc: other@example.com\r\n\r\nbody",
        "title\nBcc: other@example.com",
        "title\rBcc: other@example.com",
        "标题\r\n Bcc: other@example.com",
        "title\u{2028}Bcc: other@example.com",
        "title\0Bcc: other@example.com",
    ] {
        let message = mailer().message(&letter(subject)).unwrap();
        let head = head(&message);
        assert!(head.split("\r\n").all(|line| !line.trim_start().to_lowercase().starts_with("bcc")), "{head}");
        assert_eq!(message.envelope().to().len(), 1);
    }
    assert_eq!(one_line("a\u{202e}gpj\u{2066}.exe\u{200f} 　b\t c", 100), "agpj.exe b c");
    assert_eq!(one_line("一二三四", 3), "一二三…");
    let mut injected = letter("title");
    injected.unsubscribe = "https://data.example.org/\r\nBcc: other@example.com".to_owned();
    assert!(mailer().message(&injected).is_err());
}

#[test]
fn an_address_is_one_of_a_person_and_nothing_else() {
    let address = |text: &str| mail_address("/address", text).ok();
    assert_eq!(address("Some.Body+x@Example.COM").as_deref(), Some("Some.Body+x@example.com"));
    assert_eq!(address("a@xn--fiqs8s.example").as_deref(), Some("a@xn--fiqs8s.example"));
    let long = format!("{}@example.com", "a".repeat(65));
    for wrong in [
        "",
        "a",
        "@example.com",
        "a@",
        "a@localhost",
        "a@127.0.0.1",
        "a@[127.0.0.1]",
        "a@example.com\r\nBcc: b@example.com",
        "a@example.com\n",
        " a@example.com",
        "a@example.com,b@example.com",
        "A <a@example.com>",
        "\"a b\"@example.com",
        "a@b@example.com",
        "张@example.com",
        "a@例子.example",
        "a..b@example.com",
        "a@-example.com",
        long.as_str(),
    ] {
        assert_eq!(address(wrong), None, "{wrong}");
    }
    let refused = mail_address("/address", "secret name@example.com").unwrap_err().to_string();
    assert!(!refused.contains("secret name"), "{refused}");
}

#[test]
fn that_there_is_no_such_address_is_told_from_a_policy() {
    for (said, wanted) in [
        ("5.1.1 no such user", Some(1)),
        ("5.2.1 mailbox disabled", Some(2)),
        ("5.7.1 relaying denied", Some(7)),
        ("no such user here", None),
        ("relay not permitted", None),
        ("4.1.1 later", None),
        ("", None),
    ] {
        assert_eq!(subject_of(said), wanted, "{said}");
    }
}
