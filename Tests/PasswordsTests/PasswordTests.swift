import Testing

@testable import Passwords

@Suite("Passwords")
struct PasswordTests {
    private let hasher = PasswordHasher()

    @Test("A password is verified against its own hash and no other")
    func verifies() async throws {
        let hash = try await hasher.hash("correct horse")
        #expect(hash.hasPrefix("$argon2id$v=19$m=19456,t=2,p=1$"))
        #expect(try await hasher.verify("correct horse", against: hash))
        #expect(try await !hasher.verify("correct house", against: hash))
        #expect(try await !hasher.verify("", against: hash))
    }

    @Test("The same password hashes to another text each time")
    func salted() async throws {
        let first = try await hasher.hash("correct horse")
        let second = try await hasher.hash("correct horse")
        #expect(first != second)
    }

    @Test("An accent is the same accent however it is composed")
    func normalised() async throws {
        let hash = try await hasher.hash("contrase\u{F1}a-larga")
        #expect(try await hasher.verify("contrasen\u{303}a-larga", against: hash))
    }

    @Test("Passwords too short or too long are refused with a sentence for people")
    func limits() async {
        await #expect(throws: PasswordError.tooShort) { try await hasher.hash("nine-char") }
        await #expect(throws: PasswordError.tooLong) { try await hasher.hash(String(repeating: "x", count: 1025)) }
        #expect("\(PasswordError.tooShort)" == "The password needs at least 10 characters.")
    }

    @Test("Nothing is the password of a user who does not exist, or of a hash that cannot be read")
    func unknown() async throws {
        #expect(try await !hasher.verify("correct horse", against: nil))
        #expect(try await !hasher.verify("correct horse", against: "not a hash"))
        #expect(try await !hasher.verify(String(repeating: "x", count: 1 << 20), against: nil))
    }

    @Test("Past the waiting places callers are told to come again, and places become free again")
    func busy() async throws {
        let hasher = PasswordHasher(concurrency: 1, waiting: 1)
        let outcomes = await withTaskGroup(of: Result<String, PasswordError>.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    do throws(PasswordError) {
                        return .success(try await hasher.hash("correct horse"))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let refused = outcomes.filter { if case .failure(.busy) = $0 { true } else { false } }
        #expect(refused.count >= 1 && refused.count <= 6)
        #expect(try await hasher.hash("correct horse").isEmpty == false)
    }
}
