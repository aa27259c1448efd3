#include <Arduino.h>

#include <cstdio>
#include <cstdlib>

SerialStub Serial;

size_t SerialStub::readBytes(char* buffer, size_t length) {
  const size_t count = std::fread(buffer, 1, length, stdin);
  if (count == 0) {
    std::exit(0);  // the host has no more images
  }
  return count;
}

void SerialStub::print(const char* text) { std::fputs(text, stdout); }
void SerialStub::print(long number) { std::printf("%ld", number); }
void SerialStub::print(unsigned long number) { std::printf("%lu", number); }
void SerialStub::println(const char* text) { std::puts(text); }

void delay(unsigned long) { std::exit(1); }

int main() {
  setup();
  for (;;) {
    loop();
  }
}
