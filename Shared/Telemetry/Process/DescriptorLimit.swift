import Glibc

/// How many files and connections a process may have open.
enum DescriptorLimit {
    /// A client costs two at most. Programs that this one starts inherit the limit, and some walk through all of it.
    static let enough: rlim_t = 65_536

    /// Takes what the system allows. It begins at 1024, for the sake of programs that use `select`; where it cannot be
    /// raised, it stays.
    static func raise() {
        var limit = current
        let wanted = min(limit.rlim_max, enough)
        guard limit.rlim_cur < wanted else { return }
        limit.rlim_cur = wanted
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    static var current: rlimit {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return limit
    }
}
