"""A user's connection to nginx, kept alive from request to request."""

import contextlib
import http.client
import json
import socket
import time
import uuid

TIMEOUT_SECONDS = 330
PIECES = 40


class Broken(Exception):
    """The connection ended before the answer did."""


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def problem(self):
        """The status, and the code of an answer that has one."""
        try:
            return f"{self.status} {self.json['code']}"
        except (ValueError, KeyError, TypeError):
            return str(self.status)


class Line:
    """Used by one thread; `hang_up` by any."""

    def __init__(self, port, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self.headers = {"Authorization": f"Bearer {token}"}

    def call(self, method, path, body=b"", headers=None, seconds=0):
        """One request, its body sent over so many seconds."""
        with self.closing_if_broken():
            self.begin(method, path, len(body), headers)
            try:
                self.send(body, seconds)
            except (BrokenPipeError, ConnectionResetError):
                # Whoever refuses a body early may have said why.
                pass
            reply = self.connection.getresponse()
            answer = Answer(reply.status, reply.headers, reply.read())
            if body and answer.status >= 400:
                # nginx ends a connection on which a body was refused, also when the answer does not say so.
                self.connection.close()
            return answer

    def hang_up_after(self, count, method, path, body, headers):
        """Begins a request, of whose body only so many bytes are sent."""
        with self.closing_if_broken():
            self.begin(method, path, len(body), headers)
            self.send(body[:count], seconds=0)
            self.connection.close()

    def begin(self, method, path, length, headers):
        self.connection.putrequest(method, path)
        for name, value in (self.headers | (headers or {})).items():
            self.connection.putheader(name, value)
        self.connection.putheader("Content-Length", str(length))
        self.connection.endheaders()

    @contextlib.contextmanager
    def closing_if_broken(self):
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise Broken(f"{type(error).__name__}: {error}") from error

    def send(self, body, seconds):
        if not body:
            return
        count = PIECES if seconds else 1
        view = memoryview(body)
        for number in range(count):
            self.connection.send(view[len(body) * number // count:len(body) * (number + 1) // count])
            time.sleep(seconds / count)

    def hang_up(self):
        """Whatever is under way."""
        if (own := self.connection.sock) is not None:
            try:
                own.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def form(files):
    """A multipart body, and the header that says so."""
    boundary = uuid.uuid4().hex
    pieces = []
    for file in files:
        pieces += [f"--{boundary}\r\nContent-Disposition: form-data; name=file; filename=\"{file.name}\"\r\n"
                   f"Content-Type: {file.content_type}\r\n\r\n".encode(), file.content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces), {"Content-Type": f"multipart/form-data; boundary={boundary}"}
