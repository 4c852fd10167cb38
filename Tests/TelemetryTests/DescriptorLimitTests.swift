import Glibc
import Testing

@testable import Telemetry

@Suite("Descriptors") struct DescriptorLimitTests {
    @Test("A process may have as many open as the system allows, within reason")
    func raised() {
        let before = DescriptorLimit.current
        let wanted = min(before.rlim_max, DescriptorLimit.enough)
        var low = rlimit(rlim_cur: wanted - 1, rlim_max: before.rlim_max)
        #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &low) == 0)
        DescriptorLimit.raise()
        #expect(DescriptorLimit.current.rlim_cur == wanted)
        var restored = before
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &restored)
    }
}
