"""What must be true of every answer beside what schemathesis checks by itself, and which of its failures are none."""

import atexit
import collections
import json
import os
import urllib.parse

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, Failure, MalformedJson
from schemathesis.openapi.checks import MissingContentType, RejectedPositiveData

from expected import FORMS, GENERAL_HEADERS, IGNORED, PROTOCOL_HEADERS, REFUSALS, WITHOUT_BODY
from world import World

WORLD = World(os.environ["SCHEMA_WORLD"])
PASSED_OVER = collections.Counter()


@schemathesis.check
def headers_are_described(context, response, case):
    """An answer has no header that the document does not know."""
    described = described_headers(case, response.status_code)
    if described is None:
        return
    unknown = {name.lower() for name in response.headers} - described - GENERAL_HEADERS
    if case.path.startswith("/v1/uploads"):
        unknown -= PROTOCOL_HEADERS
    if unknown:
        raise Failure(operation=case.operation.label, title="Undescribed header",
                      message=f"{response.status_code} has {', '.join(sorted(unknown))}")


@schemathesis.check
def callers_are_told_apart(context, response, case):
    """Nobody does what needs a token, and a viewer nothing that is refused with 403."""
    operation = case.operation.definition.raw
    if WORLD.caller == "nobody" and operation.get("security") != []:
        allowed = {401, 405}
    elif WORLD.caller == "viewer" and "403" in operation["responses"]:
        allowed = {400, 401, 403, 404, 405, 412, 415}
    else:
        return
    if response.status_code not in allowed:
        raise Failure(operation=case.operation.label, title="A call is not refused",
                      message=f"To {WORLD.caller} it answers {response.status_code}")


@schemathesis.check
def strangers_see_nothing(context, response, case):
    """What has an id is not there for another company."""
    if case.method != "GET" or response.status_code != 200 or "{id}" not in case.path:
        return
    address = urllib.parse.urlsplit(response.request.url)
    status = WORLD.as_stranger(address.path).status
    if status != 404:
        raise Failure(operation=case.operation.label, title="Another company's is there",
                      message=f"A stranger is answered {status}")


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether a failure is one; what is passed over is counted."""
    reason = reason_to_pass_over(failure, case.operation.definition.raw["operationId"], response)
    if reason is not None:
        PASSED_OVER[reason] += 1
    return reason is None


def reason_to_pass_over(failure, name, response):
    if isinstance(failure, RejectedPositiveData) and code(response) in REFUSALS.get(name, ()):
        return f"{name}: {code(response)}"
    if isinstance(failure, AcceptedNegativeData):
        if IGNORED in failure.message:
            return f"{name}: an unknown header"
        if name in FORMS and "Invalid component: in body" in failure.message:
            return f"{name}: a field that is no file"
    is_empty = isinstance(failure, (MissingContentType, MalformedJson)) and not response.content
    if is_empty and (name, response.status_code) in WITHOUT_BODY:
        return f"{name}: {response.status_code} without a body"
    return None


@atexit.register
def write_passed_over():
    with open(WORLD.passed_over, "w") as file:
        json.dump(PASSED_OVER, file)


def code(response):
    try:
        return json.loads(response.content)["code"]
    except (ValueError, KeyError, TypeError):
        return None


def described_headers(case, status):
    """In lower case; None for an answer that is not described at all."""
    answer = case.operation.definition.raw["responses"].get(str(status))
    if answer is None:
        return None
    return {name.lower() for name in resolved(answer).get("headers", {})}


def resolved(value):
    if "$ref" not in value:
        return value
    target = WORLD.openapi
    for name in value["$ref"].split("/")[1:]:
        target = target[name]
    return target
