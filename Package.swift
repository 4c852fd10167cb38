// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
    // Where tests let processes die; see Shared/FaultPoints.
    .define("FAULT_POINTS", .when(configuration: .debug)),
]

/// Whether `make fuzz` builds: then libFuzzer has the main function, and the services are its libraries.
let isFuzzing = Context.environment["FUZZING"] != nil

/// An executable: one process of the suite. It may use everything in Shared, and never another service.
func service(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    let path = "Services/\(name)"
    guard isFuzzing else {
        return .executableTarget(
            name: name,
            dependencies: dependencies,
            path: path,
            resources: resources,
            swiftSettings: settings
        )
    }
    let renamedMain = SwiftSetting.unsafeFlags(
        ["-Xfrontend", "-entry-point-function-name", "-Xfrontend", "\(name)_main"]
    )
    return .target(
        name: name,
        dependencies: dependencies,
        path: path,
        resources: resources,
        swiftSettings: settings + [renamedMain]
    )
}

/// A module more than one executable uses.
func shared(_ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
    .target(
        name: name,
        dependencies: dependencies,
        path: "Shared/\(name)",
        resources: resources,
        swiftSettings: settings
    )
}

/// A C library of the distribution: a module map and a `shim.h` for what Swift cannot import.
func library(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(name: name, path: "Shared/CLibraries/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: settings)
}

/// What reads untrusted bytes, with what it promises: a program for libFuzzer, or a fast test.
func fuzz(_ dependencies: [Target.Dependency]) -> Target {
    let (name, path, others) = ("Fuzz", "Tests/Fuzz", ["Corpus", "Dictionaries", "fuzz"])
    guard isFuzzing else {
        return .testTarget(
            name: name,
            dependencies: dependencies,
            path: path,
            exclude: others + ["LibFuzzer.swift"],
            swiftSettings: settings
        )
    }
    return .executableTarget(
        name: name,
        dependencies: dependencies,
        path: path,
        exclude: others + ["CorpusTests.swift"],
        swiftSettings: settings
    )
}

extension Target.Dependency {
    static let argumentParser = product(name: "ArgumentParser", package: "swift-argument-parser")
    static let configuration = product(name: "Configuration", package: "swift-configuration")
    static let deque = product(name: "DequeModule", package: "swift-collections")
    static let crypto = product(name: "Crypto", package: "swift-crypto")
    static let httpTypes = product(name: "HTTPTypes", package: "swift-http-types")
    static let hummingbird = product(name: "Hummingbird", package: "hummingbird")
    static let hummingbirdCore = product(name: "HummingbirdCore", package: "hummingbird")
    static let hummingbirdTesting = product(name: "HummingbirdTesting", package: "hummingbird")
    static let lifecycle = product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let logging = product(name: "Logging", package: "swift-log")
    static let metrics = product(name: "Metrics", package: "swift-metrics")
    static let metricsCore = product(name: "CoreMetrics", package: "swift-metrics")
    static let nioCore = product(name: "NIOCore", package: "swift-nio")
    static let nioEmbedded = product(name: "NIOEmbedded", package: "swift-nio")
    static let nioHTTP1 = product(name: "NIOHTTP1", package: "swift-nio")
    static let nioPosix = product(name: "NIOPosix", package: "swift-nio")
    static let nioFoundation = product(name: "NIOFoundationCompat", package: "swift-nio")
    static let nioHTTPTypes = product(name: "NIOHTTPTypes", package: "swift-nio-extras")
    static let nioHTTPTypesHTTP1 = product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
    static let system = product(name: "SystemPackage", package: "swift-system")
    static let unixSignals = product(name: "UnixSignals", package: "swift-service-lifecycle")
    static let structuredFields = product(name: "RawStructuredFieldValues", package: "swift-http-structured-headers")
    static let subprocess = product(name: "Subprocess", package: "swift-subprocess")
}

let package = Package(
    name: "tolva",
    products: isFuzzing
        ? []
        : [
            .executable(name: "tolva-api", targets: ["API"]),
            .executable(name: "tolva-media-worker", targets: ["MediaWorker"]),
            .executable(name: "tolva-zip-worker", targets: ["ZipWorker"]),
            .executable(name: "tolvactl", targets: ["Control"]),
        ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-http-structured-headers.git", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-system.git", from: "1.8.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess.git", from: "1.0.0", traits: []),
    ],
    targets: [
        service(
            "API",
            [
                "Models", "Config", "Database", "Messaging", "Jobs", "Repositories", "Storage", "Integrity",
                "Telemetry", "Passwords", "Blocking", "FaultPoints", "CLinux", .crypto, .httpTypes,
                .hummingbird, .hummingbirdCore, .lifecycle, .logging,
                .metrics, .nioCore, .nioPosix, .deque,
                .nioHTTP1,
                .nioFoundation,
                .nioHTTPTypes,
                .nioHTTPTypesHTTP1,
                .structuredFields,
            ],
            resources: [.embedInCode("Operations/openapi.json"), .embedInCode("Pages/Static")]
        ),
        service(
            "MediaWorker",
            [
                "Models", "Config", "Database", "Messaging", "Jobs", "Repositories", "Storage", "Telemetry", "Blocking",
                "FaultPoints", "CDecoder", "CHeif", "CLinux", "CTurboJPEG", "CVips",
                .deque, .lifecycle, .logging, .metrics, .subprocess,
            ]
        ),
        service(
            "ZipWorker",
            [
                "Models", "Config", "Database", "Messaging", "Jobs", "Repositories", "Storage", "Telemetry",
                "Blocking", "FaultPoints", "CDeflate", "CLinux", "CXLSXWriter", "CZlib", .lifecycle, .logging, .metrics,
            ]
        ),
        service(
            "Control",
            [
                "Models", "Config", "Database", "Messaging", "Jobs", "Repositories", "Storage", "Integrity",
                "Passwords",
                "Blocking",
                .argumentParser,
                .logging,
                .subprocess,
            ]
        ),

        shared("Models"),
        shared("Blocking", ["CLinux", "COpenSSL", .deque]),
        shared("FaultPoints"),
        shared("Config", ["Models", .configuration]),
        shared(
            "Database",
            ["Models", "Config", "Blocking", "CLibPQ", "COpenSSL", .lifecycle, .logging, .metrics],
            resources: [.embedInCode("Migrations")]
        ),
        shared("Messaging", ["Models", "Config", "Blocking", "CRabbitMQ", .deque, .lifecycle, .logging, .metrics]),
        shared(
            "Storage",
            ["Models", "Config", "Blocking", "FaultPoints", "CDeflate", "CLinux", "COpenSSL", .logging]
        ),
        shared(
            "Telemetry",
            [
                "Models", "Config", .hummingbird, .hummingbirdCore, .httpTypes, .lifecycle, .unixSignals, .logging,
                .metricsCore, .nioCore,
            ]
        ),
        shared(
            "Repositories",
            ["Models", "Config", "Database", "Jobs", "Storage", "Telemetry", .logging]
        ),
        shared(
            "Integrity",
            ["Models", "Config", "Database", "Jobs", "Repositories", "Storage", .lifecycle, .logging, .metrics]
        ),
        shared("Passwords", ["Blocking", "CSodium"]),
        shared(
            "Jobs",
            ["Models", "Database", "Messaging", "Telemetry", "FaultPoints", .lifecycle, .logging, .metrics]
        ),

        tests("ModelsTests", ["Models"]),
        tests("ConfigTests", ["Config", .configuration]),
        tests("DatabaseTests", ["Models", "Config", "Database", "CLibPQ", .configuration, .logging]),
        tests("MessagingTests", ["Models", "Config", "Messaging", .configuration, .logging]),
        tests("StorageTests", ["Models", "Config", "Storage", .configuration, .logging]),
        tests(
            "TelemetryTests",
            ["Telemetry", "Models", "Config", .configuration, .hummingbird, .lifecycle, .logging, .metricsCore]
        ),
        tests("PasswordsTests", ["Passwords"]),
        tests("JobsTests", ["Jobs", "Models"]),
        tests(
            "APITests",
            [
                "API", "Models", "Blocking", "Config", "Database", "Jobs", "Messaging", "Passwords", "Repositories",
                "Storage", "Telemetry",
                .configuration, .crypto, .httpTypes, .hummingbird, .hummingbirdTesting, .logging,
                .nioCore, .nioEmbedded, .nioHTTP1, .nioHTTPTypes, .nioHTTPTypesHTTP1,
            ]
        ),
        tests(
            "MediaWorkerTests",
            ["MediaWorker", "Blocking", "CDecoder", "Config", .configuration, .logging, .subprocess]
        ),
        tests(
            "ZipWorkerTests",
            ["ZipWorker", "Models", "Storage", "Blocking", "TestSupport", .subprocess]
        ),
        fuzz(["API", "MediaWorker", "Models", .httpTypes, .hummingbird, .nioCore]),
        tests(
            "TestSupport",
            [
                "Models", "Database", "Messaging", "Jobs", "Repositories", "CRabbitMQ", .lifecycle, .logging,
                .subprocess, .system,
            ]
        ),
        tests(
            "IntegrationTests",
            [
                "API", "ZipWorker", "Models", "Blocking", "Database", "Messaging", "Jobs", "Repositories", "Integrity",
                "Storage", "TestSupport", .lifecycle, .logging,
            ]
        ),

        library("CLibPQ", pkgConfig: "libpq", apt: "libpq-dev"),
        library("CRabbitMQ", pkgConfig: "librabbitmq", apt: "librabbitmq-dev"),
        library("CVips", pkgConfig: "vips", apt: "libvips-dev"),
        library("CHeif", pkgConfig: "libheif", apt: "libheif-dev"),
        library("CTurboJPEG", pkgConfig: "libturbojpeg", apt: "libturbojpeg0-dev"),
        library("CSodium", pkgConfig: "libsodium", apt: "libsodium-dev"),
        library("CDeflate", pkgConfig: "libdeflate", apt: "libdeflate-dev"),
        library("COpenSSL", pkgConfig: "libcrypto", apt: "libssl-dev"),
        library("CXLSXWriter", pkgConfig: "xlsxwriter", apt: "libxlsxwriter-dev"),
        library("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
        .systemLibrary(name: "CDecoder", path: "Shared/CLibraries/CDecoder"),
        .systemLibrary(name: "CLinux", path: "Shared/CLibraries/CLinux"),
    ]
)
