import Config
import Configuration
import Database
import Foundation
import Models
import Repositories
import Testing

@testable import API

@Suite("Asking for an export")
struct ExportRequestTests {
    private func order(_ json: String, limits: ExportLimits = ExportLimits()) throws -> ExportOrder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let body = try decoder.decode(ExportRequest.self, from: Data(json.utf8))
        return try body.order(language: .es, limits: limits)
    }

    @Test(
        "Nothing asks for every item, with the usual options",
        arguments: ["{}", #"{"item_ids":null,"filter":null}"#]
    )
    func everything(json: String) throws {
        let order = try order(json)
        guard case .all = order.selection else {
            Issue.record("\(order.selection)")
            return
        }
        #expect(order.options == Export.Options(media: .originals, procedures: true, language: .es))
        #expect(order.itemsPerPart == 35)
        #expect(order.filesPerPart == 10_000)
        #expect(order.bytesPerPart == 4 << 30)
        #expect(order.life == .seconds(86_400))
    }

    @Test("No ids are no items, not all of them")
    func noIDs() throws {
        guard case .items(let ids) = try order(#"{"item_ids":[]}"#).selection else {
            Issue.record("An empty list selects something else than items.")
            return
        }
        #expect(ids.isEmpty)
    }

    @Test("A filter is cleaned as the list's is, and a blank one is none")
    func filter() throws {
        guard case .filter(let words, let kind) = try order(#"{"filter":{"q":" pump ","kind":" "}}"#).selection else {
            Issue.record("A filter selects something else.")
            return
        }
        #expect(words?.patterns == ["%pump%"])
        #expect(kind == nil)
    }

    @Test("What the client chooses goes before what its browser prefers")
    func options() throws {
        let order = try order(#"{"media":"both","procedures":false,"language":"en"}"#)
        #expect(order.options == Export.Options(media: .both, procedures: false, language: .en))
    }

    @Test("Two selections at once are refused")
    func twoSelections() {
        let error = #expect(throws: APIError.self) { try order(#"{"item_ids":[],"filter":{}}"#) }
        #expect(error?.code == "bad_json")
    }

    @Test("More items than an export may have are refused before the database is asked")
    func tooManyItems() throws {
        var limits = ExportLimits()
        limits.maximumItems = 1
        let error = #expect(throws: APIError.self) {
            try order(#"{"item_ids":["\#(ItemID.new())","\#(ItemID.new())"]}"#, limits: limits)
        }
        #expect(error?.code == "too_many_items")
    }

    @Test("The JSON may be as long as its items need, however it is indented")
    func room() throws {
        let limits = ExportLimits()
        let ids = (0..<limits.maximumItems).map { _ in ItemID.new().description }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .prettyPrinted
        #expect(try encoder.encode(["item_ids": ids]).count < limits.requestBytes)
    }

    @Test(
        "The browser's languages decide between Spanish and English",
        arguments: [
            (nil, Export.Language.en), ("", .en), ("es", .es), ("es-MX", .es), ("EN-US,en;q=0.9,es;q=0.8", .en),
            ("fr, es;q=0.9, en;q=0.8", .es), ("de-DE", .en), ("es;q=0", .en), ("es;q=0.1, en ; q=0.7", .en),
            ("en;q=0.5, es;q=0.5", .en), ("*", .en), (";;,;q=1", .en), ("est", .en),
        ]
    )
    func language(header: String?, language: Export.Language) {
        #expect(Export.Language(accepted: header) == language)
    }
}

@Suite("Limits of exports")
struct ExportLimitsTests {
    private func limits(_ variables: [String: String]) throws -> ExportLimits {
        let provider = EnvironmentVariablesProvider(environmentVariables: variables)
        return try ExportLimits(reader: SettingsReader(ConfigReader(provider: provider)))
    }

    @Test("Each variable is read")
    func variables() throws {
        let limits = try limits([
            "EXPORT_ITEMS_PER_PART": "2", "EXPORT_MAX_ITEMS": "3", "EXPORT_MAX_UNFINISHED": "4", "EXPORT_LIFE": "90m",
            "EXPORT_FILES_PER_PART": "5", "EXPORT_BYTES_PER_PART": "6MiB",
        ])
        #expect(limits.itemsPerPart == 2)
        #expect(limits.filesPerPart == 5)
        #expect(limits.bytesPerPart == 6 << 20)
        #expect(limits.maximumItems == 3)
        #expect(limits.maximumUnfinished == 4)
        #expect(limits.life == .seconds(5400))
    }

    @Test(
        "A wrong value stops the start and is named",
        arguments: [
            ("EXPORT_ITEMS_PER_PART", "0"), ("EXPORT_MAX_ITEMS", "many"), ("EXPORT_MAX_UNFINISHED", "-1"),
            ("EXPORT_LIFE", "0"), ("EXPORT_LIFE", "a day"), ("EXPORT_FILES_PER_PART", "0"),
            ("EXPORT_BYTES_PER_PART", "0"), ("EXPORT_BYTES_PER_PART", "much"),
        ]
    )
    func wrong(name: String, value: String) {
        let error = #expect(throws: SettingsError.self) { try limits([name: value]) }
        #expect(error?.variable == name)
    }
}
