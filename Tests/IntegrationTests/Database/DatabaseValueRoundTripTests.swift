import Database
import Foundation
import Models
import TestSupport
import Testing

@Suite("Values in a real Postgres")
struct DatabaseValueRoundTripTests {
    private struct Everything: RowDecodable, Equatable {
        var text: String
        var integer: Int
        var small: Int32
        var unsigned: UInt32
        var double: Double
        var flag: Bool
        var uuid: UUID
        var moment: Date
        var id: ItemID
        var hash: SHA256Digest
        var kind: Job.Kind
        var attributes: JSON<JSONValue>
        var words: [String]
        var ids: [ItemID]
        var nothing: String?

        init(from row: borrowing Row) throws(DatabaseError) {
            text = try row["t"]
            integer = try row["i"]
            small = try row["s"]
            unsigned = try row["u"]
            double = try row["d"]
            flag = try row["b"]
            uuid = try row["g"]
            moment = try row["m"]
            id = try row["id"]
            hash = try row["h"]
            kind = try row["k"]
            attributes = try row["j"]
            words = try row["w"]
            ids = try row["ids"]
            nothing = try row["n"]
        }
    }

    private static let echo = Query<Everything>(
        """
        SELECT $1::text AS t, $2::bigint AS i, $3::integer AS s, $4::bigint AS u, $5::double precision AS d,
               $6::boolean AS b, $7::uuid AS g, $8::timestamptz AS m, $9::uuid AS id, $10::text AS h, $11::text AS k,
               $12::jsonb AS j, $13::text[] AS w, $14::uuid[] AS ids, $15::text AS n
        """
    )

    @Test("Every type comes back as it was sent: extremes, Unicode, microseconds, JSON, arrays and NULL")
    func everyType() async throws {
        try await withPool { database in
            let ids = [ItemID.new(), ItemID.new()]
            let moment = try #require(Date(databaseText: "2026-03-01 12:34:56.789012+00"))
            let hash = try #require(SHA256Digest(String(repeating: "0a", count: 32)))
            let json = JSONValue.object([
                "ñ": .array([.null, .bool(true), .integer(.max), .number(0.5), .string("\"")])
            ])
            let words = ["", "NULL", "a,b", "{\"\\}", "línea\nnueva", "👩‍🔧", "e\u{301}"]
            let uuid = UUID()
            for (integer, double) in [
                (Int.max, Double.leastNonzeroMagnitude), (.min, .greatestFiniteMagnitude), (0, 0.1),
            ] {
                let row = try #require(
                    try await database.first(
                        Self.echo(
                            "e\u{301} ñ 👩‍🔧 '; DROP TABLE items; --",
                            integer,
                            Int32.min,
                            UInt32.max,
                            double,
                            true,
                            uuid,
                            moment,
                            ids[0],
                            hash,
                            Job.Kind.video,
                            JSON(json),
                            words,
                            ids,
                            nil as String?
                        )
                    )
                )
                #expect(row.text.unicodeScalars.elementsEqual("e\u{301} ñ 👩‍🔧 '; DROP TABLE items; --".unicodeScalars))
                #expect(row.integer == integer)
                #expect(row.small == .min)
                #expect(row.unsigned == .max)
                #expect(row.double == double)
                #expect(row.flag)
                #expect(row.uuid == uuid)
                #expect(row.moment == moment)
                #expect(row.id == ids[0])
                #expect(row.hash == hash)
                #expect(row.kind == .video)
                #expect(row.attributes.value == json)
                #expect(row.words == words)
                #expect(row.ids == ids)
                #expect(row.nothing == nil)
            }
        }
    }

    @Test("Special numbers come back")
    func specialNumbers() async throws {
        let query = Query<Value<Double>>("SELECT $1::double precision AS value")
        try await withPool { database in
            for number in [Double.infinity, -.infinity, -0.0, .pi] {
                let read = try await database.first(query(number))
                #expect(read?.value == number)
            }
            let read = try await database.first(query(Double.nan))
            #expect(read?.value.isNaN == true)
        }
    }

    @Test("A moment the server makes is the moment this machine has")
    func serverTime() async throws {
        try await withPool { database in
            let now = try #require(try await database.first(Query<Value<Date>>("SELECT now() AS value")()))
            #expect(abs(now.value.timeIntervalSinceNow) < 60)
        }
    }
}
