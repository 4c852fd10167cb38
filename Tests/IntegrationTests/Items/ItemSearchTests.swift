import Database
import Foundation
import Models
import TestSupport
import Testing

@testable import API
@testable import Repositories

@Suite("Search of items in a real Postgres")
struct ItemSearchTests {
    private static let searches: [(text: String, codes: [String])] = [
        ("bomba", ["OS_77", "EQ-001"]), ("CENTRIFUGA", ["EQ-001"]), ("centrífuga bomba", ["EQ-001"]),
        ("ombas", []), ("omba", ["OS_77", "EQ-001"]), ("eq 001", ["EQ-001"]), ("EQ-00", ["EQ-002", "EQ-001"]),
        ("os_77", ["OS_77"]), ("a", ["EQ-002"]), ("ai", ["EQ-002"]), ("ir", []), ("ﬁltro", ["FI-1"]),
        ("100%", ["FI-1"]), ("%", ["FI-1", "OS_77", "EQ-002", "EQ-001"]), ("motor", []), ("straße", ["FI-1"]),
        ("€ bomba", ["OS_77", "EQ-001"]), ("😀", ["FI-1", "OS_77", "EQ-002", "EQ-001"]),
        ("насос", ["FI-1"]), ("de aire", ["EQ-002"]), ("valvula' OR true", []),
    ]

    @Test("All words must be there, in any case and without accents, anywhere in a word from three letters on")
    func words() async throws {
        try await CompanyFixture.with(items: 0) { fixture in
            let items = ItemRepository(fixture.database)
            for (code, name) in [
                ("EQ-001", "Bomba centrífuga"), ("EQ-002", "VÁLVULA de aire"), ("OS_77", "Revisión: (bomba) n.º 2"),
                ("FI-1", "Filtro 100% Straße насос"),
            ] {
                let new = NewItem(code: code, name: name, kind: "", attributes: [:])
                _ = try await items.create(new, in: fixture.company)
            }
            for search in Self.searches {
                let words = SearchWords(search.text)
                let found = try await items.page(in: fixture.company, words: words, kind: nil, before: nil, limit: 51)
                #expect(found.items.map(\.code) == search.codes, "\(search.text)")
            }
        }
    }

    @Test("The database folds text as the program does")
    func folding() async throws {
        try await CompanyFixture.with(items: 0) { fixture in
            let scalars = Array(0x20...0x17F) + [0x1E00, 0x1EF9, 0x212B, 0xFB01, 0xAC00, 0x0416, 0x0130, 0x1F600]
            for _ in 0..<50 {
                var text = ""
                for _ in 0..<40 {
                    if let scalar = scalars.randomElement().flatMap(Unicode.Scalar.init) {
                        text.unicodeScalars.append(scalar)
                    }
                }
                let folded = try await fixture.database.first(
                    Query<Value<String>>("SELECT search_text($1) AS value")(text)
                )
                #expect(
                    folded?.value.split(separator: " ") == SearchWords.folded(text).split(separator: " "),
                    "\(text)"
                )
            }
        }
    }

    /// Twelve thousand items: enough for every way in which a page is found.
    @Test("Pages of a search have every item once, newest first, however common or rare its words are")
    func pages() async throws {
        try await CompanyFixture.with(items: 0) { fixture in
            let count = 12_000
            let fill = Query<NoRow>(
                """
                INSERT INTO items (id, company_id, code, name, kind)
                SELECT lpad(to_hex(n), 32, '0')::uuid, $1, 'N' || n,
                       concat_ws(' ', 'every', CASE WHEN n % 10 = 0 THEN 'tenth' END,
                                 CASE WHEN n % 100 = 0 THEN 'hundredth' END, CASE WHEN n % 3000 = 7 THEN 'rare' END,
                                 CASE WHEN n <= 120 THEN 'oldest' END), CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END
                  FROM generate_series(1, $2::integer) n
                """
            )
            _ = try await fixture.database.transaction([fill(fixture.company, count)])
            let searches: [(words: String, kind: String?, isFound: @Sendable (Int) -> Bool)] = [
                ("every", "odd", { $0 % 2 == 1 }), ("tenth", nil, { $0 % 10 == 0 }),
                ("hundredth every", nil, { $0 % 100 == 0 }), ("rare", nil, { $0 % 3000 == 7 }),
                ("rare", "even", { _ in false }), ("oldest", nil, { $0 <= 120 }),
                ("oldest tenth", "even", { $0 <= 120 && $0 % 10 == 0 }), ("nowhere", nil, { _ in false }),
            ]
            for limit in [51, 201] {
                for search in searches {
                    var codes: [String] = []
                    var last: ItemID?
                    for _ in 0..<5 {
                        let page = try await ItemRepository(fixture.database).page(
                            in: fixture.company,
                            words: SearchWords(search.words),
                            kind: search.kind,
                            before: last,
                            limit: limit
                        )
                        codes += page.items.map(\.code)
                        last = page.items.last?.id ?? last
                    }
                    let wanted = (1...count).reversed().filter(search.isFound).map { "N\($0)" }
                    #expect(codes == Array(wanted.prefix(5 * limit)), "\(search.words), \(limit)")
                }
            }
        }
    }
}
