import Crypto
import Foundation
import HTTPTypes
import Hummingbird

/// What lets whoever holds it fetch one path, for a while.
///
/// A browser writes to the disk only what it fetches by itself, and an address is all it can be given for that. So the
/// ticket stands in the address, and is worth little: it opens one path, for reading, as the user it was made for.
///
/// It is kept like a session, and as a hash that is of the path too.
struct DownloadTicket {
    /// Long enough to resume a download that a phone's link has broken; whoever resumes brings the same address.
    static let life = Duration.seconds(3600)

    let path: String
    let text: String

    static func new(for path: String) -> DownloadTicket {
        DownloadTicket(path: path, text: SessionToken.new().text)
    }

    /// The ticket in a request's address; nil if it has none, and if it does more than look.
    init?(_ request: Request) {
        guard [.get, .head].contains(request.method),
            let text = (try? QueryParameters(request))?["ticket"], (1...256).contains(text.utf8.count)
        else { return nil }
        self.init(path: request.uri.path, text: text)
    }

    private init(path: String, text: String) {
        self.path = path
        self.text = text
    }

    var url: String { "\(path)?ticket=\(text)" }

    /// What the database knows. No token's hash begins like this, or a ticket could be made into a token.
    var hash: String { "ticket " + Data(SHA256.hash(data: Data("\(path) \(text)".utf8))).base64URL }
}
