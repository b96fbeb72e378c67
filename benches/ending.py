"""Readers that go on until they are refused, and how long that takes after a grant is suspended."""

import threading
import time

import requests

from common import Failure


class Switch:
    """Suspends a grant under a reader, and resumes it."""

    def __init__(self, url, grant, staff):
        self.address = f"{url}/api/v1/grants/{grant}"
        self.session = requests.Session()
        self.session.headers.update(staff)

    def _turn(self, step):
        self.session.post(f"{self.address}/{step}", json={"reason": "For benches."}, timeout=60).raise_for_status()

    def measure(self, reading):
        """Milliseconds from the order until the reader got its last good byte or answer."""
        reader = Reader(reading)
        reader.wait_until_it_reads()
        ordered = time.perf_counter()
        self._turn("suspension")
        last = reader.end()
        self._turn("resumption")
        return max(0.0, last - ordered) * 1000


class Reader:
    """A thread that reads until it is refused."""

    def __init__(self, reading):
        self.last_good = None
        self.failure = None
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(reading,), daemon=True)
        self._thread.start()

    def _run(self, reading):
        try:
            reading(self._good)
        except Exception as failure:  # noqa: BLE001 - told in the thread that waits
            self.failure = failure
        finally:
            self._began.set()

    def _good(self):
        self.last_good = time.perf_counter()
        self._began.set()

    def wait_until_it_reads(self):
        """Waits for its first good answer."""
        self._began.wait(60)

    def end(self):
        """Waits until it is refused; answers when it got something for the last time."""
        self._thread.join(60)
        if self._thread.is_alive() or self.failure or self.last_good is None:
            raise Failure(f"the reader did not end as it should: {self.failure}")
        return self.last_good


def asking(url, headers, good):
    """Asks again and again, until the answer is a refusal."""
    with requests.Session() as session:
        try:
            while (answer := session.get(url, headers=headers, timeout=60)).ok:
                good()
        except requests.exceptions.ChunkedEncodingError:
            # Allowed when it was asked, and suspended before its bytes left.
            return
        if answer.status_code not in (401, 403):
            raise Failure(f"{answer.status_code} {answer.text[:200]}")


def paging(url, headers, good):
    """Follows a cursor, and begins again at the end, until the answer is a refusal."""
    cursor = None
    with requests.Session() as session:
        while (answer := session.get(url, headers=headers, params={"cursor": cursor} if cursor else None, timeout=60)).ok:
            good()
            cursor = answer.json()["next_cursor"]
        if answer.status_code not in (401, 403):
            raise Failure(f"{answer.status_code} {answer.text[:200]}")


def downloading(url, headers, good):
    """Reads a file as fast as it comes, and again, until it breaks off."""
    with requests.Session() as session:
        while True:
            with session.get(url, headers=headers, stream=True, timeout=60) as answer:
                if not answer.ok:
                    return
                try:
                    for _ in answer.iter_content(1 << 20):
                        good()
                except requests.RequestException:
                    return
