import Foundation
import Synchronization
public import Testing

/// One cell of the fault matrix: a fault that is met some times over, and what has to be true after each.
public struct FaultScenario: Sendable {
    private let fault: String
    private let rounds: Int
    private let roundsPerCheck: Int
    private let workers: [Program]
    private let environment: [String: String]

    /// - Parameters:
    ///   - fault: What happens, as the table says it.
    ///   - few: How often on every change.
    ///   - full: How often when the whole matrix is asked for.
    ///   - roundsPerCheck: After how many rounds every rule is checked; after the last it always is.
    ///   - workers: The services that run through all of it.
    ///   - environment: Variables of all programs.
    public init(
        _ fault: String,
        few: Int,
        full: Int,
        roundsPerCheck: Int = 1,
        workers: [Program] = [],
        environment: [String: String] = [:]
    ) {
        self.fault = fault
        rounds = Self.givenRounds ?? Counts.of(few, full: full)
        self.roundsPerCheck = roundsPerCheck
        self.workers = workers
        self.environment = environment
    }

    /// Meets the fault, waits until the stack has recovered, and checks every rule, each time.
    ///
    /// `meet` meets the fault once. It returns when all that was acknowledged has ended, and says how long that took
    /// from the moment the fault was over. `measured` says in the table under which circumstances it was met.
    public func run(
        measured: () -> String = { "" },
        _ meet: (TestStack, Int) async throws -> Duration
    ) async throws {
        let began = ContinuousClock.now
        let wrong = WrongAnswers.count
        var line = FaultTable.Line(fault: fault)
        do {
            try await TestStack.with(environment: environment) { stack in
                try await meetAll(in: stack, meet, &line)
            }
        } catch is ExpectationFailedError {
            // It is recorded where it failed.
        } catch {
            Issue.record(error)
        }
        // What was met after the last round is one more.
        if line.violations == 0, WrongAnswers.count > wrong { line.violations = 1 }
        line.fault += measured()
        line.took = ContinuousClock.now - began
        FaultTable.add(line)
    }

    private func meetAll(
        in stack: TestStack,
        _ meet: (TestStack, Int) async throws -> Duration,
        _ line: inout FaultTable.Line
    ) async throws {
        var running: [RunningProgram] = []
        for worker in workers { running.append(try await stack.start(worker)) }
        var invariants = try await FaultInvariants(of: stack, watching: [stack.api] + running)
        for round in 1...rounds {
            let wrong = WrongAnswers.count
            do {
                line.recoveries.append(try await meet(stack, round) / .seconds(1))
                if round.isMultiple(of: roundsPerCheck) || round == rounds { try await invariants.require() }
            } catch is ExpectationFailedError {
                // It is recorded where it failed.
            } catch {
                Issue.record(error)
            }
            line.rounds += 1
            guard WrongAnswers.count > wrong else { continue }
            print("violated: \(fault), round \(round)")
            if line.violations == 0 { stack.printLogs() }
            line.violations += 1
        }
        try await invariants.requireAllToEnd()
        for worker in running { try await stack.stop(worker) }
    }

    /// `FAULT_ROUNDS`: how often instead, for who tries one cell.
    private static let givenRounds = ProcessInfo.processInfo.environment["FAULT_ROUNDS"].flatMap { Int($0) }
}

/// What was wrong so far in the suites that count it.
enum WrongAnswers {
    fileprivate static let counter = Atomic(0)

    static var count: Int { counter.load(ordering: .relaxed) }
}

extension Trait where Self == IssueHandlingTrait {
    /// Lets a cell know of every failed expectation: a round with one is a violation, in whichever function it stands.
    public static var countsWrongAnswers: Self {
        .compactMapIssues {
            WrongAnswers.counter.add(1, ordering: .relaxed)
            return $0
        }
    }
}

/// What the matrix came to, a line a cell: `FAULT_TABLE` names a file it is written to. A violation is a round in which
/// anything was not as it must be.
enum FaultTable {
    struct Line {
        var fault: String
        var rounds = 0
        var violations = 0
        /// In seconds, of each round.
        var recoveries: [Double] = []
        var took = Duration.zero
    }

    static func add(_ line: Line) {
        let sorted = line.recoveries.sorted()
        let times = [sorted.dropFirst(sorted.count / 2).first, sorted.last].map { $0.map(text) ?? "–" }
        let columns = [line.fault, "\(line.rounds)", "\(line.violations)"] + times + [text(line.took / .seconds(1))]
        let row = "| \(columns.joined(separator: " | ")) |\n"
        print(row, terminator: "")
        guard let path = ProcessInfo.processInfo.environment["FAULT_TABLE"] else { return }
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        guard let file = FileHandle(forWritingAtPath: path) else { return }
        defer { try? file.close() }
        _ = try? file.seekToEnd()
        try? file.write(contentsOf: Data(row.utf8))
    }

    private static func text(_ seconds: Double) -> String { String(format: "%.2f", seconds) }
}
