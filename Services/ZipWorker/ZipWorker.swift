import Blocking
import Database
import Jobs
import Messaging
import Models
import Repositories
import Storage
import Telemetry

@main
struct ZipWorker {
    static func main() async {
        await ServiceRunner.main("zip-worker", healthPort: 8082) { context in
            let settings = try ZipSettings(reader: context.reader)
            let messaging = try MessagingSettings(reader: context.reader)
            let logger = context.logger
            let database = Database(settings: try DatabaseSettings(reader: context.reader), logger: logger)
            let storage = try await LocalStorage.mounted(
                try StorageSettings(reader: context.reader),
                rememberedBy: database,
                logger: logger
            )
            let publisher = Publisher(settings: messaging, logger: logger)
            let events = EventPublisher(publisher: publisher, logger: logger)
            let parts = ExportPartRepository(database)
            let threads = BlockingThreads(name: "archives", count: settings.slots * settings.copyThreads)
            let work = WorkInProgress()
            let worker = JobWorker(
                kind: .part,
                slots: settings.slots,
                companyLimit: settings.companySlots,
                worker: context.settings.instance,
                messaging: messaging,
                database: database,
                work: work,
                logger: logger
            ) { lease in
                PartBuilder(
                    lease: lease,
                    parts: parts,
                    storage: storage,
                    events: events,
                    settings: settings,
                    threads: threads
                )
            }
            context.readiness.register("database") { await database.readiness }
            context.readiness.register("storage") { storage.readiness }
            context.readiness.register("part jobs") { worker.readiness }
            return [
                HealthServer(settings: context.settings, readiness: context.readiness, logger: logger),
                database,
                publisher,
                events,
                MemorySampler(settings: context.settings, logger: logger),
                Heartbeat(context, database: database, work: work),
                ExportExpiry(database: database, storage: storage, history: settings.history, logger: logger),
                worker,
            ]
        }
    }
}
