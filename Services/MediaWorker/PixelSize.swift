/// A width and a height in pixels.
struct PixelSize: Hashable, Sendable {
    var width: Int
    var height: Int

    /// libvips and ffmpeg count each side in 32 bits, so it fits.
    var area: Int { width * height }
    var longSide: Int { max(width, height) }
    var shortSide: Int { min(width, height) }
    /// After a quarter turn.
    var turned: PixelSize { PixelSize(width: height, height: width) }
    /// The nearest size below with even sides, which 4:2:0 video needs; two pixels at least.
    var even: PixelSize { PixelSize(width: max(2, width & ~1), height: max(2, height & ~1)) }

    /// The same proportions with the longer side `limit` at most; never enlarged, never below one pixel.
    func fitted(toLongSide limit: Int) -> PixelSize {
        scaled(by: Double(limit) / Double(longSide))
    }

    /// The same proportions with the shorter side `limit` at most; never enlarged, never below one pixel.
    func fitted(toShortSide limit: Int) -> PixelSize {
        scaled(by: Double(limit) / Double(shortSide))
    }

    private func scaled(by factor: Double) -> PixelSize {
        guard factor < 1 else { return self }
        return PixelSize(
            width: max(1, Int((Double(width) * factor).rounded())),
            height: max(1, Int((Double(height) * factor).rounded()))
        )
    }
}
