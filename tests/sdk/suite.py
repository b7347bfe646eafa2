"""What the Python suites share: where Postern is, and what the sample provider says of itself."""

import json
import os
import random
import time
import urllib.request
import uuid

BASE_URL = os.environ["POSTERN_BASE_URL"]
PLACEHOLDER = os.environ["POSTERN_PLACEHOLDER"]
SAMPLE_URL = os.environ["SAMPLE_URL"]
UNKNOWN_PLACEHOLDER = f"postern_secret_{uuid.uuid4()}"


def address(slug):
    """The address that takes the place of the provider's own."""
    return f"{BASE_URL}/api/proxy/{slug}/a/agent-a"


BETWEEN_PIECES = 0.060
GREETING = "Hello from the sample provider."
LONG = " ".join([GREETING] * 4)
HELLO = [{"role": "user", "content": "hello"}]

# Every byte there is, then noise, then what would end a line or a part.
BINARY = bytes(range(256)) + random.Random(7).randbytes(300_000) + b"\r\n--\r\n\x00"


def base_of(slug):
    """Where the agent reaches this provider."""
    return f"{BASE_URL}/api/proxy/{slug}/a/agent-a"


def active_streams():
    """How many streams the sample provider is sending."""
    with urllib.request.urlopen(f"{SAMPLE_URL}/sample/state", timeout=60) as answer:
        return json.load(answer)["active"]


def becomes_idle(within=30.0):
    """Whether the sample provider is rid of its streams in time."""
    until = time.monotonic() + within
    while active_streams() > 0:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


class Arrivals:
    """The texts of a stream, and when each came."""

    def __init__(self):
        self.texts = []
        self.times = []

    def add(self, text):
        self.texts.append(text)
        self.times.append(time.monotonic())

    def text(self):
        return "".join(self.texts)

    def as_sent(self):
        """Whether they came over time: a buffer would have given them all at once."""
        paced = BETWEEN_PIECES * (len(self.times) - 1)
        return len(self.times) > 20 and self.times[-1] - self.times[0] > paced / 6
