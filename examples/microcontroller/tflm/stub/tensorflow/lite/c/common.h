// The part of TFLM's interface that the example uses; see ../../../README.md.
#ifndef STUB_TFLITE_COMMON_H
#define STUB_TFLITE_COMMON_H

#include <stddef.h>
#include <stdint.h>

typedef enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;

typedef union TfLitePtrUnion {
  int8_t* int8;
  void* data;
} TfLitePtrUnion;

typedef struct TfLiteTensor {
  TfLitePtrUnion data;
  size_t bytes;
} TfLiteTensor;

#endif  // STUB_TFLITE_COMMON_H
