import Foundation
import HTTPTypes
import Hummingbird
import Storage

extension HTTPField.Name {
    static let accelRedirect = known("X-Accel-Redirect")
    static let accelFailed = known("X-Accel-Failed")
}

/// Hands files over to the nginx in front, which sends them out of the kernel: their bytes do not pass through here.
///
/// nginx keeps the header to itself, and lets nobody else ask for what it names. Whatever it would answer otherwise
/// than this process is not handed over, so that a client cannot tell who has sent the file.
struct AccelRedirect: Sendable {
    /// Where nginx has the volumes, each below its name; see `deploy/nginx/nginx.conf`.
    static let place = "/volumes"

    private static let pathCharacters = CharacterSet.unreserved.union(["/"])

    private let roots: [(name: String, path: String)]

    init(to volumes: [Volume]) {
        self.init(roots: volumes.map { ($0.name, $0.root) })
    }

    /// Takes the volumes' directories as they are here; nginx may have them elsewhere.
    init(roots: [(name: String, path: String)]) {
        // One may lie in another: the longest that fits is the file's.
        self.roots = roots.sorted { $0.path.count > $1.path.count }
    }

    /// Where nginx finds a file.
    ///
    /// - Parameters:
    ///   - path: Absolute, on a volume.
    ///   - request: What is to be answered, with the file or a part of it.
    ///   - range: Its `Range`, if that applies.
    /// - Returns: The header's value; nil if the file is to be sent from here.
    func address(of path: String, for request: Request, range: String?) -> String? {
        let headers = request.headers
        guard request.method == .get, headers[.accelFailed] == nil, Self.isReadAlike(range),
            // nginx does not know the tag when it looks at these.
            headers[.ifMatch] == nil, headers[.ifUnmodifiedSince] == nil,
            let root = roots.first(where: { path.hasPrefix("\($0.path)/") })
        else { return nil }
        let below = path.dropFirst(root.path.count)
        return "\(Self.place)/\(root.name)\(below)".addingPercentEncoding(withAllowedCharacters: Self.pathCharacters)
    }

    /// nginx refuses what is no range, where it is to be ignored, and numbers that are larger than any file.
    private static func isReadAlike(_ range: String?) -> Bool {
        range?.wholeMatch(of: /(?i:bytes)=([0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})/) != nil || range == nil
    }
}
