/// A width and a height in pixels.
struct PixelSize: Hashable, Sendable {
    /// Pixels.
    var width: Int
    /// Pixels.
    var height: Int

    /// How many pixels that is. libvips and ffmpeg count each side in 32 bits, so it fits.
    var area: Int { width * height }
    /// The longer of the two.
    var longSide: Int { max(width, height) }
    /// The shorter of the two.
    var shortSide: Int { min(width, height) }
    /// The same after a quarter turn.
    var turned: PixelSize { PixelSize(width: height, height: width) }

    /// The same proportions with the longer side `limit` at most; never enlarged, never below one pixel.
    func fitted(toLongSide limit: Int) -> PixelSize {
        scaled(by: Double(limit) / Double(longSide))
    }

    /// The same proportions with the shorter side `limit` at most; never enlarged, never below one pixel.
    func fitted(toShortSide limit: Int) -> PixelSize {
        scaled(by: Double(limit) / Double(shortSide))
    }

    /// The nearest size below with even sides, which 4:2:0 video needs; two pixels at least.
    var even: PixelSize { PixelSize(width: max(2, width & ~1), height: max(2, height & ~1)) }

    private func scaled(by factor: Double) -> PixelSize {
        guard factor < 1 else { return self }
        return PixelSize(
            width: max(1, Int((Double(width) * factor).rounded())),
            height: max(1, Int((Double(height) * factor).rounded()))
        )
    }
}
