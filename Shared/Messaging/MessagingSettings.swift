public import Config

/// Where the broker is, and how patient its clients are.
public struct MessagingSettings: Sendable {
    let broker: BrokerAddress
    let topology: Topology
    /// Silence after which either side takes the other for dead is twice this.
    let heartbeat: Duration
    let publisherConnections: Int
    /// From the call of `publish` to the broker's confirm, waiting for a place in the window included.
    let publishTimeout: Duration
    /// Messages one connection has sent and the broker not yet confirmed.
    let publishWindow: Int

    /// Reads `AMQP_URL` (required), `AMQP_PUBLISHERS` (2 connections) and `AMQP_HEARTBEAT` (10 s).
    public init(reader: SettingsReader) throws(SettingsError) {
        let url = try reader.required("AMQP_URL", example: BrokerAddress.example, isSecret: true)
        let heartbeat = try reader.duration("AMQP_HEARTBEAT", default: .seconds(10))
        guard (.seconds(2) ... .seconds(60)).contains(heartbeat) else {
            throw SettingsError(variable: "AMQP_HEARTBEAT", problem: "is outside 2…60 s", example: "10s")
        }
        try self.init(
            url: url,
            heartbeat: heartbeat,
            publisherConnections: reader.integer("AMQP_PUBLISHERS", default: 2, in: 1...16)
        )
    }

    /// Makes settings without an environment.
    public init(
        url: String,
        heartbeat: Duration = .seconds(10),
        publisherConnections: Int = 2,
        publishTimeout: Duration = .seconds(10)
    ) throws(SettingsError) {
        try self.init(
            url: url,
            topology: .tolva,
            heartbeat: heartbeat,
            publisherConnections: publisherConnections,
            publishTimeout: publishTimeout
        )
    }

    init(
        url: String,
        topology: Topology,
        heartbeat: Duration = .seconds(10),
        publisherConnections: Int = 2,
        publishTimeout: Duration = .seconds(10),
        publishWindow: Int = 2_000
    ) throws(SettingsError) {
        broker = try BrokerAddress(url)
        self.topology = topology
        self.heartbeat = heartbeat
        self.publisherConnections = publisherConnections
        self.publishTimeout = publishTimeout
        self.publishWindow = publishWindow
    }
}
