import CVips

/// A file open for libvips, which goes by its bytes and never by its name.
struct ImageFile: ~Copyable {
    /// What a picture may arrive as: the loaders of libvips that are used, by class.
    enum Format: String {
        case jpeg = "VipsForeignLoadJpegSource"
        case png = "VipsForeignLoadPngSource"
        case webp = "VipsForeignLoadWebpSource"
        case gif = "VipsForeignLoadNsgifSource"
        case tiff = "VipsForeignLoadTiffSource"
        case heif = "VipsForeignLoadHeifSource"
    }

    let source: UnsafeMutablePointer<VipsSource>

    /// Opens a file; nil if that fails.
    init?(_ path: String) {
        guard let opened = vips_source_new_from_file(path) else { return nil }
        source = opened
    }

    deinit { g_object_unref(source) }

    /// Its format by its first bytes; nil for anything else libvips might read.
    var format: Format? {
        guard let loader = vips_foreign_find_load_source(source) else { return nil }
        return Format(rawValue: String(cString: loader))
    }
}
