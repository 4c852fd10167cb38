/// What one check found, and what the operator can do about it.
struct Finding: Encodable, Sendable {
    enum Status: String, Encodable, Sendable {
        case ok
        case warn
        case fail
    }

    let name: String
    let status: Status
    let found: String
    let action: String?

    static func ok(_ name: String, _ found: String) -> Finding {
        Finding(name: name, status: .ok, found: found, action: nil)
    }

    static func warn(_ name: String, _ found: String, action: String) -> Finding {
        Finding(name: name, status: .warn, found: found, action: action)
    }

    static func fail(_ name: String, _ found: String, action: String) -> Finding {
        Finding(name: name, status: .fail, found: found, action: action)
    }

    /// A line for the terminal, with a second one for the action.
    var text: String {
        let column = name.padded(to: 17) + " "
        let line = status.rawValue.padded(to: 6) + column + found.replacing("\n", with: " ").replacing("\t", with: "")
        return action.map { "\(line)\n      → \($0)" } ?? line
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
