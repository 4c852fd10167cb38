import Hummingbird
import Logging
import Models
import NIOCore

/// What every request carries.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel
    /// In the log, in every problem and in the answer's headers.
    var requestID = ""
    /// Where the client is, as far as the proxy is believed.
    var clientAddress = ""
    var user: User?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}

/// What a request carries once it is known who sent it.
struct UserContext: ChildRequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel
    let user: User

    var company: CompanyID { user.company }

    init(context: APIContext) throws {
        guard let user = context.user else { throw APIError.unauthenticated }
        coreContext = context.coreContext
        channel = context.channel
        self.user = user
    }

    /// Ends the request unless the user may change things.
    func requireWrite() throws(APIError) {
        guard user.role.mayWrite else { throw .forbidden }
    }

    /// The id in the path; anything else is an id nobody has.
    func id<Subject>(_ what: String, of _: Subject.Type) throws(APIError) -> Identifier<Subject> {
        guard let text = parameters.get("id"), let id = Identifier<Subject>(text) else { throw .notFound(what) }
        return id
    }
}

/// A context that knows its connection, so that a handler decides when the client may send the body.
protocol ConnectedContext: RequestContext {
    var channel: any Channel { get }
}

extension APIContext: ConnectedContext {}
extension UserContext: ConnectedContext {}

extension ConnectedContext {
    /// Answers `Expect: 100-continue`: everything that could refuse the request without its body has been checked.
    func acceptBody() {
        channel.triggerUserOutboundEvent(BodyWanted(), promise: nil)
    }

    /// The same for an upload, which may come in large pieces as long as its reader says what it has taken.
    func acceptUpload() {
        channel.triggerUserOutboundEvent(UploadWanted(), promise: nil)
        acceptBody()
    }

    /// Lets that many more bytes of an upload come.
    func takeUpload(_ bytes: Int) {
        channel.triggerUserOutboundEvent(UploadTaken(bytes: bytes), promise: nil)
    }
}
