import SwiftUI
import TensorFlowLite

/// Certifies the picture in input.bin and shows the certificate.
@main
struct SampleApp: App {
    @State private var said = "Asking noisy copies."

    var body: some Scene {
        WindowGroup {
            Text(said).padding().task {
                said = await Task.detached { (try? certify()) ?? "The certifier stopped." }.value
            }
        }
    }
}

/// A `.tflite` of ours in LiteRT: the same integers as everywhere.
private func certify() throws -> String {
    func file(_ name: String, _ kind: String) throws -> Data {
        try Data(contentsOf: Bundle.main.url(forResource: name, withExtension: kind)!)
    }
    let path = Bundle.main.path(forResource: "model", ofType: "tflite")!
    let interpreter = try Interpreter(modelPath: path)
    try interpreter.allocateTensors()
    let tables = try file("tables", "bin").withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
    let image = try file("input", "bin").map { Int8(bitPattern: $0) }
    let certifier = try Certifier(tables: tables) { input, count in
        try interpreter.copy(Data(bytes: input, count: count), toInputAt: 0)
        try interpreter.invoke()
        return try interpreter.output(at: 0).data.map { Int8(bitPattern: $0) }
    }
    let found = try certifier.certify(image)
    let claim = found.label.map { "\($0), certified within \(found.radius)" } ?? "No certificate"
    return "\(claim)\nvotes: \(found.votes.map(String.init).joined(separator: " "))"
}
