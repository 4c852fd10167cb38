import Foundation
import Models
import Testing

@testable import Database

@Suite("Values in Postgres' text format")
struct DatabaseValueTests {
    @Test(
        "A moment is read from what Postgres and RFC 3339 write",
        arguments: [
            ("1970-01-01 00:00:00+00", 0),
            ("2001-01-01 00:00:00+00", 978_307_200),
            ("2024-02-29 23:59:59.5+00", 1_709_251_199.5),
            ("2026-03-01T12:34:56.789012Z", 1_772_368_496.789012),
            ("2026-03-01 12:34:56.000001+00", 1_772_368_496.000001),
            ("2000-12-31 23:00:00-01:30", 978_309_000),
            ("0001-01-01 00:00:00+00", -62_135_596_800),
        ]
    )
    func readsMoments(text: String, seconds: Double) throws {
        let date = try #require(Date(databaseText: text))
        #expect(abs(date.timeIntervalSince1970 - seconds) < 2e-7)
    }

    @Test(
        "A text that is no moment is refused",
        arguments: [
            "", "infinity", "2024-01-01", "2024-13-01 00:00:00+00", "2024-01-01 00:00:00", "2024-01-01 00:00:00+00 BC",
            "12024-01-01 00:00:00+00", "2024-01-01 00:00:00.+00",
        ]
    )
    func refusesOtherTexts(text: String) {
        #expect(Date(databaseText: text) == nil)
    }

    @Test("Every microsecond written is the one read back, in this century and the ones beside it")
    func momentsRoundTrip() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            // 1901 to 2101: further away a Date itself, which counts from 2001, is coarser than a microsecond.
            let microseconds = Int64.random(in: -2_177_452_800_000_000..<4_133_980_800_000_000, using: &generator)
            let date = Date(timeIntervalSinceReferenceDate: Double(microseconds - 978_307_200_000_000) / 1e6)
            let text = try #require(try date.databaseText)
            let read = try #require(Date(databaseText: text))
            #expect(try read.databaseText == text)
            #expect(abs(read.timeIntervalSince(date)) < 1e-6)
        }
    }

    @Test("A moment Postgres' text format has no four-digit year for is refused, not bent")
    func refusesMoments() {
        for date in [Date(timeIntervalSince1970: 253_402_300_800), Date(timeIntervalSince1970: .infinity)] {
            #expect(throws: DatabaseError.self) { try date.databaseText }
        }
    }

    @Test("An array's elements keep quotation marks, backslashes, commas, braces, NULL and the word NULL")
    func arrays() throws {
        let values = ["", "a b", "\"", "\\", "{x,y}", "NULL", "ñ🎞", nil] as [String?]
        let text = try #require(try values.databaseText)
        #expect([String?](databaseText: text) == values)
        #expect([String?](databaseText: #"{plain,"two words",NULL,"NULL"}"#) == ["plain", "two words", nil, "NULL"])
        #expect([String](databaseText: "{}") == [])
        #expect(try [String]().databaseText == "{}")
        #expect([String](databaseText: "{NULL}") == nil)
    }

    @Test(
        "A text that is no array of one dimension is refused",
        arguments: ["", "{", "{a", "{a,}", "{{a},{b}}", "[0:1]={a,b}", #"{"a}"#, "{a}b"]
    )
    func refusesArrays(text: String) {
        #expect([String](databaseText: text) == nil)
    }

    @Test("JSON keeps dates to the microsecond and refuses what is no value of its type")
    func json() throws {
        struct Stamp: Codable, Equatable {
            var at: Date
        }
        let stamp = Stamp(at: try #require(Date(databaseText: "2026-03-01 12:34:56.789012+00")))
        let text = try #require(try JSON(stamp).databaseText)
        #expect(text.contains("2026-03-01T12:34:56.789012Z"))
        #expect(JSON<Stamp>(databaseText: text)?.value == stamp)
        #expect(JSON<Stamp>(databaseText: "[]") == nil)
    }

    @Test("A U+0000 is refused before anything is sent, without its text in the message")
    func refusesNul() throws {
        let query = Query<NoRow>("SELECT $1")
        let error = #expect(throws: DatabaseError.self) { try query("secret\0").bound() }
        #expect(error?.kind == .undecodable)
        #expect(error?.message.contains("secret") == false)
    }

    @Test("An enum of strings and an id stand as their raw values")
    func rawValues() throws {
        let id = JobID.new()
        #expect(try Colour.red.databaseText == "bright red")
        #expect(Colour(databaseText: "green") == nil)
        #expect(try JobID(databaseText: id.databaseText) == id)
        #expect(JobID?(databaseText: nil) == .some(nil))
        #expect(JobID(databaseText: nil) == nil)
    }
}

private enum Colour: String, DatabaseValue {
    case red = "bright red"
}
