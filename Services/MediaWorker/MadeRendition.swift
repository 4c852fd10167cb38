/// A rendition in the workspace, not yet in its place.
struct MadeRendition: Hashable, Sendable {
    /// Unique within its asset: `compressed`, `thumbnail`, `720p`, `poster`.
    let name: String
    /// Its path in the workspace.
    let file: String
    /// Its media type.
    let contentType: String
    /// Pixels.
    let width: Int
    /// Pixels.
    let height: Int

    /// Makes the value; the file is the caller's.
    init(name: String, file: String, contentType: String, size: PixelSize) {
        self.name = name
        self.file = file
        self.contentType = contentType
        width = size.width
        height = size.height
    }
}
