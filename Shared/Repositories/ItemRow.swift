public import Database
public import Models

extension Item: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        let attributes: JSON<[String: JSONValue]> = try row["attributes"]
        self.init(
            id: try row["id"],
            code: try row["code"],
            name: try row["name"],
            kind: try row["kind"],
            attributes: attributes.value,
            createdAt: try row["created_at"],
            updatedAt: try row["updated_at"]
        )
    }
}
