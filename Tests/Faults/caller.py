"""A user's requests: sent, counted, and sent again for as long as is asked for."""

import time

from line import Broken, Line

AGAIN_SECONDS = 1
# Said of a state that passes: sent again, it may be taken.
PASSING = (408, 409, 423, 429)


class GivenUp(Exception):
    """Nobody took the request."""


class Caller:
    def __init__(self, port, token, tally, retry_seconds):
        self.line = Line(port, token)
        self.tally = tally
        self.retry_seconds = retry_seconds

    def ask(self, kind, method, path, body=b"", headers=None, seconds=0, good=(200, 201, 204)):
        """Gives a good answer. What is not the server's momentary trouble is a mistake, too."""
        deadline = time.monotonic() + self.retry_seconds
        while True:
            try:
                answer = self.call(kind, method, path, body, headers, seconds)
                if answer.status in good:
                    return answer
                self.tally.problem(kind, answer.problem, f"request {answer.headers['X-Request-Id']}")
                if answer.status == 500 or (answer.status < 500 and answer.status not in PASSING):
                    self.tally.mistake(f"{kind}: {method} {path} was answered {answer.problem}.")
            except Broken as error:
                self.tally.problem(kind, "broken", error)
            if time.monotonic() > deadline:
                raise GivenUp
            time.sleep(AGAIN_SECONDS)

    def call(self, kind, method, path, body=b"", headers=None, seconds=0):
        """Gives whatever answer comes. Throws `Broken`."""
        began = time.monotonic()
        answer = self.line.call(method, path, body, headers, seconds)
        if answer.status < 400:
            self.tally.took(kind, time.monotonic() - began)
        return answer
