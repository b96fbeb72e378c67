//! A mail server on this machine, which answers as it is told and hands on what it took.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use qingdan::crypto::unbase64;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A letter that was taken.
#[derive(Debug, Clone)]
pub struct TakenMail {
    pub to: String,
    /// As it came, with its headers.
    pub raw: String,
}

/// Answers to the next senders, `RCPT`s and mails; `250` where there is none. An empty answer is the connection broken off.
#[derive(Default)]
struct Script {
    senders: VecDeque<&'static str>,
    recipients: VecDeque<&'static str>,
    mails: VecDeque<&'static str>,
    /// How many mails or recipients were refused.
    refused: usize,
    /// Whether nothing is said to a good-bye, and the connection stays.
    silent: bool,
}

pub struct MailServer {
    pub url: String,
    script: Arc<Mutex<Script>>,
    came: UnboundedReceiver<TakenMail>,
}

impl MailServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let (script, (sender, came)) = (Arc::<Mutex<Script>>::default(), unbounded_channel());
        let told = Arc::clone(&script);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&told), sender.clone()));
            }
        });
        MailServer { url, script, came }
    }

    /// Answers the next sender so.
    pub fn answer_sender(&self, line: &'static str) {
        self.script.lock().unwrap().senders.push_back(line);
    }

    /// Says nothing to a good-bye from now on.
    pub fn be_silent_at_the_end(&self) {
        self.script.lock().unwrap().silent = true;
    }

    /// Answers the next recipient so.
    pub fn answer_recipient(&self, line: &'static str) {
        self.script.lock().unwrap().recipients.push_back(line);
    }

    /// Answers the next mail so, when it has come whole; it is handed on where it is taken, and where nobody is told.
    pub fn answer_mail(&self, line: &'static str) {
        self.script.lock().unwrap().mails.push_back(line);
    }

    /// How many were refused so far.
    pub fn refused(&self) -> usize {
        self.script.lock().unwrap().refused
    }

    /// What comes next.
    pub async fn next(&mut self) -> TakenMail {
        tokio::time::timeout(Duration::from_secs(60), self.came.recv()).await.unwrap().unwrap()
    }

    /// Whether nothing has come.
    pub fn is_empty(&mut self) -> bool {
        self.came.try_recv().is_err()
    }
}

async fn serve(stream: TcpStream, script: Arc<Mutex<Script>>, sender: UnboundedSender<TakenMail>) {
    let mut stream = BufReader::new(stream);
    let (mut to, mut reply) = (String::new(), "220 test".to_owned());
    loop {
        if stream.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
            return;
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let refuse = |answer: Option<&'static str>| {
            let answer = answer.unwrap_or("250 taken");
            script.lock().unwrap().refused += usize::from(!answer.starts_with('2'));
            answer.to_owned()
        };
        reply = match line.get(..4).unwrap_or_default() {
            "MAIL" => {
                let answer = script.lock().unwrap().senders.pop_front();
                refuse(answer)
            }
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap().to_owned();
                let answer = script.lock().unwrap().recipients.pop_front();
                refuse(answer)
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.unwrap();
                let mut raw = String::new();
                while !raw.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut raw).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let scripted = script.lock().unwrap().mails.pop_front();
                let answer = refuse(scripted);
                if answer.is_empty() || answer.starts_with('2') {
                    _ = sender.send(TakenMail { to: to.clone(), raw });
                }
                if answer.is_empty() {
                    return;
                }
                answer
            }
            "QUIT" if script.lock().unwrap().silent => {
                // Until the other side has had enough of it.
                _ = stream.read_line(&mut line).await;
                return;
            }
            "QUIT" => return,
            _ => "250 go on".to_owned(),
        };
    }
}

impl TakenMail {
    /// A header in one line.
    pub fn header(&self, name: &str) -> String {
        let (head, _) = self.raw.split_once("\r\n\r\n").unwrap();
        let unfolded = head.replace("\r\n ", " ");
        let found = unfolded.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found.unwrap_or_else(|| panic!("no {name}: {head}")).to_owned()
    }

    /// The part of that type, decoded.
    pub fn part(&self, media_type: &str) -> String {
        let start = format!("Content-Type: {media_type}");
        let line = format!("\r\n--{}", self.raw.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap());
        let part = self.raw.split(&line).find(|part| part.contains(&start)).unwrap_or_else(|| panic!("no {media_type}: {}", self.raw));
        let (head, body) = part.split_once("\r\n\r\n").unwrap();
        if head.contains("base64") {
            return String::from_utf8(unbase64(&body.split_whitespace().collect::<String>()).unwrap()).unwrap();
        }
        assert!(head.contains("quoted-printable"), "{head}");
        let mut bytes = Vec::new();
        let mut left = body.replace("=\r\n", "").into_bytes().into_iter();
        while let Some(byte) = left.next() {
            let hexadecimal = |left: &mut std::vec::IntoIter<u8>| {
                let digits = [left.next().unwrap(), left.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            };
            bytes.push(if byte == b'=' { hexadecimal(&mut left) } else { byte });
        }
        String::from_utf8(bytes).unwrap()
    }

    /// The token of the link to a page.
    pub fn token(&self, page: &str) -> String {
        let text = self.part("text/plain");
        let link = text.split(&format!("{page}?token=")).nth(1).unwrap_or_else(|| panic!("no link to {page}: {text}"));
        link.split_whitespace().next().unwrap().to_owned()
    }
}
