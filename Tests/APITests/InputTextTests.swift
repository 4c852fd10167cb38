import Models
import Testing

@testable import API

@Suite("Texts people send")
struct InputTextTests {
    @Test("A line is trimmed and counted in characters, not bytes")
    func line() throws {
        #expect(try InputText.line(" \t EQ-001\n", "code", most: 10) == "EQ-001")
        #expect(try InputText.line("ñandú", "code", most: 5) == "ñandú")
        for (text, reason) in [
            ("ñandúes", "5 characters at most"), ("a\u{7}b", "control characters"), (" \u{A0} ", "may not be empty"),
        ] {
            let error = #expect(throws: APIError.self) { try InputText.line(text, "code", most: 5) }
            #expect(error?.code == "bad_value")
            #expect(error?.detail.contains(reason) == true, "\(String(describing: error))")
        }
    }

    @Test("A blank filter is none")
    func filter() throws {
        #expect(try InputText.filter(nil, "q") == nil)
        #expect(try InputText.filter("", "q") == nil)
        #expect(try InputText.filter("  ", "q") == nil)
        #expect(try InputText.filter(" a b ", "q") == "a b")
    }

    @Test(
        "An attribute holds no NUL and no number that would lose digits",
        arguments: [
            JSONValue.string("a\0"), .array([.string("\0")]), .object(["\0": .null]), .object(["a": .string("\0")]),
            .number(0x1p63), .number(-0x1.8p63), .array([.number(1e300)]),
        ]
    )
    func refusedAttributes(value: JSONValue) {
        let error = #expect(throws: APIError.self) { try ItemController.checked(["a": value]) }
        #expect(error?.code == "bad_value")
    }

    @Test("Whatever else JSON has is an attribute")
    func attributes() throws {
        let attributes: [String: JSONValue] = [
            "none": .null, "yes": .bool(true), "largest": .integer(.max), "half": .number(0.5), "text": .string("ñ"),
            "list": .array([.object(["deep": .array([])])]),
        ]
        #expect(try ItemController.checked(attributes) == attributes)
    }
}
