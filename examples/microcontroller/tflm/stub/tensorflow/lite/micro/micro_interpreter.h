// TFLM's interpreter as far as the example needs it, with the generated C behind it.
#ifndef STUB_MICRO_INTERPRETER_H
#define STUB_MICRO_INTERPRETER_H

#include "model.h"
#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace tflite {

class MicroInterpreter {
 public:
  MicroInterpreter(const Model*, const MicroOpResolver&, uint8_t*, size_t) {}
  TfLiteStatus AllocateTensors() {
    input_.data.int8 = model_input(0);
    input_.bytes = MODEL_INPUT_SIZE;
    // TFLM's output can be written, the generated one's cannot; the example only reads it.
    output_.data.int8 = const_cast<int8_t*>(model_output(0));
    output_.bytes = MODEL_OUTPUT_SIZE;
    return kTfLiteOk;
  }
  TfLiteStatus Invoke() {
    model_run();
    return kTfLiteOk;
  }
  TfLiteTensor* input(size_t) { return &input_; }
  TfLiteTensor* output(size_t) { return &output_; }

 private:
  TfLiteTensor input_ = {};
  TfLiteTensor output_ = {};
};

}  // namespace tflite

#endif  // STUB_MICRO_INTERPRETER_H
