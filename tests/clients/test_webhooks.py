"""Webhooks as a receiver sees them who verifies by the reference library of Standard Webhooks."""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

import api
from service import Service, binary
from tables import DATASETS

# How long the receiver is down while changes go on; the minute by OUTAGE_SECONDS=60.
OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "6"))
SLUGS = ["ai-policy-measures", "working-calendar", "shanghai-districts"]
GROUND = {"ground": "other", "reason": "to test the webhooks"}


class Receiver:
    """A server of a firm's own. It is really ended and started again, at the same port."""

    def __init__(self):
        self.secret = None
        self.got = []
        self.wrong = []
        self.port = 0
        self.server = None
        self.start()

    def start(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers["content-length"]))
                try:
                    event = Webhook(receiver.secret).verify(body, dict(self.headers.items()))
                    receiver.got.append((self.headers["webhook-id"], event))
                except WebhookVerificationError as fault:
                    receiver.wrong.append(str(fault))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def wait_for(self, condition, seconds=120):
        """Waits until what came meets a condition."""
        until = time.monotonic() + seconds
        while not condition(self.got):
            assert time.monotonic() < until, f"{len(self.got)} events came within {seconds} s"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A service of its own that may reach this machine."""
    service = Service(binary(), tmp_path_factory.mktemp("webhooks"), {"QINGDAN_OUTBOUND_ALLOW_PRIVATE": "true", "QINGDAN_LIMITS_STAFF_BURST": "100000"})
    service.run("import", DATASETS)
    service.start()
    yield service
    service.stop()


def test_every_event_comes_in_order_when_the_receiver_is_back(running):
    operator = api.log_in_operator(running.url)
    reviewer = api.add_reviewer(operator, "reviewer-of-webhooks")
    firm = api.add_firm(operator, 1)
    receiver = Receiver()
    hook = firm.person.post("/api/v1/firms/me/webhooks", {"url": f"http://127.0.0.1:{receiver.port}/qingdan"})
    receiver.secret = hook["secret"]

    def change(slug):
        """Two changes of a dataset."""
        operator.post(f"/api/v1/admin/datasets/{slug}/suspension", GROUND, 200)
        reviewer.post(f"/api/v1/admin/datasets/{slug}/restoration", {"reason": "all is well"}, 200)

    change(SLUGS[0])
    receiver.wait_for(lambda got: len(got) >= 2)
    receiver.stop()
    began, count = time.monotonic(), 2
    while time.monotonic() - began < OUTAGE_SECONDS:
        for slug in SLUGS:
            change(slug)
            count += 2
        # Reads go on meanwhile: the ledger holds more than what is sent.
        requests.get(f"{running.url}/api/v1/datasets/{SLUGS[0]}", timeout=10).raise_for_status()
    receiver.start()
    back = time.monotonic()
    change(SLUGS[1])
    count += 2
    receiver.wait_for(lambda got: len({name for name, _ in got}) >= count)
    print(f"{count} events, {OUTAGE_SECONDS} s down, all there {time.monotonic() - back:.1f} s after the receiver was back")
    receiver.stop()
    assert receiver.wrong == []
    # As the change feed has them: each once under its id, in order, and so in order for each dataset.
    feed = requests.get(f"{running.url}/api/v1/changes", params={"since": hook["sent_to"], "limit": 1000}, timeout=30).json()["items"]
    told, since = list(feed), feed[-1]["seq"] if feed else 0
    while len(feed) == 1000:
        feed = requests.get(f"{running.url}/api/v1/changes", params={"since": since, "limit": 1000}, timeout=30).json()["items"]
        told, since = told + feed, feed[-1]["seq"] if feed else since
    once = list(dict.fromkeys(name for name, _ in receiver.got))
    assert once == [f"qingdan_{one['seq']}" for one in told] and len(once) == count
    events = {name: event for name, event in receiver.got}
    assert [events[name]["data"] for name in once] == told
    for slug in SLUGS:
        kinds = [event["type"] for name, event in events.items() if event["data"]["slug"] == slug]
        assert kinds == ["dataset.suspended", "dataset.restored"] * (len(kinds) // 2), slug
    left = firm.person.get("/api/v1/firms/me/webhooks").json()["items"][0]
    assert (left["status"], left["attempts"], left["last_error"]) == ("active", 0, None)
    firm.person.call("DELETE", f"/api/v1/firms/me/webhooks/{hook['id']}", 204)


def test_what_was_changed_on_the_way_is_not_verified(running):
    operator = api.log_in_operator(running.url)
    firm = api.add_firm(operator, 2)
    receiver = Receiver()
    hook = firm.person.post("/api/v1/firms/me/webhooks", {"url": f"http://127.0.0.1:{receiver.port}/"})
    # Another webhook's secret: each has its own.
    receiver.secret = firm.person.post("/api/v1/firms/me/webhooks", {"url": f"http://127.0.0.1:{receiver.port}/other"})["secret"]
    assert receiver.secret != hook["secret"]
    operator.post(f"/api/v1/admin/datasets/{SLUGS[2]}/suspension", GROUND, 200)
    until = time.monotonic() + 60
    while not (receiver.wrong and receiver.got):
        assert time.monotonic() < until, (receiver.wrong, receiver.got)
        time.sleep(0.05)
    assert json.dumps(receiver.got[0][1]["data"]).count(SLUGS[2]) == 1
    receiver.stop()
