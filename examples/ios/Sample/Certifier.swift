import CQrobust
import Foundation

/// Runs the network: int8 numbers in, one for each class out.
typealias Network = (UnsafePointer<Int8>, Int) throws -> [Int8]

/// What is certified: `label` is nil and `radius` 0 where the votes are too close.
struct Certificate {
    let label: Int?
    let radius: Double
    let votes: [UInt32]
    let key: (UInt64, UInt64)
}

enum CertifierError: Error {
    case refusedTables
    case stopped(UInt32)
}

/// Certifies in integers, with the votes of `qrobust certify`; for one thread at a time.
final class Certifier {
    private let words: UnsafeMutableBufferPointer<UInt32>
    private var certifier: qrc_certifier
    private let box: Box

    /// The C calls `run` through this.
    private final class Box {
        let network: Network
        let input: UnsafeMutableBufferPointer<Int8>
        let output: UnsafeMutableBufferPointer<Int8>
        var failure: Error?

        init(network: @escaping Network, inputs: Int, classes: Int) {
            self.network = network
            input = .allocate(capacity: inputs)
            output = .allocate(capacity: classes)
        }

        deinit {
            input.deallocate()
            output.deallocate()
        }
    }

    init(tables: [UInt32], network: @escaping Network) throws {
        words = .allocate(capacity: tables.count) // the certifier keeps pointing into them
        _ = words.initialize(from: tables)
        var opened = qrc_certifier()
        let status = qrc_open(&opened, words.baseAddress, UInt32(tables.count))
        certifier = opened
        box = Box(network: network, inputs: Int(certifier.coordinates), classes: Int(certifier.classes))
        if status != QRC_OK { throw CertifierError.refusedTables }
    }

    deinit { words.deallocate() }

    /// Certifies int8 tensor values; a key of one's own is for comparisons only.
    func certify(_ image: [Int8], pilot: UInt32 = 100, key: (UInt64, UInt64)? = nil) throws -> Certificate {
        precondition(image.count == Int(certifier.coordinates), "the image has another size")
        let chosen = key ?? (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max))
        var request = qrc_request(key: chosen, pilot: pilot)
        var model = qrc_model(
            input: box.input.baseAddress,
            run: { context in
                let box = Unmanaged<Box>.fromOpaque(context!).takeUnretainedValue()
                do {
                    let found = try box.network(box.input.baseAddress!, box.input.count)
                    guard found.count == box.output.count else { return nil }
                    _ = box.output.update(from: found)
                    return UnsafePointer(box.output.baseAddress)
                } catch {
                    box.failure = error
                    return nil
                }
            },
            context: Unmanaged.passUnretained(box).toOpaque()
        )
        var votes = [UInt32](repeating: 0, count: Int(certifier.classes))
        var certificate = qrc_certificate()
        let status = qrc_certify(&certifier, &model, image, &request, &votes, &certificate)
        if let failure = box.failure { throw failure }
        guard status == QRC_OK else { throw CertifierError.stopped(status.rawValue) }
        return Certificate(
            label: certificate.label < 0 ? nil : Int(certificate.label),
            radius: Double(certificate.radius_q16) / 65536,
            votes: votes,
            key: chosen
        )
    }
}
