import Foundation
import TestSupport

extension RunningProgram {
    /// What it has open and must give back: files, directories and pipes. Connections to the servers stay, each with an
    /// event to wake it.
    var held: [String] {
        descriptors.filter { !$0.hasPrefix("socket:") && $0 != "anon_inode:[eventfd]" }
    }

    /// Sockets of clients that are connected to it.
    var clients: [String] {
        let connections = connections
        let listening = Set(connections.filter(\.isListening).map(\.localPort))
        return connections.filter { !$0.isListening && listening.contains($0.localPort) }.map(\.socket)
    }

    /// Its connections, and where it listens.
    var connections: [TCPConnection] {
        let open = Set(descriptors)
        return TCPConnection.all.filter { open.contains($0.socket) }
    }
}

/// A line of `/proc/net/tcp`.
struct TCPConnection {
    let localPort: Int
    let isListening: Bool
    /// As a descriptor's link says it.
    let socket: String

    static var all: [TCPConnection] {
        // Not in one piece: a file of the kernel gives a page at a time.
        let table = try? FileHandle(forReadingFrom: URL(filePath: "/proc/net/tcp")).readToEnd()
        return String(decoding: table ?? Data(), as: UTF8.self).split(separator: "\n").dropFirst().compactMap {
            TCPConnection($0)
        }
    }

    private init?(_ line: Substring) {
        let words = line.split(separator: " ")
        guard words.count > 9, let local = Self.port(words[1]) else { return nil }
        localPort = local
        isListening = words[3] == "0A"
        socket = "socket:[\(words[9])]"
    }

    private static func port(_ address: Substring) -> Int? {
        address.split(separator: ":").last.flatMap { Int($0, radix: 16) }
    }
}
