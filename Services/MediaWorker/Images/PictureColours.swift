import CHeif
import Foundation

/// What the numbers of a picture mean as light, where its file says so without an ICC profile: the code points of ITU-T
/// H.273 in HEIF, AVIF and PNG (nclx, cICP), and PNG's gAMA and cHRM.
struct PictureColours: Hashable {
    /// How a number becomes light.
    enum Transfer: Hashable {
        case sRGB
        /// Light is the number to this power.
        case power(Double)
        /// SMPTE ST 2084.
        case pq
        /// ARIB STD-B67.
        case hlg

        /// Nil for what no picture is known to have.
        init?(codePoint: Int) {
            switch codePoint {
            // BT.709 and its like are shown as sRGB, as browsers do.
            case 1, 2, 6, 13, 14, 15: self = .sRGB
            case 4: self = .power(2.2)
            case 5: self = .power(2.8)
            case 8: self = .power(1)
            case 16: self = .pq
            case 17: self = .power(2.6)
            case 18: self = .hlg
            default: return nil
            }
        }

        /// Light of a number in 0…1; 1 is the white of a page, and high dynamic range goes beyond it.
        func light(_ value: Double) -> Double {
            switch self {
            case .sRGB: return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
            case .power(let exponent): return pow(value, exponent)
            case .pq:
                let (m1, m2) = (2610.0 / 16_384, 2523.0 / 4096 * 128)
                let (c1, c2, c3) = (3424.0 / 4096, 2413.0 / 4096 * 32, 2392.0 / 4096 * 32)
                let root = pow(value, 1 / m2)
                return 10_000 / Self.white * pow(max(root - c1, 0) / (c2 - c3 * root), 1 / m1)
            case .hlg:
                let (a, b, c) = (0.17883277, 0.28466892, 0.55991073)
                let scene = value <= 0.5 ? value * value / 3 : (exp((value - c) / a) + b) / 12
                // The system gamma of a screen of 1,000 cd/m², for each colour by itself (ITU-R BT.2100).
                return 1000 / Self.white * pow(scene, 1.2)
            }
        }

        var isHighDynamicRange: Bool { self == .pq || self == .hlg }

        /// Diffuse white, in cd/m² (ITU-R BT.2408).
        private static let white = 203.0
    }

    /// Chromaticities (x, y) of red, green, blue and white.
    struct Primaries: Hashable {
        var red: SIMD2<Double>
        var green: SIMD2<Double>
        var blue: SIMD2<Double>
        var white: SIMD2<Double>

        static let d65 = SIMD2(0.3127, 0.3290)
        static let bt709 = Primaries(red: [0.64, 0.33], green: [0.30, 0.60], blue: [0.15, 0.06], white: d65)

        /// Those of BT.601 differ so little, and are written so often without meaning, that they count as BT.709.
        init?(codePoint: Int) {
            switch codePoint {
            case 1, 2, 5, 6, 7: self = .bt709
            case 4: self.init(red: [0.67, 0.33], green: [0.21, 0.71], blue: [0.14, 0.08], white: [0.310, 0.316])
            case 9: self.init(red: [0.708, 0.292], green: [0.170, 0.797], blue: [0.131, 0.046], white: Self.d65)
            case 11:
                self.init(red: [0.680, 0.320], green: [0.265, 0.690], blue: [0.150, 0.060], white: [0.314, 0.351])
            case 12: self.init(red: [0.680, 0.320], green: [0.265, 0.690], blue: [0.150, 0.060], white: Self.d65)
            case 22: self.init(red: [0.630, 0.340], green: [0.295, 0.605], blue: [0.155, 0.077], white: Self.d65)
            default: return nil
            }
        }

        init(red: SIMD2<Double>, green: SIMD2<Double>, blue: SIMD2<Double>, white: SIMD2<Double>) {
            self.red = red
            self.green = green
            self.blue = blue
            self.white = white
        }

        func isNear(_ other: Primaries) -> Bool {
            let differences = [red - other.red, green - other.green, blue - other.blue, white - other.white]
            return differences.allSatisfy { abs($0.x) < 0.01 && abs($0.y) < 0.01 }
        }
    }

    var transfer: Transfer
    var primaries: Primaries
    /// Whether they go before an ICC profile in the same file.
    var overridesProfile = false

    /// Where white of a page stays below the top, so that what is brighter can be told from it.
    private static let knee = 0.6
    /// Light beyond this is as white as can be, in whites of a page.
    private static let peak = 5.0

    /// Nil if they are those that every picture has without saying.
    private init?(transfer: Transfer?, primaries: Primaries?, overridesProfile: Bool = false) {
        guard let transfer, let primaries else { return nil }
        guard transfer != .sRGB || !primaries.isNear(.bt709) || overridesProfile else { return nil }
        self.transfer = transfer
        self.primaries = primaries
        self.overridesProfile = overridesProfile
    }

    private init?(primaries: Int, transfer: Int, overridesProfile: Bool = false) {
        self.init(
            transfer: Transfer(codePoint: transfer),
            primaries: Primaries(codePoint: primaries),
            overridesProfile: overridesProfile
        )
    }

    /// What a HEIF or AVIF file says of its first picture.
    init?(heif bytes: UnsafeRawBufferPointer) {
        var primaries: Int32 = 0
        var transfer: Int32 = 0
        guard cheif_colours(bytes.baseAddress, bytes.count, &primaries, &transfer) != 0 else { return nil }
        self.init(primaries: Int(primaries), transfer: Int(transfer))
    }

    /// What a PNG file says before its pixels. Of several, cICP goes before a profile, a profile (nil here) before sRGB,
    /// and that before gAMA (PNG, third edition, 4.3).
    init?(png bytes: UnsafeRawBufferPointer) {
        var offset = 8
        var gamma: Int?
        var primaries: Primaries?
        var isKnown = false
        while let length = bytes.number32(offset), !bytes.hasBytes("IDAT", at: offset + 4) {
            let body = offset + 8
            if bytes.hasBytes("cICP", at: offset + 4), length == 4, bytes.byte(body + 2) == 0,
                bytes.byte(body + 3) == 1,
                let first = bytes.byte(body), let second = bytes.byte(body + 1)
            {
                self.init(primaries: first, transfer: second, overridesProfile: true)
                return
            }
            if bytes.hasBytes("iCCP", at: offset + 4) || bytes.hasBytes("sRGB", at: offset + 4) { isKnown = true }
            if bytes.hasBytes("gAMA", at: offset + 4) { gamma = bytes.number32(body) }
            if bytes.hasBytes("cHRM", at: offset + 4), length == 32 {
                let points = (0..<4).map { number in
                    SIMD2(
                        Double(bytes.number32(body + 8 * number) ?? 0) / 100_000,
                        Double(bytes.number32(body + 8 * number + 4) ?? 0) / 100_000
                    )
                }
                primaries = Primaries(red: points[1], green: points[2], blue: points[3], white: points[0])
            }
            offset = body + length + 4
        }
        guard !isKnown, gamma != nil || primaries != nil else { return nil }
        let exponent = 100_000 / Double(max(gamma ?? 45_455, 1))
        // The usual one stands for sRGB.
        let isUsual = abs(exponent - 2.2) < 0.1
        guard (0.1...10).contains(exponent) else { return nil }
        self.init(transfer: isUsual ? .sRGB : .power(exponent), primaries: primaries ?? .bt709)
    }

    /// Light for every number of `count` there are.
    func light(count: Int) -> [Float] {
        (0..<count).map { Float(transfer.light(Double($0) / Double(count - 1))) }
    }

    /// From light of these primaries to light of sRGB's, by rows, so that the brightest is 1; nil if they are no colours.
    var matrix: [Double]? {
        guard let own = Matrix(primaries), let screen = Matrix(.bt709)?.inverse else { return nil }
        let top = transfer.isHighDynamicRange ? Self.peak : 1
        let adapted = Matrix.adaptation(from: primaries.white, to: Primaries.d65)
        guard let adapted else { return nil }
        let values = (screen * adapted * own).rows.map { $0 / top }
        return values.allSatisfy(\.isFinite) ? values : nil
    }

    /// sRGB's number for every 65,536th of the brightest.
    var levels: [UInt8] {
        (0..<65_536).map { step in
            var light = Double(step) / 65_535
            if transfer.isHighDynamicRange {
                light *= Self.peak
                let over = light - Self.knee
                // As steep as before where it begins to bend, and never above 1.
                if over > 0 { light = Self.knee + (1 - Self.knee) * (1 - exp(-over / (1 - Self.knee))) }
            }
            let number = light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055
            return UInt8(min(255, max(0, (number * 255).rounded())))
        }
    }
}

/// Three by three numbers.
private struct Matrix {
    /// By rows.
    var rows: [Double]

    /// From light of these primaries to CIE XYZ.
    init?(_ primaries: PictureColours.Primaries) {
        let points = [primaries.red, primaries.green, primaries.blue]
        guard points.allSatisfy({ $0.y > 0 }), primaries.white.y > 0 else { return nil }
        let columns = points.map { Self.colour($0) }
        let unscaled = Matrix(rows: (0..<3).flatMap { row in columns.map { $0[row] } })
        guard let inverse = unscaled.inverse else { return nil }
        let scale = inverse.applied(to: Self.colour(primaries.white))
        rows = (0..<9).map { unscaled.rows[$0] * scale[$0 % 3] }
    }

    init(rows: [Double]) { self.rows = rows }

    /// XYZ of a chromaticity, with Y = 1.
    static func colour(_ point: SIMD2<Double>) -> [Double] {
        [point.x / point.y, 1, (1 - point.x - point.y) / point.y]
    }

    /// Bradford's: white stays white.
    static func adaptation(from: SIMD2<Double>, to: SIMD2<Double>) -> Matrix? {
        let cones = Matrix(rows: [0.8951, 0.2664, -0.1614, -0.7502, 1.7135, 0.0367, 0.0389, -0.0685, 1.0296])
        guard from.y > 0, let back = cones.inverse else { return nil }
        let before = cones.applied(to: colour(from))
        let after = cones.applied(to: colour(to))
        let scale = Matrix(rows: [after[0] / before[0], 0, 0, 0, after[1] / before[1], 0, 0, 0, after[2] / before[2]])
        return back * scale * cones
    }

    func applied(to vector: [Double]) -> [Double] {
        (0..<3).map { row in
            rows[3 * row] * vector[0] + rows[3 * row + 1] * vector[1] + rows[3 * row + 2] * vector[2]
        }
    }

    static func * (left: Matrix, right: Matrix) -> Matrix {
        var rows: [Double] = []
        for row in 0..<3 {
            for column in 0..<3 {
                let products: [Double] = (0..<3).map { left.rows[3 * row + $0] * right.rows[3 * $0 + column] }
                rows.append(products.reduce(0, +))
            }
        }
        return Matrix(rows: rows)
    }

    var inverse: Matrix? {
        let m = rows
        let cofactors = [
            m[4] * m[8] - m[5] * m[7], m[2] * m[7] - m[1] * m[8], m[1] * m[5] - m[2] * m[4],
            m[5] * m[6] - m[3] * m[8], m[0] * m[8] - m[2] * m[6], m[2] * m[3] - m[0] * m[5],
            m[3] * m[7] - m[4] * m[6], m[1] * m[6] - m[0] * m[7], m[0] * m[4] - m[1] * m[3],
        ]
        let determinant = m[0] * cofactors[0] + m[1] * cofactors[3] + m[2] * cofactors[6]
        guard abs(determinant) > 1e-9 else { return nil }
        return Matrix(rows: cofactors.map { $0 / determinant })
    }
}
