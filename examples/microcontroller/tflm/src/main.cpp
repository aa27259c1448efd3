// Certifies images that come over the serial port, with TFLM behind the C certifier.
//
// Host -> board: one image, kInputs bytes as the model's int8 tensor has them.
// Board -> host: one line, "certificate INDEX LABEL CANDIDATE RADIUS_Q16 VOTES...".
#include <Arduino.h>

#include "certifier_tables.h"
#include "model_data.h"
#include "qrobust_certify.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

// From `benchmarks/microcontroller.py`, and some room: TFLM says at start whether it is enough.
constexpr int kArenaBytes = 64 * 1024;
constexpr uint32_t kMaxInputs = 32 * 32 * 3;
constexpr uint32_t kMaxClasses = 16;
constexpr uint32_t kPilot = 100;

alignas(16) uint8_t arena[kArenaBytes];
int8_t image[kMaxInputs];
uint32_t votes[kMaxClasses];

tflite::MicroInterpreter* interpreter = nullptr;
qrc_certifier certifier;
qrc_model model = {nullptr, nullptr, nullptr};
uint64_t images_seen = 0;

// The network as the certifier sees it. TFLM may overwrite its input; the certifier writes a new
// noisy copy before every run.
const int8_t* RunTflm(void* context) {
  auto* network = static_cast<tflite::MicroInterpreter*>(context);
  if (network->Invoke() != kTfLiteOk) {
    return nullptr;
  }
  return network->output(0)->data.int8;
}

// Ends here, saying why: a certificate from a half-started program would be worth nothing.
void Stop(const char* reason) {
  Serial.print("error: ");
  Serial.println(reason);
  for (;;) {
    delay(1000);
  }
}

}  // namespace

void setup() {
  Serial.begin(115200);

  const tflite::Model* graph = tflite::GetModel(model_data);
  if (graph->version() != TFLITE_SCHEMA_VERSION) {
    Stop("the model has another schema version");
  }
  // What tflite_export writes; leave out what your model does not use.
  static tflite::MicroMutableOpResolver<8> resolver;
  resolver.AddAdd();
  resolver.AddConv2D();
  resolver.AddDepthwiseConv2D();
  resolver.AddFullyConnected();
  resolver.AddMaximum();
  resolver.AddMaxPool2D();
  resolver.AddPad();
  resolver.AddReshape();
  static tflite::MicroInterpreter network(graph, resolver, arena, kArenaBytes);
  interpreter = &network;
  if (interpreter->AllocateTensors() != kTfLiteOk) {
    Stop("the arena is too small");
  }

  if (qrc_open(&certifier, certifier_tables, CERTIFIER_TABLES_WORDS) != QRC_OK) {
    Stop("the certifier's tables are damaged");
  }
  if (interpreter->input(0)->bytes != certifier.coordinates ||
      interpreter->output(0)->bytes != certifier.classes || certifier.coordinates > kMaxInputs ||
      certifier.classes > kMaxClasses) {
    Stop("the certifier's tables are not this model's");
  }
  model.input = interpreter->input(0)->data.int8;
  model.run = RunTflm;
  model.context = interpreter;
}

void loop() {
  const size_t expected = certifier.coordinates;
  if (Serial.readBytes(reinterpret_cast<char*>(image), expected) != expected) {
    return;  // a timeout; the host sends the image again
  }
  // The votes of `qrobust certify --seed 0`, for comparison. A device that answers strangers puts
  // 128 bits of a true random number generator here, anew for every query, and prints them.
  const qrc_request request = {{0, images_seen}, kPilot};
  qrc_certificate certificate;
  if (qrc_certify(&certifier, &model, image, &request, votes, &certificate) != QRC_OK) {
    Stop("the network failed");
  }
  Serial.print("certificate ");
  Serial.print(static_cast<unsigned long>(images_seen));
  Serial.print(" ");
  Serial.print(static_cast<long>(certificate.label));
  Serial.print(" ");
  Serial.print(static_cast<unsigned long>(certificate.candidate));
  Serial.print(" ");
  Serial.print(static_cast<unsigned long>(certificate.radius_q16));
  for (uint32_t i = 0; i < certifier.classes; i++) {
    Serial.print(" ");
    Serial.print(static_cast<unsigned long>(votes[i]));
  }
  Serial.println("");
  images_seen++;
}
