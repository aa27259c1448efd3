// Certifies what comes over the serial port, a picture's bytes; answers with label and radius (Q16).
#include <certifier_tables.h>
#include <model.h>
#include <qrobust_certify.h>

static qrc_certifier certifier;
static int8_t image[MODEL_INPUT_SIZE];
static uint8_t picture[MODEL_INPUT_SIZE];
static uint32_t votes[MODEL_OUTPUT_SIZE];
static bool ready;

static const int8_t *run(void *) { model_run(); return model_output(0); }

void setup() {
  Serial.begin(115200);
  ready = qrc_open(&certifier, certifier_tables, CERTIFIER_TABLES_WORDS) == QRC_OK;
}

void loop() {
  if (!ready || Serial.readBytes(picture, sizeof picture) != sizeof picture) return;
  for (uint32_t i = 0; i < MODEL_INPUT_SIZE; i++) image[i] = int8_t(picture[i] - 128);
  qrc_model model = {model_input(0), run, nullptr};
  // Where strangers supply the pictures: 128 random bits, fresh for each of them.
  qrc_request request = {{0, 0}, 50};
  qrc_certificate found;
  if (qrc_certify(&certifier, &model, image, &request, votes, &found) != QRC_OK) return;
  Serial.print(found.label);
  Serial.print(' ');
  Serial.println(found.radius_q16);
}
