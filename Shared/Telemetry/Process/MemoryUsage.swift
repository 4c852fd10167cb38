/// How much memory this process holds.
public struct MemoryUsage: Hashable, Sendable {
    /// Resident now, in bytes.
    public let resident: Int64
    /// The most that was ever resident, in bytes.
    public let peak: Int64

    /// Asks the kernel, in some ten microseconds; both are 0 where `/proc` is not mounted.
    public static func current() -> MemoryUsage {
        let values = ProcessStatus.bytes(of: "VmRSS", "VmHWM")
        return MemoryUsage(resident: values[0], peak: values[1])
    }
}
