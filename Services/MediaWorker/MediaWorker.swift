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
        if CommandLine.arguments.count == 3, CommandLine.arguments[1] == PictureDecoder.command,
            let parent = Int32(CommandLine.arguments[2])
        {
            PictureDecoder.main(parent: parent)
        }
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
            let assets = AssetRepository(database)
            let images = ImageProcessor(settings: settings, logger: logger)
            try await images.check()
            let videos = VideoProcessor(settings: settings, logger: logger)
            let work = WorkInProgress()
            let kinds: [(kind: Job.Kind, slots: Int, shortSlots: Int)] = [
                (.image, settings.imageSlots, 0), (.video, settings.videoSlots, settings.shortVideoSlots),
            ]
            let workers = kinds.map { kind, slots, shortSlots in
                JobWorker(
                    kind: kind,
                    slots: slots,
                    shortSlots: shortSlots,
                    companyLimit: settings.companySlots,
                    worker: context.settings.instance,
                    messaging: messaging,
                    database: database,
                    work: work,
                    logger: logger
                ) { lease in
                    AssetProcessor(lease: lease, assets: assets, storage: storage, images: images, videos: videos)
                }
            }
            context.readiness.register("database") { await database.readiness }
            context.readiness.register("storage") { storage.readiness }
            for (name, worker) in zip(["image jobs", "video jobs"], workers) {
                context.readiness.register(name) { worker.readiness }
            }
            return [
                HealthServer(settings: context.settings, readiness: context.readiness, logger: logger),
                database,
                MemorySampler(settings: context.settings, logger: logger),
                Heartbeat(context, database: database, work: work),
                images,
            ] + workers
        }
    }
}
