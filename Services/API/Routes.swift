import Hummingbird
import Telemetry

/// The map of URLs: the way into this service. `Operations/openapi.json` says what each call takes and gives.
struct Routes {
    let authentication: Authentication
    let sessions: SessionController
    let items: ItemController
    let uploads: UploadController
    let uploadCheck: UploadCheckController
    let resumable: ResumableController
    let assets: AssetController
    let exports: ExportController
    let archives: ArchiveController
    let openAPI: OpenAPIController
    let pages = PageController()
    let readiness: Readiness
    let trustsProxy: Bool

    /// What anybody may call, beside the health routes every service has.
    static let open: [Call<APIContext>] = [
        .get("/openapi.json") { $0.openAPI.get },
        .post("/v1/sessions") { $0.sessions.open },
        .options("/v1/uploads") { $0.resumable.options },
    ]

    /// What a signed-in user may call.
    static let signedIn: [Call<UserContext>] = [
        .delete("/v1/sessions") { $0.sessions.close },

        .get("/v1/items") { $0.items.list },
        .post("/v1/items") { $0.items.create },
        .get("/v1/items/{id}") { $0.items.get },
        .patch("/v1/items/{id}") { $0.items.update },
        .delete("/v1/items/{id}") { $0.items.delete },
        .post("/v1/items/{id}/assets") { $0.uploads.toItem },
        .put("/v1/items/{id}/assets/{filename}") { $0.uploads.fileToItem },
        .post("/v1/documents") { $0.uploads.toCompany },
        .put("/v1/documents/{filename}") { $0.uploads.fileToCompany },
        .post("/v1/uploads/check") { $0.uploadCheck.check },
        .post("/v1/uploads") { $0.resumable.create },
        .head("/v1/uploads/{id}") { $0.resumable.head },
        .get("/v1/uploads/{id}") { $0.resumable.get },
        .patch("/v1/uploads/{id}") { $0.resumable.append },
        .delete("/v1/uploads/{id}") { $0.resumable.cancel },
        .post("/v1/uploads/{id}") { $0.resumable.override },

        .get("/v1/assets") { $0.assets.list },
        .get("/v1/assets/{id}") { $0.assets.get },
        .delete("/v1/assets/{id}") { $0.assets.delete },
        .get("/v1/assets/{id}/content") { $0.assets.content },
        .get("/v1/assets/{id}/renditions/{name}") { $0.assets.rendition },
        .post("/v1/assets/{id}/retry") { $0.assets.retry },

        .get("/v1/exports") { $0.exports.list },
        .post("/v1/exports") { $0.exports.create },
        .get("/v1/exports/{id}") { $0.exports.get },
        .delete("/v1/exports/{id}") { $0.exports.delete },
        .post("/v1/exports/{id}/retry") { $0.exports.retry },
        .get("/v1/exports/{id}/parts/{number}/content") { $0.archives.content },
        .post("/v1/exports/{id}/parts/{number}/tickets") { $0.archives.ticket },
    ]

    func responder() -> RouterResponder<APIContext> {
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: RequestMiddleware(trustsProxy: trustsProxy))
        router.addHealthRoutes(readiness: readiness)
        pages.addRoutes(to: router)
        for call in Self.open { call.add(to: router, of: self) }
        let user = router.group().add(middleware: authentication).group(context: UserContext.self)
        for call in Self.signedIn { call.add(to: user, of: self) }
        router.refuseOtherMethods()
        return router.buildResponder()
    }
}
