import Blocking
import Database
import Hummingbird
import Integrity
import Jobs
import Logging
import Messaging
import Models
import Passwords
import Repositories
import Storage
import Telemetry

@main
struct API {
    static func main() async {
        await ServiceRunner.main("api", healthPort: 8080) { context in
            let logger = context.logger
            let settings = try APISettings(reader: context.reader)
            let database = Database(settings: try DatabaseSettings(reader: context.reader), logger: logger)
            let publisher = Publisher(settings: try MessagingSettings(reader: context.reader), logger: logger)
            let storage = try await LocalStorage.mounted(
                try StorageSettings(reader: context.reader),
                rememberedBy: database,
                logger: logger
            )
            let jobs = JobPublisher(publisher: publisher, database: database, logger: logger)
            let events = EventPublisher(publisher: publisher, logger: logger)
            let leases = UploadLeases(uploads: UploadRepository(database), logger: logger)
            let passwords = PasswordHasher()
            let firstUser = FirstUser(
                settings: settings,
                users: UserRepository(database),
                passwords: passwords,
                logger: logger
            )
            let drain = ListenerDrain(logger: logger)

            context.readiness.register("database") { await database.readiness }
            context.readiness.register("broker") { publisher.readiness }
            context.readiness.register("storage") { storage.readiness }
            context.readiness.register("first user") { firstUser.check }

            let routes = Routes(
                settings: settings,
                database: database,
                storage: storage,
                jobs: jobs,
                events: events,
                leases: leases,
                passwords: passwords,
                readiness: context.readiness,
                logger: logger
            )
            return [
                database, publisher, jobs, events,
                Sweeper(
                    database: database,
                    jobs: jobs,
                    publisher: publisher,
                    history: settings.jobHistory,
                    logger: logger
                ),
                CollectorService(
                    Collector(database: database, storage: storage),
                    settings: try CollectorSettings(reader: context.reader),
                    logger: logger
                ),
                UploadSweep(database: database, storage: storage, logger: logger),
                firstUser,
                MemorySampler(settings: context.settings, logger: logger),
                Heartbeat(context, database: database),
                HTTPServer(settings: settings, responder: routes.responder(), drain: drain, logger: logger),
                // Stops before the server, which waits for every body that is not cut.
                leases,
                // Stops before all others: uploads that begin until new connections are ignored are cut too.
                drain,
            ]
        }
    }
}

extension Routes {
    init(
        settings: APISettings,
        database: Database,
        storage: LocalStorage,
        jobs: JobPublisher,
        events: EventPublisher,
        leases: UploadLeases,
        passwords: PasswordHasher,
        readiness: Readiness,
        logger: Logger
    ) {
        let address = PublicAddress(settings.publicURL, trustsProxy: settings.trustsProxy)
        let sessions = SessionRepository(database)
        let items = ItemRepository(database)
        let assets = AssetRepository(database)
        let uploads = UploadRepository(database)
        let turns = Turns<UserID>(limit: settings.requestsOfUser)
        let ingest = AssetIngest(storage: storage, batches: AssetBatches(assets), jobs: jobs)
        let files = StoredFileResponder(
            threads: BlockingThreads(name: "downloads", count: 4),
            accelRedirect: settings.redirectsDownloads ? AccelRedirect(to: storage.volumes) : nil
        )
        self.init(
            authentication: Authentication(sessions: sessions),
            sessions: SessionController(
                users: UserRepository(database),
                sessions: sessions,
                passwords: passwords,
                throttle: SignInThrottle(),
                turns: Turns(limit: settings.requestsOfUser),
                sessionLife: settings.sessionLife
            ),
            items: ItemController(items: items),
            uploads: UploadController(storage: storage, limits: settings.limits, items: items, ingest: ingest),
            uploadCheck: UploadCheckController(items: items, assets: assets),
            resumable: ResumableController(
                uploads: ResumableUploads(
                    storage: storage,
                    uploads: uploads,
                    leases: leases,
                    items: items,
                    ingest: ingest,
                    limits: settings.limits
                ),
                assets: assets,
                turns: turns,
                address: address,
                sendsInterim: settings.hasDirectClients
            ),
            assets: AssetController(assets: assets, jobs: jobs, storage: storage, files: files),
            exports: ExportController(
                exports: ExportRepository(database),
                upkeep: ExportUpkeepRepository(database),
                sessions: sessions,
                limits: settings.exports,
                jobs: jobs,
                events: events,
                cleaner: ExportCleaner(database: database, storage: storage, logger: logger),
                storage: storage,
                files: files
            ),
            turns: turns,
            readiness: readiness,
            address: address,
            crossOrigin: CrossOrigin(origins: settings.crossOrigins)
        )
    }
}
