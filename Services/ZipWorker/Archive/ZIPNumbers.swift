extension [UInt8] {
    /// Appends a number in the byte order of ZIP.
    mutating func append(littleEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }
}

extension Int64 {
    /// The largest 32-bit number is the sign for a 64-bit one elsewhere, so it needs 64 bits itself.
    var needs64Bits: Bool { self >= Int64(UInt32.max) }

    /// As a 32-bit field holds it; all ones send the reader to the 64-bit field.
    var in32Bits: UInt32 { UInt32(clamping: self) }

    /// The next multiple of a power of two.
    func roundedUp(to multiple: Int64) -> Int64 { (self + multiple - 1) & ~(multiple - 1) }
}
