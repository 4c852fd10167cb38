import Models

/// Which of an asset's files an entry is.
enum MediaForm: Hashable, Sendable {
    case original
    case rendition(Rendition)

    /// As it stands in the manifest and the workbook.
    var name: String {
        switch self {
        case .original: "original"
        case .rendition(let rendition): rendition.name
        }
    }
}

extension Asset {
    /// The files of it that an export takes. Nothing is left out: where there is no rendition, the original stands in.
    func forms(for media: Export.Media) -> [MediaForm] {
        let small = rendition.map { [MediaForm.rendition($0)] }
        return switch media {
        case .originals: [.original]
        case .compressed: small ?? [.original]
        case .both: [.original] + (small ?? [])
        }
    }

    /// The one that stands for the whole of it.
    private var rendition: Rendition? {
        switch kind {
        case .image: renditions.first { $0.name == "compressed" }
        case .video: renditions.first { $0.name == "720p" }
        case .document: nil
        }
    }
}
