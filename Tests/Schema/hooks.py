"""What schemathesis cannot know: who calls, what exists, and which headers belong together. It loads this by name."""

import base64
import functools
import hashlib

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

from rules import WORLD
from world import digest

TUS_TYPE = "application/offset+octet-stream"
DRAFT_TYPE = "application/partial-upload"
OVERRIDE = "X-HTTP-Method-Override"
DIGESTS = ("Content-Digest", "Repr-Digest")
CONDITIONS = ("If-Match", "If-None-Match", "If-Range")


@schemathesis.serializer(TUS_TYPE, DRAFT_TYPE)
def serialize_bytes(context, value):
    return value if isinstance(value, bytes) else repr(value).encode()


if WORLD.token():

    @schemathesis.auth(refresh_interval=None)
    class SignedIn:
        """The caller. What ends a session has one of its own."""

        def get(self, case, context):
            return WORLD.token(for_last_time=context.operation.definition.raw.get("operationId") == "closeSession")

        def set(self, case, token, context):
            case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.hook
def before_call(context, case, kwargs):
    """Lets most requests reach what they are about: with ids that exist, and with headers that belong together.

    What was made wrong stays so. Sequences of calls have the ids that earlier answers gave.
    """
    if case.meta is None or case.method != case.operation.method.upper():
        return
    name = case.operation.definition.raw["operationId"]
    negated = {location for location in ParameterLocation if case.meta.is_negative_at(location)}
    is_sequence = case.meta.phase.name is TestPhase.STATEFUL
    # The same request is changed in the same way when it is sent again.
    WORLD.source.seed(repr((name, case.path_parameters, case.query, case.body, sorted(case.headers))))
    if not is_sequence and ParameterLocation.PATH not in negated and WORLD.chance(0.85) and name in IDS:
        case.path_parameters.update(IDS[name](case))
    if not negated and name in COHERENT and WORLD.chance(0.85):
        COHERENT[name](case)
    if name == "overrideUploadMethod" and ParameterLocation.HEADER in negated and OVERRIDE in case.headers:
        # The others pass over the headers of PATCH, and so what is wrong with them.
        case.headers[OVERRIDE] = "PATCH" if case.headers[OVERRIDE] in ("HEAD", "DELETE") else case.headers[OVERRIDE]
    # It would judge the request again, and take bytes, of which no schema speaks, for a body that is wrong.
    case._record_starting_state()


# Ids

def item(_):
    return {"id": WORLD.item()}


def content(_):
    return {"id": WORLD.document()}


def rendition(_):
    picture = WORLD.picture()
    return {"id": picture, "name": WORLD.rendition(picture)}


def part(_):
    return {"id": WORLD.export() if WORLD.chance(0.9) else WORLD.expired_export(), "number": 1}


def upload(case):
    return {"id": WORLD.new_upload(1000, "tus" if "Tus-Resumable" in case.headers else "draft")}


IDS = {
    "getItem": item, "updateItem": item, "uploadAssets": item, "putAsset": item,
    "deleteItem": lambda _: {"id": WORLD.new_item()},
    "getAsset": content, "getContent": content, "getRendition": rendition,
    "deleteAsset": lambda _: {"id": WORLD.new_document()},
    "retryAsset": lambda _: {"id": WORLD.failed_asset()},
    "getExport": lambda _: {"id": WORLD.export()},
    "deleteExport": lambda _: {"id": WORLD.export()},
    "retryExport": lambda _: {"id": WORLD.expired_export()},
    "getExportPart": part, "createExportTicket": part,
    "findUpload": upload, "getUpload": upload, "appendToUpload": upload, "cancelUpload": upload,
    "overrideUploadMethod": upload,
}


# Headers, queries and bodies that are right only together

def sign_in(case):
    case.headers["X-Forwarded-For"] = ".".join(str(part) for part in WORLD.bytes(4))
    if WORLD.chance(0.5):
        case.body = dict(WORLD.credentials)


def page(collection, case):
    case.query = case.query or {}
    if "cursor" in case.query:
        case.query["cursor"] = WORLD.cursor(collection)
        if case.query["cursor"] is None:
            del case.query["cursor"]


def new_item(case):
    if WORLD.chance(0.5):
        case.body["code"] = f"drawn-{WORLD.bytes(8).hex()}"


def conditions(path, case):
    """Names the tag that the file has."""
    wanted = [name for name in CONDITIONS if name in case.headers]
    if wanted:
        tag = WORLD.entity_tag(path.format(**case.path_parameters))
        for name in wanted:
            if tag and WORLD.chance(0.7):
                case.headers[name] = tag


def form(case):
    """Has a file. The digest of a form is not known before it is written."""
    case.body["file"] = [b"%PDF-1.4\n" + WORLD.bytes(20)]
    for name in DIGESTS:
        case.headers.pop(name, None)


def file(case):
    case.body = b"%PDF-1.4\n" + WORLD.bytes(20)
    case.path_parameters["filename"] = f"drawn {WORLD.bytes(4).hex()}.pdf"
    sign(case)


def sign(case):
    """Lets the digests be those of the body."""
    for name in DIGESTS:
        if name in case.headers:
            case.headers[name] = digest(case.body)
    if "Upload-Checksum" in case.headers:
        name = WORLD.source.choice(("sha1", "sha256", "md5"))
        value = base64.b64encode(hashlib.new(name, case.body).digest()).decode()
        case.headers["Upload-Checksum"] = f"{name} {value}"


def check(case):
    if case.body.get("item_id"):
        case.body["item_id"] = WORLD.item()


def export(case):
    if isinstance(case.body, dict) and case.body.get("item_ids"):
        case.body["item_ids"] = [WORLD.item()]


def begin(case):
    """Speaks one of the two protocols."""
    case.query = {}
    kept = {"X-Request-Id", "Authorization", *DIGESTS}
    has_checksum = "Upload-Checksum" in case.headers
    for name in set(case.headers) - kept:
        del case.headers[name]
    case.body = b"%PDF-1.4\n" + WORLD.bytes(20)
    if WORLD.chance(0.5):
        case.media_type = TUS_TYPE
        case.headers["Tus-Resumable"] = "1.0.0"
        case.headers["Upload-Metadata"] = "filename " + base64.b64encode(b"drawn.pdf").decode()
        length = len(case.body)
        if WORLD.chance(0.3):
            length += 10
            case.headers.pop("Repr-Digest", None)
        if WORLD.chance(0.2):
            case.headers["Upload-Defer-Length"] = "1"
        else:
            case.headers["Upload-Length"] = str(length)
        if WORLD.chance(0.2):
            case.headers["Upload-Concat"] = "partial"
        if has_checksum:
            case.headers["Upload-Checksum"] = ""
    else:
        case.media_type = "application/octet-stream"
        version = WORLD.source.choice((None, 3, 5, 6, 8))
        if version:
            case.headers["Upload-Draft-Interop-Version"] = str(version)
        case.headers["Upload-Incomplete" if version == 3 else "Upload-Complete"] = WORLD.source.choice(("?0", "?1"))
        case.headers["Content-Disposition"] = 'attachment; filename="drawn.pdf"'
        if WORLD.chance(0.5):
            case.query["item_id"] = WORLD.item()
    sign(case)


def append(case):
    """All of the upload that `upload` has begun, in the protocol it was begun in."""
    is_tus = "Tus-Resumable" in case.headers
    for name in ("Upload-Draft-Interop-Version", "Upload-Incomplete", "Upload-Complete", "Upload-Length"):
        case.headers.pop(name, None)
    case.headers["Upload-Offset"] = "0"
    case.body = b"%PDF-1.4\n" + WORLD.bytes(991)
    case.media_type = TUS_TYPE if is_tus else DRAFT_TYPE
    if not is_tus:
        case.headers["Upload-Complete"] = "?1"
        version = WORLD.source.choice((None, 6, 8))
        if version:
            case.headers["Upload-Draft-Interop-Version"] = str(version)
    sign(case)


def override(case):
    if case.headers[OVERRIDE] == "PATCH":
        append(case)
    else:
        case.headers.pop("Upload-Draft-Interop-Version", None)
        case.headers["Tus-Resumable"] = "1.0.0"


COHERENT = {
    "openSession": sign_in, "createItem": new_item,
    "listItems": functools.partial(page, "items"), "listAssets": functools.partial(page, "assets"),
    "listExports": functools.partial(page, "exports"),
    "uploadAssets": form, "uploadDocuments": form, "putAsset": file, "putDocument": file,
    "checkUploads": check, "createExport": export,
    "getContent": functools.partial(conditions, "/v1/assets/{id}/content"),
    "getRendition": functools.partial(conditions, "/v1/assets/{id}/renditions/{name}"),
    "getExportPart": functools.partial(conditions, "/v1/exports/{id}/parts/{number}/content"),
    "getOpenAPI": functools.partial(conditions, "/openapi.json"),
    "beginUpload": begin, "appendToUpload": append, "overrideUploadMethod": override,
}
