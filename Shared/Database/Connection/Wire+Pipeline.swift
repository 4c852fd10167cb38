import CLibPQ

extension Wire {
    /// Texts beyond this many are parsed anew each time. A program has fewer; it bounds the server's memory.
    static let maximumPrepared = 512
    private static let flushThresholdBytes = 64 << 10

    private enum Step {
        case prepare(sql: String, name: String)
        case execute
        case forget
    }

    /// Runs the statements in one round trip: in one transaction of their own, or in the open one.
    ///
    /// - Throws: The first error; then nothing of them was done, unless its kind is `connectionLost`.
    func run(_ statements: [BoundStatement], _ exchange: inout Exchange) throws(DatabaseError) -> [RowSet] {
        exchange.isSent = false
        var steps: [Step] = []
        if hasStalePlans, !isInTransaction {
            prepared = [:]
            hasStalePlans = false
            try send(BoundStatement(sql: "DEALLOCATE ALL", parameters: []), named: nil)
            steps.append(.forget)
        }
        var preparing: [String: String] = [:]
        var unflushed = 0
        for statement in statements {
            var name = prepared[statement.sql] ?? preparing[statement.sql]
            if name == nil, prepared.count + preparing.count < Self.maximumPrepared {
                let new = nextName()
                guard PQsendPrepare(handle, new, statement.sql, 0, nil) == 1 else { throw lost() }
                preparing[statement.sql] = new
                steps.append(.prepare(sql: statement.sql, name: new))
                name = new
            }
            try send(statement, named: name)
            steps.append(.execute)
            unflushed += statement.size
            if unflushed >= Self.flushThresholdBytes {
                try flush(&exchange)
                unflushed = 0
            }
        }
        exchange.isSent = true
        guard PQpipelineSync(handle) == 1 else { throw lost() }
        try flush(&exchange)
        return try receive(steps, &exchange)
    }

    /// Runs a text of several statements, without parameters, outside pipeline mode (which allows only one).
    func script(_ sql: String, _ exchange: inout Exchange) throws(DatabaseError) {
        guard PQexitPipelineMode(handle) == 1 else { throw lost() }
        exchange.isSent = true
        guard PQsendQuery(handle, sql) == 1 else { throw lost() }
        try flush(&exchange)
        var failure: DatabaseError?
        while let result = try next(&exchange) {
            let outcome = try check(result, exchange)
            failure = failure ?? outcome
        }
        guard PQenterPipelineMode(handle) == 1 else { throw lost() }
        if let failure { throw failure }
    }

    private func nextName() -> String {
        statementsNamed += 1
        return "s\(statementsNamed)"
    }

    private func send(_ statement: BoundStatement, named name: String?) throws(DatabaseError) {
        let count = Int32(statement.parameters.count)
        let isQueued = withCStrings(statement.parameters) { values in
            guard let name else { return PQsendQueryParams(handle, statement.sql, count, nil, values, nil, nil, 0) }
            return PQsendQueryPrepared(handle, name, count, values, nil, nil, 0)
        }
        guard isQueued == 1 else { throw lost() }
    }

    private func receive(_ steps: [Step], _ exchange: inout Exchange) throws(DatabaseError) -> [RowSet] {
        var rows: [RowSet] = []
        var failure: DatabaseError?
        for step in steps {
            guard let result = try next(&exchange) else { throw lost("an answer is missing") }
            let outcome = try check(result, exchange, after: failure)
            failure = failure ?? outcome
            if outcome == nil, result.status != PGRES_PIPELINE_ABORTED {
                switch step {
                case .prepare(let sql, let name): prepared[sql] = name
                case .execute: rows.append(RowSet(result))
                case .forget: break
                }
            }
            guard try next(&exchange) == nil else { throw lost("a statement gave two answers") }
        }
        try receiveSync(&failure, &exchange)
        if let failure { throw failure }
        return rows
    }

    /// The server commits when it reaches the sync, so what it refuses there (a deferred constraint) comes here.
    private func receiveSync(_ failure: inout DatabaseError?, _ exchange: inout Exchange) throws(DatabaseError) {
        while let result = try next(&exchange) {
            if result.status == PGRES_PIPELINE_SYNC { return }
            let outcome = try check(result, exchange, after: failure)
            failure = failure ?? outcome
            guard try next(&exchange) == nil else { throw lost("the end of a transaction gave two answers") }
        }
        throw lost("the end of a transaction is missing")
    }

    /// Nil for a good answer, the server's refusal for a bad one.
    private func check(
        _ result: ServerResult,
        _ exchange: Exchange,
        after earlier: DatabaseError? = nil
    ) throws(DatabaseError) -> DatabaseError? {
        switch result.status {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: return nil
        case PGRES_PIPELINE_ABORTED where earlier != nil: return nil
        case PGRES_FATAL_ERROR: break
        default: throw lost("an answer nobody asked for: \(String(cString: PQresStatus(result.status)))")
        }
        let refusal = result.refusal
        guard let sqlState = refusal.sqlState else { throw lost((earlier ?? refusal).message) }
        if sqlState == "26000" || result.refusingFunction == "RevalidateCachedQuery" { hasStalePlans = true }
        // A session the server ends says why first.
        if ["57P01", "57P02", "57P05", "25P03"].contains(sqlState) { throw lost(refusal.message) }
        guard sqlState == "57014" else { return refusal }
        return DatabaseError(kind: exchange.stopped ?? .timeout, message: refusal.message)
    }
}

extension BoundStatement {
    fileprivate var size: Int { parameters.reduce(sql.utf8.count) { $0 + ($1?.utf8.count ?? 0) } }
}
