"""The API, as a program calls it."""

import http.client
import json
import uuid

TIMEOUT_SECONDS = 120


class Refused(Exception):
    """An answer with another status than 2xx."""


class Client:
    """One connection to a service on this machine."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self.headers = {}

    def is_ready(self):
        try:
            return self.get("/health/ready")["status"] == "ready"
        except (OSError, http.client.HTTPException, Refused):
            return False
        finally:
            self.connection.close()

    def sign_in(self, email, password):
        token = self.post("/v1/sessions", {"email": email, "password": password})["token"]
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, value):
        return self.call("POST", path, json.dumps(value).encode(), "application/json")

    def delete(self, path):
        self.call("DELETE", path)

    def upload(self, path, files):
        """Sends files, (name, content type, bytes) each, with one request; all must be taken. Gives their assets."""
        boundary = uuid.uuid4().hex
        pieces = []
        for name, content_type, content in files:
            pieces.append(f"--{boundary}\r\nContent-Disposition: form-data; name=file; filename=\"{name}\"\r\n"
                          f"Content-Type: {content_type}\r\n\r\n".encode())
            pieces += [content, b"\r\n"]
        pieces.append(f"--{boundary}--\r\n".encode())
        answer = self.call("POST", path, b"".join(pieces), f"multipart/form-data; boundary={boundary}")
        if answer["rejected"] or len(answer["assets"]) != len(files):
            raise Refused(f"POST {path} did not take every file: {answer}")
        return answer["assets"]

    def call(self, method, path, body=None, content_type=None, headers=None):
        headers = self.headers | ({"Content-Type": content_type} if content_type else {}) | (headers or {})
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status // 100 != 2:
            raise Refused(f"{method} {path} answered {answer.status}: {text.decode(errors='replace')}")
        return json.loads(text) if text else None
