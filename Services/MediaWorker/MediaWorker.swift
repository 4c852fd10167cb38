import Database
import Jobs
import Messaging
import Models
import Repositories
import Storage
import Telemetry

@main
struct MediaWorker {
    static func main() async {
        await ServiceRunner.main("media-worker", healthPort: 8081) { context in
            let settings = try MediaSettings(reader: context.reader)
            let messaging = try MessagingSettings(reader: context.reader)
            let logger = context.logger
            let database = Database(settings: try DatabaseSettings(reader: context.reader), logger: logger)
            let storage = try await LocalStorage.mounted(
                try StorageSettings(reader: context.reader),
                rememberedBy: database,
                logger: logger
            )
            let processor = AssetProcessor(
                assets: AssetRepository(database),
                storage: storage,
                images: try ImageProcessor(settings: settings, logger: logger),
                videos: VideoProcessor(settings: settings, logger: logger)
            )
            let work = WorkInProgress()
            let runners = [(Job.Kind.image, settings.imageSlots), (.video, settings.videoSlots)].map { kind, slots in
                JobRunner(
                    queue: Topology.queue(for: kind),
                    slots: slots,
                    worker: context.settings.instance,
                    messaging: messaging,
                    database: database,
                    work: work,
                    logger: logger,
                    undo: { await processor.undo($0, logger) },
                    handle: { lease throws(JobFailure) in try await processor.process(lease) }
                )
            }
            context.readiness.watch(database)
            context.readiness.watch(storage)
            for (name, runner) in zip(["image jobs", "video jobs"], runners) {
                context.readiness.watch(consumer: name) { runner.broker }
            }
            return [
                HealthServer(settings: context.settings, readiness: context.readiness, logger: logger),
                database,
                MemorySampler(settings: context.settings, logger: logger),
                Heartbeat(context, database: database, work: work),
            ] + runners
        }
    }
}
