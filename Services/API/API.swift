import Blocking
import Database
import Hummingbird
import Integrity
import Jobs
import Messaging
import NIOCore
import Passwords
import Repositories
import Storage
import Telemetry

@main
struct API {
    static func main() async {
        await ServiceRunner.main("api", healthPort: 8080) { context in
            let settings = try APISettings(reader: context.reader)
            let logger = context.logger
            let database = Database(settings: try DatabaseSettings(reader: context.reader), logger: logger)
            let publisher = Publisher(settings: try MessagingSettings(reader: context.reader), logger: logger)
            let storage = try await LocalStorage.mounted(
                try StorageSettings(reader: context.reader),
                rememberedBy: database,
                logger: logger
            )
            let jobs = JobPublisher(publisher: publisher, database: database, logger: logger)
            let passwords = PasswordHasher()
            let users = UserRepository(database)
            let sessions = SessionRepository(database)
            let items = ItemRepository(database)
            let assets = AssetRepository(database)
            let exports = ExportRepository(database)
            let events = EventPublisher(publisher: publisher, logger: logger)
            let ingest = AssetIngest(storage: storage, assets: assets, jobs: jobs)
            let uploads = UploadRepository(database)
            let entrance = Entrance(logger: logger)
            let leases = UploadLeases(uploads: uploads, logger: logger)
            let files = FileSender(
                threads: BlockingThreads(name: "downloads", count: 4),
                accelRedirect: settings.redirectsDownloads ? AccelRedirect(to: storage.volumes) : nil
            )
            context.readiness.register("database") { await database.readiness }
            context.readiness.register("broker") { publisher.readiness }
            context.readiness.register("storage") { storage.readiness }

            let firstUser = FirstUser(settings: settings, users: users, passwords: passwords, logger: logger)
            context.readiness.register("first user") { firstUser.check }

            let routes = Routes(
                authentication: Authentication(sessions: sessions),
                sessions: SessionController(
                    users: users,
                    sessions: sessions,
                    passwords: passwords,
                    throttle: SignInThrottle(),
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
                    sendsInterim: !settings.trustsProxy
                ),
                assets: AssetController(assets: assets, jobs: jobs, storage: storage, files: files),
                exports: ExportController(
                    exports: exports,
                    upkeep: ExportUpkeepRepository(database),
                    limits: settings.exports,
                    jobs: jobs,
                    events: events,
                    cleaner: ExportCleaner(database: database, storage: storage, logger: logger)
                ),
                archives: ArchiveController(exports: exports, sessions: sessions, storage: storage, files: files),
                openAPI: OpenAPIController(),
                readiness: context.readiness,
                trustsProxy: settings.trustsProxy
            )
            return [
                database, publisher, jobs, events,
                Sweeper(database: database, jobs: jobs, publisher: publisher, logger: logger),
                CollectorService(
                    Collector(database: database, storage: storage),
                    settings: try CollectorSettings(reader: context.reader),
                    logger: logger
                ),
                UploadSweep(database: database, storage: storage, logger: logger),
                firstUser,
                MemorySampler(settings: context.settings, logger: logger),
                Heartbeat(context, database: database),
                HTTPServer(settings: settings, responder: routes.responder(), entrance: entrance, logger: logger),
                // Told to stop before it: the server waits for every body that is not cut.
                leases,
                // And this first of all: what comes in until nothing does is cut, too.
                entrance,
            ]
        }
    }
}
