"""Mail as a mailbox sees it: a real SMTP server takes what the service sends, and the standard library reads it."""

import datetime
import email
import email.policy
import html
import ipaddress
import logging
import os
import re
import socket
import sqlite3
import ssl
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import api
from service import Service, binary
from tables import DATASETS

# How long the mail server is down while changes go on; a minute by OUTAGE_SECONDS=60.
OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "6"))
SLUGS = ["ai-policy-measures", "working-calendar", "shanghai-districts"]
GROUND = {"ground": "other", "reason": "to test the mail"}
PATH = "/api/v1/firms/me/mail-subscriptions"
# The server says at each log-in that its next version will work otherwise.
logging.getLogger("mail.log").setLevel(logging.ERROR)
NAME, PASSWORD = "qingdan", "a password: with @ signs"


def write_certificates(folder):
    """An authority, and a certificate for localhost by it."""

    def certificate(name, key, issuer, signer, authority):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        builder = builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=2))
        builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(signer, hashes.SHA256())

    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(certificate("authority", authority, "authority", authority, True).public_bytes(pem))
    (folder / "server.pem").write_bytes(certificate("localhost", server, "authority", authority, False).public_bytes(pem))
    plain = server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(plain)


class Mailbox:
    """What came to a mail server, which can really be ended and started again at the same port. It takes mail after STARTTLS and a log-in only."""

    def __init__(self, folder):
        self.folder = folder
        self.letters = []
        self.gone = set()
        self.logged_in = 0
        self.port = 0
        self.controller = None
        self.start()

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        assert session.ssl is not None, "the letter came in the clear"
        if address in self.gone:
            return f"550 5.1.1 <{address}>: Recipient address rejected"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.letters.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=email.policy.default), envelope.content))
        return "250 taken"

    def authenticate(self, server, session, envelope, mechanism, data):
        right = data.login.decode() == NAME and data.password.decode() == PASSWORD
        self.logged_in += right
        return AuthResult(success=right)

    def start(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        mailbox = self

        class Server(Controller):
            def factory(self):
                return SMTP(mailbox, tls_context=context, require_starttls=True, authenticator=mailbox.authenticate, auth_required=True)

        if self.port == 0:
            # A free port: the controller wants to know it beforehand.
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        self.controller = Server(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def stop(self):
        self.controller.stop()

    def to(self, address):
        """The letters to an address, in the order in which they came."""
        return [letter for recipients, letter, _ in self.letters if recipients == [address]]

    def wait_for(self, condition, seconds=120):
        """Waits until what came meets a condition."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"{len(self.letters)} letters came within {seconds} s"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mailbox")
    write_certificates(folder)
    taking = Mailbox(folder)
    yield taking
    taking.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory, mailbox):
    """A service of its own that sends by that server."""
    credentials = f"{NAME}:{requests.utils.quote(PASSWORD, safe='')}"
    settings = {
        "QINGDAN_SMTP_URL": f"smtp://{credentials}@localhost:{mailbox.port}?tls=required",
        "QINGDAN_SMTP_FROM": "清单 <list@example.org>",
        "QINGDAN_MAIL_BATCH_SECONDS": "1",
        "QINGDAN_OUTBOUND_CA_FILE": str(mailbox.folder / "ca.pem"),
        "QINGDAN_LIMITS_STAFF_BURST": "100000",
    }
    service = Service(binary(), tmp_path_factory.mktemp("mail"), settings)
    service.run("import", DATASETS)
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def operator(running):
    return api.log_in_operator(running.url)


@pytest.fixture(scope="module")
def change(operator):
    """Changes a dataset twice."""
    reviewer = api.add_reviewer(operator, "reviewer-of-mail")

    def suspend_and_restore(slug):
        operator.post(f"/api/v1/admin/datasets/{slug}/suspension", GROUND, 200)
        reviewer.post(f"/api/v1/admin/datasets/{slug}/restoration", {"reason": "all is well"}, 200)

    return suspend_and_restore


def text_of(letter):
    return letter.get_body(("plain",)).get_content().replace("\r\n", "\n")


def link_to(letter, page):
    """The link of a letter to a page."""
    found = re.search(rf"\S+{page}\?token=\S+", text_of(letter))
    assert found, text_of(letter)
    return found.group()


def confirm(link):
    """Looks at the page, and presses its button, as a browser does."""
    page = requests.get(link, timeout=30)
    assert page.status_code == 200 and 'method="post"' in page.text
    address, token = link.split("?")[0], parse_qs(urlsplit(link).query)["token"][0]
    answer = requests.post(address, data={"token": token}, headers={"Sec-Fetch-Site": "same-origin"}, timeout=30)
    assert answer.status_code == 200, answer.text


def subscribe(mailbox, firm, address, **wish):
    """Subscribes an address and confirms it."""
    made = firm.person.post(PATH, {"address": address, **wish})
    mailbox.wait_for(lambda: mailbox.to(address))
    (asked,) = mailbox.to(address)
    confirm(link_to(asked, "/mail/confirm"))
    return made


def told(letters):
    """What letters tell in Chinese, in order: slug and event."""
    chinese = [text_of(letter).split("\n--\n")[0] for letter in letters]
    return [pair for text in chinese for pair in re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d  .*（([a-z0-9-]+)）：(.*)$", text, re.MULTILINE)]


def test_a_letter_comes_after_a_yes_with_all_that_it_needs(running, mailbox, operator, change):
    firm, address = api.add_firm(operator, 1), "reader@example.com"
    made = firm.person.post(PATH, {"address": address, "datasets": [SLUGS[0]]})
    mailbox.wait_for(lambda: mailbox.to(address))
    (asked,) = mailbox.to(address)
    # Nothing before the confirmation, also when a program follows the link.
    link = link_to(asked, "/mail/confirm")
    requests.get(link, timeout=30).raise_for_status()
    change(SLUGS[0])
    subscribe(mailbox, api.add_firm(operator, 2), "other@example.com", datasets=[SLUGS[0]])
    change(SLUGS[0])
    mailbox.wait_for(lambda: len(mailbox.to("other@example.com")) >= 2)
    assert len(mailbox.to(address)) == 1
    confirm(link)
    change(SLUGS[0])
    mailbox.wait_for(lambda: len(told(mailbox.to(address)[1:])) >= 2)
    letter = mailbox.to(address)[1]
    assert letter.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    assert str(letter["from"]) == "清单 <list@example.org>" and str(letter["to"]) == address
    assert letter["auto-submitted"] == "auto-generated" and letter["message-id"].endswith("@example.org>")
    assert abs(letter["date"].datetime.timestamp() - time.time()) < 300
    title = requests.get(f"{running.url}/api/v1/datasets/{SLUGS[0]}", timeout=30).json()["title"]
    assert title["zh"] in letter["subject"] and title["en"] in letter["subject"]
    for kind in ["plain", "html"]:
        text = "".join(one.get_body((kind,)).get_content() for one in mailbox.to(address)[1:])
        for words in [title["zh"], title["en"], "暂停开放", "suspended", "恢复开放", "given out again", "/datasets/" + SLUGS[0]]:
            assert words in html.unescape(text), (kind, words, text)
    assert all(len(line) <= 998 for line in mailbox.letters[-1][2].split(b"\r\n"))
    # One click, as the provider of a mailbox does it (RFC 8058).
    assert letter["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    end = letter["list-unsubscribe"].strip("<>")
    assert end == link_to(letter, "/mail/unsubscribe")
    answer = requests.post(end, data={"List-Unsubscribe": "One-Click"}, timeout=30)
    assert answer.status_code == 200, answer.text
    assert firm.person.get(PATH).json()["items"] == []
    entries = list(operator.items("/api/v1/ledger/entries", limit=1000))
    of_it = [entry["kind"] for entry in entries if entry["subject"] == f"mail:{made['id']}"]
    assert sorted(of_it) == ["mail.confirmed", "mail.ended", "mail.subscribed"]
    # The address and the password stand neither in the log nor in the database.
    log = running.log.read_text(encoding="utf-8")
    assert "@example.com" not in log and PASSWORD not in log and PASSWORD.split()[0] + "%20" not in log
    database = b"".join(path.read_bytes() for path in (running.folder / "data").glob("qingdan.sqlite*"))
    assert b"reader@example" not in database and b"other@example" not in database
    assert mailbox.logged_in > 0


def test_every_event_comes_in_order_when_the_server_is_back(running, mailbox, operator, change):
    firm, address = api.add_firm(operator, 3), "patient@example.com"
    subscribe(mailbox, firm, address)
    subscription = firm.person.get(PATH).json()["items"][0]
    mailbox.stop()
    began, count = time.monotonic(), 0
    while time.monotonic() - began < OUTAGE_SECONDS:
        for slug in SLUGS:
            change(slug)
            count += 2
        # Reads go on meanwhile: the ledger holds more than what is sent.
        requests.get(f"{running.url}/api/v1/datasets/{SLUGS[0]}", timeout=10).raise_for_status()
    failing = firm.person.get(PATH).json()["items"][0]
    assert failing["attempts"] > 0 and failing["last_error"] == "the mail server was not reached"
    mailbox.start()
    back = time.monotonic()
    change(SLUGS[1])
    count += 2

    def letters():
        # One that came twice, under the same Message-ID, counts once.
        return list({letter["message-id"]: letter for letter in mailbox.to(address)[1:]}.values())

    mailbox.wait_for(lambda: len(told(letters())) >= count)
    print(f"{count} events in {len(letters())} letters, {OUTAGE_SECONDS} s down, all there {time.monotonic() - back:.1f} s after the server was back")
    feed, since, more = [], subscription["confirmed_at_entry"], True
    while more:
        page = requests.get(f"{running.url}/api/v1/changes", params={"since": since, "limit": 1000}, timeout=30).json()
        feed, since, more = feed + page["items"], page["next_since"], page["more"]
    words = {"dataset.suspended": "暂停开放", "dataset.restored": "恢复开放"}
    assert told(letters()) == [(item["slug"], words[item["event"]]) for item in feed]
    assert len(told(letters())) == count and len(letters()) < count, "what happens together comes in one letter"
    left = firm.person.get(PATH).json()["items"][0]
    assert (left["status"], left["attempts"], left["last_error"]) == ("active", 0, None)


def test_an_address_that_is_gone_ends_it(running, mailbox, operator, change):
    firm, address = api.add_firm(operator, 4), "gone@example.com"
    made = subscribe(mailbox, firm, address)
    mailbox.gone.add(address)
    change(SLUGS[2])
    mailbox.wait_for(lambda: firm.person.get(PATH).json()["items"][0]["status"] == "disabled")
    entries = list(operator.items("/api/v1/ledger/entries", limit=1000))
    assert "mail.disabled" in [entry["kind"] for entry in entries if entry["subject"] == f"mail:{made['id']}"]
    # The mailbox is there again, and so is everything that it missed.
    mailbox.gone.clear()
    since = firm.person.get(PATH).json()["items"][0]["sent_to"]
    firm.person.post(f"{PATH}/{made['id']}/replay", {"since": since}, 200)
    mailbox.wait_for(lambda: len(told(mailbox.to(address)[1:])) >= 2)
    assert told(mailbox.to(address)[1:])[:2] == [(SLUGS[2], "暂停开放"), (SLUGS[2], "恢复开放")]


def test_a_letter_whose_answer_was_lost_keeps_its_message_id(running, mailbox, operator, change):
    firm, address = api.add_firm(operator, 5), "twice@example.com"
    subscribe(mailbox, firm, address)
    taken = Mailbox.handle_DATA

    async def taken_and_lost(self, server, session, envelope):
        await taken(self, server, session, envelope)
        if envelope.rcpt_tos == [address]:
            mailbox.handle_DATA = taken.__get__(mailbox)
            server.transport.abort()
        return "250 taken"

    mailbox.handle_DATA = taken_and_lost.__get__(mailbox)
    change(SLUGS[0])
    mailbox.wait_for(lambda: len(mailbox.to(address)) >= 3)
    first, second = mailbox.to(address)[1:3]
    assert first["message-id"] == second["message-id"] and text_of(first) == text_of(second)


def test_a_letter_that_a_crash_kept_back_comes_after_the_start(running, mailbox, operator, change):
    firm, address = api.add_firm(operator, 6), "crash@example.com"
    made = subscribe(mailbox, firm, address)
    mailbox.stop()
    change(SLUGS[1])
    mailbox.wait_for(lambda: firm.person.get(PATH).json()["items"][0]["attempts"] > 0)
    running.process.kill()
    running.process.wait()
    with sqlite3.connect(running.folder / "data" / "qingdan.sqlite") as database:
        (letter,) = database.execute("SELECT letter_id FROM mail_subscriptions WHERE id = ?", [made["id"]]).fetchone()
    mailbox.start()
    running.start()
    mailbox.wait_for(lambda: len(told(mailbox.to(address)[1:])) >= 2)
    assert told(mailbox.to(address)[1:]) == [(SLUGS[1], "暂停开放"), (SLUGS[1], "恢复开放")]
    assert mailbox.to(address)[1]["message-id"] == f"<{letter}@example.org>"


@pytest.mark.parametrize("scheme, query, believed", [("smtps", "", True), ("smtps", "", False), ("smtp", "?tls=required", False), ("smtp", "?tls=opportunistic", False)])
def test_nothing_is_said_to_a_server_that_nobody_vouches_for(tmp_path, mailbox, scheme, query, believed):
    """TLS from the first byte works too; without the authority neither way does, and what was to be secret does not go in the clear."""
    took = []

    class Taking:
        async def handle_DATA(self, server, session, envelope):  # noqa: N802
            took.append((session.ssl is not None or scheme == "smtps", envelope.content))
            return "250 taken"

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(mailbox.folder / "server.pem", mailbox.folder / "server.key")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if scheme == "smtps":
        server = Controller(Taking(), hostname="127.0.0.1", port=port, ssl_context=context)
    else:
        server = Controller(Taking(), hostname="127.0.0.1", port=port, tls_context=context)
    server.start()
    settings = {"QINGDAN_SMTP_URL": f"{scheme}://localhost:{port}{query}", "QINGDAN_SMTP_FROM": "list@example.org"}
    if believed:
        settings["QINGDAN_OUTBOUND_CA_FILE"] = str(mailbox.folder / "ca.pem")
    service = Service(binary(), tmp_path, settings)
    service.start()
    try:
        firm = api.add_firm(api.log_in_operator(service.url), 1)
        firm.person.post(PATH, {"address": "reader@example.com"})
        mailbox.wait_for(lambda: took or firm.person.get(PATH).json()["items"][0]["attempts"] > 1)
        assert [secure for secure, _ in took] == ([True] if believed else [])
    finally:
        service.stop()
        server.stop()
