import Blocking
import CSodium
import Foundation
import Synchronization

/// Hashes and verifies passwords with Argon2id: 19 MiB of memory, 2 passes, 1 lane.
///
/// That is the OWASP Password Storage cheat sheet's first choice. Each hash takes some 30 ms of a core, so few run side
/// by side on threads of their own, few more wait, and the rest are told to come again.
public final class PasswordHasher: Sendable {
    /// The fewest characters a new password has.
    public static let minimumLength = 10
    /// The most bytes a password has; more would only cost time.
    public static let maximumBytes = 1024

    private static let passes: UInt64 = 2
    private static let memoryBytes = 19 << 20
    /// The hash of random bytes nobody kept, with the parameters above.
    static let decoy =
        "$argon2id$v=19$m=19456,t=2,p=1$1xVqbxh256RMwd9nngQ3bA$AoYQflWaLKdQNSW/SrPPrL8MV7IZTrKGZN3ngoav0oE"

    private let threads: BlockingThreads
    private let places: Int
    private let taken = Mutex(0)

    /// Each of `concurrency` hashes side by side holds 19 MiB; `waiting` more may wait.
    public init(concurrency: Int = 2, waiting: Int = 32) {
        threads = BlockingThreads(name: "passwords", count: concurrency)
        places = concurrency + waiting
    }

    /// Hashes a new password with a salt of its own; gives algorithm, parameters, salt and hash in one text (PHC string
    /// format). Throws `tooShort`, `tooLong`, `busy`; `unavailable` if there is no memory for it.
    public func hash(_ password: String) async throws(PasswordError) -> String {
        let bytes = Self.bytes(of: password)
        guard password.count >= Self.minimumLength else { throw .tooShort }
        guard bytes.count <= Self.maximumBytes else { throw .tooLong }
        return try await run { () throws(PasswordError) in
            var text = [CChar](repeating: 0, count: crypto_pwhash_strbytes())
            let status = crypto_pwhash_str_alg(
                &text,
                bytes,
                UInt64(bytes.count),
                Self.passes,
                Self.memoryBytes,
                crypto_pwhash_ALG_ARGON2ID13
            )
            guard status == 0 else { throw .unavailable }
            return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    /// Whether a password is the one that was hashed; false for a hash that cannot be read. A nil hash (no such user)
    /// takes the same time, so that an answer does not tell who has an account. Throws `busy`; `unavailable` if
    /// libsodium cannot start.
    public func verify(_ password: String, against hash: String?) async throws(PasswordError) -> Bool {
        let bytes = Self.bytes(of: password)
        guard bytes.count <= Self.maximumBytes else { return false }
        let matches = try await run { () throws(PasswordError) in
            crypto_pwhash_str_verify(hash ?? Self.decoy, bytes, UInt64(bytes.count)) == 0
        }
        return matches && hash != nil
    }

    private func run<Result: Sendable>(
        _ body: @escaping @Sendable () throws(PasswordError) -> Result
    ) async throws(PasswordError) -> Result {
        guard Self.isLibraryReady else { throw .unavailable }
        let hasPlace = taken.withLock { taken in
            guard taken < places else { return false }
            taken += 1
            return true
        }
        guard hasPlace else { throw .busy }
        defer { taken.withLock { $0 -= 1 } }
        return try await threads.run(body)
    }

    private static let isLibraryReady = sodium_init() >= 0

    /// NFKC, so that an accent typed on another keyboard is the same accent (NIST SP 800-63B, 5.1.1.2).
    private static func bytes(of password: String) -> [CChar] {
        password.precomposedStringWithCompatibilityMapping.utf8.map { CChar(bitPattern: $0) }
    }
}

public enum PasswordError: Error, CustomStringConvertible {
    case tooShort
    case tooLong
    /// Too many wait already: come again in a moment.
    case busy
    /// There is no memory for it, or libsodium cannot start.
    case unavailable

    public var description: String {
        switch self {
        case .tooShort: "The password needs at least \(PasswordHasher.minimumLength) characters."
        case .tooLong: "The password is longer than \(PasswordHasher.maximumBytes) bytes."
        case .busy: "Too many people are signing in at once. Try again in a moment."
        case .unavailable: "The password cannot be hashed: there is not enough memory."
        }
    }
}
