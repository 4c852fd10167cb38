import Hummingbird

/// The page people see at `/`: files built into the program. Who somebody is, its script says with each call.
struct PageController: Sendable {
    private static let javascript = "text/javascript; charset=utf-8"

    private let files = [
        "/": StaticFile(PackageResources.index_html, "text/html; charset=utf-8"),
        "/pages/app.css": StaticFile(PackageResources.app_css, "text/css; charset=utf-8"),
        "/pages/icon.svg": StaticFile(PackageResources.icon_svg, "image/svg+xml"),

        "/pages/app.js": StaticFile(PackageResources.app_js, javascript),
        "/pages/cards.js": StaticFile(PackageResources.cards_js, javascript),
        "/pages/export-row.js": StaticFile(PackageResources.export_row_js, javascript),
        "/pages/exports.js": StaticFile(PackageResources.exports_js, javascript),
        "/pages/gallery.js": StaticFile(PackageResources.gallery_js, javascript),
        "/pages/items.js": StaticFile(PackageResources.items_js, javascript),
        "/pages/new-export.js": StaticFile(PackageResources.new_export_js, javascript),
        "/pages/page.js": StaticFile(PackageResources.page_js, javascript),
        "/pages/poll.js": StaticFile(PackageResources.poll_js, javascript),
        "/pages/rows.js": StaticFile(PackageResources.rows_js, javascript),
        "/pages/sending.js": StaticFile(PackageResources.sending_js, javascript),
        "/pages/server.js": StaticFile(PackageResources.server_js, javascript),
        "/pages/texts.js": StaticFile(PackageResources.texts_js, javascript),
        "/pages/viewer.js": StaticFile(PackageResources.viewer_js, javascript),
    ]

    /// Adds a route for each file.
    func addRoutes(to router: Router<APIContext>) {
        for (path, file) in files {
            router.get(RouterPath(path)) { request, _ in try file.response(to: request) }
        }
    }
}
