// Stands in for Arduino on a computer: the serial port is standard input and output.
#ifndef STUB_ARDUINO_H
#define STUB_ARDUINO_H

#include <stddef.h>
#include <stdint.h>

class SerialStub {
 public:
  void begin(unsigned long) {}
  size_t readBytes(char* buffer, size_t length);
  void print(const char* text);
  void print(long number);
  void print(unsigned long number);
  void println(const char* text);
};

extern SerialStub Serial;

void delay(unsigned long milliseconds);  // ends the program: nothing more will happen
void setup();
void loop();

#endif  // STUB_ARDUINO_H
