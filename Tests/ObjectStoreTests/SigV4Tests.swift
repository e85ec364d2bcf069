import Digests
import Testing

@testable import ObjectStore

/// The examples of AWS's documentation of Signature Version 4 for S3, word for word.
struct SigV4Tests {
  private let time = "20130524T000000Z"
  private let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  private let signer = SigV4(
    key: SigningKey(
      accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
      sessionToken: nil),
    region: "us-east-1", service: "s3")

  private func signature(
    _ method: String, _ path: String, query: [(name: String, value: String)] = [],
    headers: [SigV4.Header] = [], payload: String? = nil
  ) -> String {
    let hash = payload ?? empty
    let all =
      headers + [
        ("host", "examplebucket.s3.amazonaws.com"), ("x-amz-date", time),
        ("x-amz-content-sha256", hash),
      ]
    let text = signer.authorization(
      method: method, path: path, query: URLText.query(query), headers: all, payloadHash: hash,
      time: time)
    return String(text.suffix(64))
  }

  @Test func getObject() {
    #expect(
      signature("GET", "/test.txt", headers: [("range", "bytes=0-9")])
        == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
  }

  @Test func putObject() {
    let headers = [
      (name: "date", value: "Fri, 24 May 2013 00:00:00 GMT"),
      (name: "x-amz-storage-class", value: "REDUCED_REDUNDANCY"),
    ]
    #expect(
      signature(
        "PUT", "/" + URLText.encode("test$file.text"), headers: headers,
        payload: SHA256.hex("Welcome to Amazon S3."))
        == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
  }

  @Test func aQueryWithoutValue() {
    #expect(
      signature("GET", "/", query: [("lifecycle", "")])
        == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
  }

  @Test func listObjects() {
    #expect(
      signature("GET", "/", query: [("prefix", "J"), ("max-keys", "2")])
        == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
  }

  /// From the general test suite of Signature Version 4.
  @Test func getVanilla() {
    let signer = SigV4(
      key: SigningKey(
        accessKey: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        sessionToken: nil),
      region: "us-east-1", service: "service")
    let text = signer.authorization(
      method: "GET", path: "/", query: "",
      headers: [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")],
      payloadHash: empty, time: "20150830T123600Z")
    #expect(text.hasSuffix("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"))
  }

  @Test func theSecretIsNotInTheHeader() {
    let text = signer.authorization(
      method: "GET", path: "/", query: "", headers: [("host", "h")], payloadHash: empty, time: time)
    #expect(!text.contains("wJalrXUtnFEMI"))
  }

  @Test func aMomentIsWrittenWithoutSeparators() {
    #expect(SigV4.time(microseconds: 1_369_353_600_000_000) == time)
  }
}
