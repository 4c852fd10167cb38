import Database
import Models
import Storage

extension FileRepository {
    /// The files no row speaks of, and no attempt is making. Strangers are none of them.
    func unused(of files: [FoundFile], on volume: Volume, in connection: Connection? = nil) async throws -> [FoundFile]
    {
        let known = files.compactMap { file in Claim(file.place, at: file.path).map { (file, $0) } }
        guard !known.isEmpty else { return [] }
        let used = try await used(of: known.map(\.1), on: volume.name, in: connection)
        return known.indices.filter { !used.contains($0) }.map { known[$0].0 }
    }

    /// Whether a row still speaks of a file that it spoke of a moment ago.
    func isStillExpected(_ file: Expected) async throws -> Bool {
        guard let claim = Claim(FoundFile.Place(path: file.path), at: file.path) else { return true }
        return try await !used(of: [claim], on: file.volume).isEmpty
    }
}

extension FileRepository.Claim {
    fileprivate init?(_ place: FoundFile.Place, at path: String) {
        switch place {
        case .original(let company, let digest): self.init(.original, of: company.rawValue, key: digest.description)
        case .rendition(let asset, let fence): self.init(.rendition, of: asset.rawValue, fence: fence, key: path)
        case .archive(let export, let fence): self.init(.archive, of: export.rawValue, fence: fence, key: path)
        case .partial(let upload): self.init(.partial, of: upload)
        case .work(let job, let fence): self.init(.work, of: job.rawValue, fence: fence)
        case .stranger: return nil
        }
    }
}
