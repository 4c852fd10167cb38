import HTTPTypes

/// Errors of `/v1/uploads`, beside those of limits and contents that every upload has.
extension APIError {
    // MARK: What a request says

    /// 412 as tus requires it, with the supported versions.
    static let noTusVersion = APIError(
        status: .preconditionFailed,
        code: "tus_version",
        detail: "Say “Tus-Resumable: 1.0.0”, or speak the IETF's resumable uploads with “Upload-Complete”.",
        headers: [.tusVersion: "1.0.0", .tusResumable: "1.0.0"]
    )

    static let badInteropVersion = badRequest(
        "bad_interop_version",
        "Upload-Draft-Interop-Version is 3 or a later one."
    )

    static let noCompleteness = badRequest(
        "upload_complete_missing",
        "Say with “Upload-Complete: ?1” that this request ends the upload, or with “?0” that more follows."
    )

    static let noOffset = badRequest("bad_offset", "Say with Upload-Offset where the body begins.")

    static let badLengths = badRequest(
        "bad_length",
        "An upload says its Upload-Length, or “Upload-Defer-Length: 1”; one made of parts says neither."
    )

    static let inconsistentLength = badRequest(
        "inconsistent_length",
        "The request and those before it do not agree how long the upload is. Begin a new one."
    )

    static let badMetadata = badRequest(
        "bad_metadata",
        "Upload-Metadata is a list of keys, each once and with its value in base64: “filename YS5qcGc=”."
    )

    static func badMetadata(_ problem: String) -> APIError { badRequest("bad_metadata", problem) }

    static let badConcatenation = badRequest(
        "bad_concat",
        "Upload-Concat is “partial”, or “final;” and the addresses of at most 100 parts of your company."
    )

    static let partUnfinished = badRequest(
        "part_unfinished",
        "A part that was named is not complete yet. Finish it first."
    )

    static let badChecksum = badRequest(
        "bad_checksum",
        "Upload-Checksum is one of \(TusChecksum.algorithms), a space, and the sum of the body in base64."
    )

    // MARK: How the upload stands

    static func offsetMismatch(_ offset: Int64, _ headers: HTTPFields) -> APIError {
        APIError(
            status: .conflict,
            code: "offset_mismatch",
            detail: "The upload stands at \(offset): go on there.",
            headers: headers
        )
    }

    static let uploadComplete = badRequest(
        "upload_complete",
        "This upload is complete. Ask for it with HEAD or GET to learn what became of it."
    )

    static let finalUpload = APIError(
        status: .forbidden,
        code: "final_upload",
        detail: "An upload made of parts takes no bytes of its own."
    )

    static let uploadTaken = APIError(
        status: .conflict,
        code: "upload_taken",
        detail: "Another request goes on with this upload. Ask where it stands before you send more."
    )

    static let uploadBusy = APIError(
        status: .init(code: 423, reasonPhrase: "Locked"),
        code: "upload_busy",
        detail: "Another request is writing this upload and does not let go yet. Try again in a few seconds."
    ).retry(after: 5)

    static let uploadLost = APIError(
        status: .gone,
        code: "upload_lost",
        detail: "The bytes of this upload are not there any more. Begin a new one."
    )

    static func tooManyUploads(_ excess: UploadExcess, _ limits: UnfinishedLimits) -> APIError {
        let (code, problem) =
            switch excess {
            case .userUploads:
                ("too_many_uploads", "\(limits.uploadsOfUser) uploads of yours are not finished yet.")
            case .companyUploads:
                ("too_many_uploads", "\(limits.uploadsOfCompany) uploads of your company are not finished yet.")
            case .userBytes:
                ("too_many_upload_bytes", "Your unfinished uploads may have \(limits.bytesOfUser) bytes together.")
            case .companyBytes:
                (
                    "too_many_upload_bytes",
                    "The unfinished uploads of your company may have \(limits.bytesOfCompany) bytes together."
                )
            }
        return APIError(.tooManyRequests, code, "\(problem) Finish some, or delete them.").retry(after: 60)
    }

    // MARK: What has arrived

    static func uploadTooLong(_ length: Int64) -> APIError {
        tooLarge("upload_too_long", "This upload was said to have \(length) bytes; the body has more.")
    }

    /// tus has a status of its own for it.
    static let checksumMismatch = APIError(
        status: .init(code: 460, reasonPhrase: "Checksum Mismatch"),
        code: "checksum_mismatch",
        detail: "The bytes that arrived have another checksum. Nothing of them was kept: send them again."
    )

    static let itemGone = APIError(
        status: .unprocessableContent,
        code: "item_gone",
        detail: "The item this upload is about was deleted meanwhile. Send the file to another one."
    )
}
