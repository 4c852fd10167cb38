import Hummingbird
import Telemetry

/// The map of URLs: the way into this service.
struct Routes {
    let authentication: Authentication
    let sessions: SessionController
    let items: ItemController
    let uploads: UploadController
    let assets: AssetController
    let readiness: Readiness
    let trustsProxy: Bool

    func responder() -> RouterResponder<APIContext> {
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: RequestMiddleware(trustsProxy: trustsProxy))
        router.addHealthRoutes(readiness: readiness)
        router.post("/v1/sessions", use: sessions.open)

        let user = router.group("/v1").add(middleware: authentication).group(context: UserContext.self)
        user.delete("sessions", use: sessions.close)

        user.get("items", use: items.list)
        user.post("items", use: items.create)
        user.get("items/{id}", use: items.get)
        user.patch("items/{id}", use: items.update)
        user.delete("items/{id}", use: items.delete)
        user.post("items/{id}/assets", use: uploads.toItem)
        user.post("documents", use: uploads.toCompany)

        user.get("assets", use: assets.list)
        user.get("assets/{id}", use: assets.get)
        user.delete("assets/{id}", use: assets.delete)
        user.get("assets/{id}/content", use: assets.content)
        user.get("assets/{id}/renditions/{name}", use: assets.rendition)
        user.post("assets/{id}/retry", use: assets.retry)
        return router.buildResponder()
    }
}
