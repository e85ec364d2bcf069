// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableExperimentalFeature("Lifetimes"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  // A filter starts in a few milliseconds: runtime libraries that nobody uses are not loaded.
  .unsafeFlags([
    "-Xfrontend", "-disable-implicit-concurrency-module-import",
    "-Xfrontend", "-disable-implicit-string-processing-module-import",
  ]),
]

/// A C library as Swift sees it; no logic.
func binding(_ name: String, links: [String] = []) -> Target {
  .target(
    name: name, path: "Sources/Bindings/\(name)", cSettings: [.unsafeFlags(["-O2"])],
    linkerSettings: links.map { .linkedLibrary($0) })
}

/// A library module; `uses` is the whole list of modules it may import.
func library(_ name: String, uses: [Target.Dependency] = []) -> Target {
  .target(
    name: name, dependencies: uses, path: "Sources/Libraries/\(name)", swiftSettings: strict)
}

/// A filter on the shell's path; the folder's name is the command's name.
func tool(_ name: String, uses: [Target.Dependency] = []) -> Target {
  .executableTarget(
    name: name, dependencies: ["Bytes", "JSON", "Posix", "Filter"] + uses,
    path: "Sources/Tools/\(name)", swiftSettings: strict,
    linkerSettings: [
      // An installed tool finds the Swift runtime that was installed beside it.
      .unsafeFlags(["-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../lib/sluice"])
    ])
}

/// The unit tests of one library.
func tests(_ library: String, uses: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: "\(library)Tests", dependencies: [.byName(name: library)] + uses,
    path: "Tests/\(library)Tests",
    swiftSettings: [.enableExperimentalFeature("Lifetimes")])
}

let package = Package(
  name: "sluice",
  targets: [
    // What Swift cannot import by itself.
    binding("CPosix"),
    binding("CBytes"),
    binding("CCrypto"),
    binding("CLibPQ"),
    binding("CCurl"),
    binding("CZstd", links: ["zstd"]),
    binding("CYaml"),
    // Libraries, ground floor first.
    library("Bytes", uses: ["CBytes"]),
    library("JSON", uses: ["Bytes"]),
    library("Posix", uses: ["CPosix"]),
    library("Digests", uses: ["Bytes", "CCrypto"]),
    library("Filter", uses: ["Bytes", "JSON", "Posix"]),
    library("Postgres", uses: ["Bytes", "JSON", "Posix", "Filter", "CLibPQ"]),
    library("Manifests", uses: ["Bytes", "JSON", "Posix", "Digests", "Filter"]),
    library("Zstd", uses: ["Bytes", "Posix", "CZstd"]),
    library("ObjectStore", uses: ["Bytes", "JSON", "Posix", "Filter", "Digests", "CCurl"]),
    library("YAML", uses: ["Bytes", "CYaml"]),
    library(
      "Partitioning",
      uses: ["Bytes", "JSON", "Posix", "Digests", "Filter", "Manifests", "Postgres", "YAML"]),
    library(
      "WAL", uses: ["Bytes", "JSON", "Posix", "Filter", "Postgres", "ObjectStore", "Zstd"]),
    library("Changes", uses: ["Bytes", "JSON", "Posix", "Filter", "Postgres"]),
    // Tools.
    tool("pg-partitions", uses: ["Postgres", "Partitioning"]),
    tool("pg-partplan", uses: ["Postgres", "Partitioning"]),
    tool("pg-partcheck", uses: ["Postgres", "Partitioning"]),
    tool("pg-attach", uses: ["Postgres", "Partitioning"]),
    tool("pg-partition-table", uses: ["Postgres", "Partitioning"]),
    tool("pg-partapply", uses: ["Postgres", "Partitioning"]),
    tool("pg-snapshot", uses: ["Postgres"]),
    tool("pg-extract-jsonl", uses: ["Digests", "Postgres"]),
    tool("pg-load-jsonl", uses: ["Postgres"]),
    tool("zst", uses: ["Zstd"]),
    tool("s3put", uses: ["ObjectStore"]),
    tool("s3get", uses: ["ObjectStore"]),
    tool("s3verify", uses: ["Digests", "Manifests", "ObjectStore", "Zstd"]),
    tool("s3ls", uses: ["ObjectStore"]),
    tool("walrecv", uses: ["Postgres", "WAL"]),
    tool("s3rm", uses: ["ObjectStore"]),
    tool("walcheck", uses: ["Postgres", "ObjectStore", "WAL"]),
    tool("walprune", uses: ["ObjectStore", "WAL"]),
    tool("walfetch", uses: ["ObjectStore", "WAL"]),
    tool("cdc-recv", uses: ["Postgres", "Changes"]),
    tool("cdc-decode", uses: ["Postgres", "Changes"]),
    tool("cdc-diff", uses: ["Postgres", "Changes"]),
    tool("cdc-snapshot", uses: ["Postgres", "Changes"]),
    tool("cdc-apply", uses: ["Postgres", "Changes"]),
    // Tests.
    tests("Bytes"),
    tests("JSON", uses: ["Bytes"]),
    tests("YAML"),
    tests("Filter", uses: ["Bytes", "JSON", "Posix"]),
    tests("Zstd", uses: ["Bytes", "Posix"]),
    tests("ObjectStore", uses: ["Bytes", "JSON", "Posix", "Filter", "Digests"]),
    tests("Postgres", uses: ["Bytes", "JSON", "Posix"]),
    tests("Partitioning", uses: ["Posix", "Filter"]),
    tests("WAL", uses: ["Bytes", "JSON", "Posix", "Postgres"]),
    tests("Changes", uses: ["Bytes", "JSON", "Posix", "Filter", "Postgres"]),
  ]
)
