import Models
import Storage

/// A file of a request, complete, waiting for its place.
struct ReceivedFile: Sendable {
    let kind: Asset.Kind
    let filename: String
    let contentType: String
    let spooled: FinishedFile
}

/// A file of a request that was not taken, and why.
struct RejectedFile: Encodable, Sendable {
    let filename: String
    let code: String
    let detail: String
}

/// What one request brought.
struct ReceivedUpload: Sendable {
    var files: [ReceivedFile] = []
    var rejected: [RejectedFile] = []
}
