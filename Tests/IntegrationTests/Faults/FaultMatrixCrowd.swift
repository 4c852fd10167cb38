import Foundation
import Models
import Synchronization
import TestSupport

/// Many uploads that have begun: forms, files, uploads in several requests, and heads that are not complete.
final class Crowd: Sendable {
    let count: Int
    private let connections: Mutex<[RawConnection]>

    init(of count: Int, at port: UInt16, as client: Client, item: ItemID) throws {
        self.count = count
        let connections = try (0..<count).map { number in
            let (request, headers) =
                switch number % 4 {
                case 0: ("POST /v1/items/\(item)/assets", ["Content-Type: \(Multipart.type)"])
                case 1: ("PUT /v1/items/\(item)/assets/a.pdf", [])
                default: ("POST /v1/uploads?filename=a.pdf", ["Upload-Complete: ?1"])
                }
            let head =
                ["\(request) HTTP/1.1", "Host: phone.example", "Authorization: Bearer \(client.token ?? "")"]
                + headers + ["Content-Length: 1000000"]
            let end = number % 4 == 3 ? "\r\nX-Padding: " : "\r\n\r\n-"
            let connection = try RawConnection(port: port)
            try connection.send(Data((head.joined(separator: "\r\n") + end).utf8))
            return connection
        }
        self.connections = Mutex(connections)
    }

    /// How many of them begin an upload in several requests, which has a row.
    var resumable: Int { (0..<count).count { $0 % 4 == 2 } }

    /// Sends a byte a second on every connection, until it is cancelled. Those that were cut are left alone.
    func drip() async {
        while !Task.isCancelled {
            for connection in all { try? connection.send(Data("-".utf8)) }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    func leave() {
        for connection in all { connection.end() }
    }

    /// Resets one connection after the other, within a second.
    func reset() async throws {
        while let connection = connections.withLock({ $0.popLast() }) {
            // It is closed, and with that reset, when nobody has it any more.
            connection.reset()
            try await Task.sleep(for: .seconds(1) / count)
        }
    }

    private var all: [RawConnection] { connections.withLock { $0 } }
}
