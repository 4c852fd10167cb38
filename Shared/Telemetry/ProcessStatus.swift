import Foundation

/// What the kernel says about this process (`proc(5)`). Reading it takes some ten microseconds and never waits.
enum ProcessStatus {
    /// The host's name; in a container, its id.
    static let host: String = {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }()

    static let start: Date = {
        let boot = lines(of: "/proc/stat").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) } ?? 0
        return Date(timeIntervalSince1970: boot + (field(22) ?? 0) / ticksPerSecond)
    }()

    /// User and system time, of all threads.
    static var cpuSeconds: Double { ((field(14) ?? 0) + (field(15) ?? 0)) / ticksPerSecond }

    static var threads: Int { Int(field(20) ?? 0) }

    /// How many descriptors are open, the one that counts them left out.
    static var openDescriptors: Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return max(0, count - 3)
    }

    /// A line of `/proc/self/status` in bytes, such as `VmRSS`.
    static func bytes(of names: String...) -> [Int64] {
        let lines = lines(of: "/proc/self/status")
        return names.map { name in
            let line = lines.first { $0.hasPrefix(name + ":") }
            let kibibytes = line?.split(separator: " ").dropFirst().first ?? line?.split(separator: "\t").last
            return (kibibytes.flatMap { Int64($0) } ?? 0) << 10
        }
    }

    private static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))

    /// A field of `/proc/self/stat`, counted as `proc(5)` does; the second, a name, may hold spaces and parentheses.
    private static func field(_ number: Int) -> Double? {
        guard let line = lines(of: "/proc/self/stat").first, let end = line.lastIndex(of: ")") else { return nil }
        let fields = line[line.index(after: end)...].split(separator: " ")
        return number - 3 < fields.count ? Double(fields[number - 3]) : nil
    }

    private static func lines(of path: String) -> [Substring] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 8192)
        while text.utf8.count < 1 << 20 {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            text += String(decoding: buffer.prefix(count), as: UTF8.self)
        }
        return text.split(separator: "\n")
    }
}
