public import Testing

/// Asks until something is so.
///
/// - Parameters:
///   - what: What is waited for; the test fails with it if it is not so in time.
///   - limit: How long it may take.
///   - sourceLocation: Where the test fails.
///   - isSo: Asked again 10 ms after each answer.
/// - Throws: `ExpectationFailedError` after `limit`, and what `isSo` throws.
public func eventually(
    _ what: @autoclosure () -> Comment,
    within limit: Duration = .seconds(30),
    sourceLocation: SourceLocation = #_sourceLocation,
    _ isSo: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while !(try await isSo()) {
        try #require(ContinuousClock.now < deadline, "not within \(limit): \(what())", sourceLocation: sourceLocation)
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// Asks until an answer is as it is waited for, and gives that answer; a failure says the last one.
///
/// - Throws: `ExpectationFailedError` after `limit`, and what `ask` throws.
public func eventually<Answer>(
    _ what: Comment,
    within limit: Duration = .seconds(30),
    sourceLocation: SourceLocation = #_sourceLocation,
    ask: () async throws -> Answer,
    isSo: (Answer) -> Bool
) async throws -> Answer {
    var answer = try await ask()
    try await eventually("\(what); last: \(answer)", within: limit, sourceLocation: sourceLocation) {
        if isSo(answer) { return true }
        answer = try await ask()
        return isSo(answer)
    }
    return answer
}

/// Runs a body, and something after it however the body ends.
///
/// - Throws: What the body throws, or what `cleanUp` does; if both do, the latter is recorded.
public func withCleanup<Result>(
    _ body: () async throws -> Result,
    cleanUp: () async throws -> Void
) async throws -> Result {
    let result: Result
    do {
        result = try await body()
    } catch {
        do { try await cleanUp() } catch { Issue.record(error) }
        throw error
    }
    try await cleanUp()
    return result
}
