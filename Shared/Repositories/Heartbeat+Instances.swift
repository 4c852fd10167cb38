public import Database
public import Jobs
public import Telemetry

extension Heartbeat {
    /// Reports this process to the table of instances.
    public init(_ context: ServiceContext, database: Database, work: WorkInProgress? = nil) {
        let instances = InstanceRepository(database)
        self.init(
            service: context.service,
            settings: context.settings,
            logger: context.logger,
            work: { work?.lines ?? [] },
            send: { report in
                try await instances.report(
                    id: report.id,
                    service: report.service,
                    version: report.version,
                    host: report.host,
                    processID: report.pid,
                    memoryBytes: report.memoryBytes,
                    work: report.work,
                    startedAt: report.startedAt
                )
            }
        )
    }
}
