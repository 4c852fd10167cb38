"""What schemathesis takes for a failure and is none, each with its reason."""

# A request that meets the schema may still be refused, with one of these codes: by the call's `operationId`.
REFUSALS = {
    # A cursor is opaque; which texts are one, only the API knows.
    "listItems": {"bad_cursor"},
    "listAssets": {"bad_cursor"},
    "listExports": {"bad_cursor"},
    # Conditions and ranges hold or not as the file is, and an archive is there for a time.
    "getContent": {"precondition_failed", "range_not_satisfiable"},
    "getRendition": {"precondition_failed", "range_not_satisfiable"},
    "getExportPart": {"precondition_failed", "range_not_satisfiable", "export_expired"},
    "createExportTicket": {"export_expired"},
    "getOpenAPI": {"precondition_failed"},
    # Files are judged by their bytes and names; a digest is that of the bytes or not. A field without a name, or
    # without a file in it, is no file. How many files there may be is the operator's to say.
    "uploadAssets": {"bad_digest", "digest_mismatch", "no_files", "no_file_accepted", "too_many_files"},
    "uploadDocuments": {"bad_digest", "digest_mismatch", "no_files", "no_file_accepted", "too_many_files"},
    "putAsset": {"bad_digest", "digest_mismatch", "empty_file", "content_mismatch", "unsupported_type"},
    "putDocument": {
        "bad_digest", "digest_mismatch", "empty_file", "content_mismatch", "unsupported_type", "item_required",
    },
    # What the selection finds, the company's items decide.
    "createExport": {"no_items", "unknown_items"},
    # Two protocols share each call: headers of both are in its schema, and only those of one go together. The values of
    # the longer ones have grammars of their own.
    "beginUpload": {
        "bad_concat", "bad_checksum", "checksum_mismatch", "bad_digest", "digest_mismatch", "bad_length",
        "bad_metadata", "bad_filename", "content_mismatch", "empty_file", "file_too_large", "inconsistent_length",
        "item_required", "tus_version", "upload_complete_missing", "upload_too_long",
    },
    "appendToUpload": {
        "bad_checksum", "checksum_mismatch", "bad_digest", "digest_mismatch", "inconsistent_length", "tus_version",
        "upload_complete", "upload_complete_missing", "upload_too_long", "unsupported_media_type", "content_mismatch",
        "empty_file", "file_too_large",
    },
    "findUpload": {"tus_version"},
    "cancelUpload": {"tus_version"},
    "overrideUploadMethod": {
        "bad_checksum", "checksum_mismatch", "bad_digest", "digest_mismatch", "bad_offset", "inconsistent_length",
        "tus_version", "upload_complete", "upload_complete_missing", "upload_too_long", "unsupported_media_type",
        "file_too_large",
    },
}

# What is wrong with a request and passed over, as HTTP asks: headers that nobody knows.
IGNORED = "in header - object with unexpected properties"

# Of a form the files count. What else it holds is passed over, wherever the schema has files.
FORMS = {"uploadAssets", "uploadDocuments"}

# Answers whose body is there in one protocol and not in the other. OpenAPI knows no alternative to a body.
WITHOUT_BODY = {
    ("beginUpload", 201), ("appendToUpload", 201), ("overrideUploadMethod", 200), ("overrideUploadMethod", 201),
}

# Of HTTP and not of a call; and what the document's introduction says of every answer.
GENERAL_HEADERS = {
    "connection", "content-length", "content-type", "date", "server", "transfer-encoding", "x-content-type-options",
}

# What `beginUpload` says of all answers of the addresses of uploads.
PROTOCOL_HEADERS = {"tus-resumable", "upload-draft-interop-version"}
