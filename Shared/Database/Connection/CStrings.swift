/// Gives C an array of C strings, nil being a null pointer, for as long as `body` runs.
func withCStrings<Result>(
    _ texts: [String?],
    _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
) -> Result {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(texts.reduce(0) { $0 + ($1?.utf8.count ?? 0) + 1 })
    var starts: [Int?] = []
    starts.reserveCapacity(texts.count)
    for text in texts {
        starts.append(text == nil ? nil : bytes.count)
        guard let text else { continue }
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
    }
    return bytes.withUnsafeBytes { bytes in
        let characters = bytes.assumingMemoryBound(to: CChar.self).baseAddress
        let pointers = starts.map { start in start.flatMap { start in characters.map { $0 + start } } }
        return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
    }
}
