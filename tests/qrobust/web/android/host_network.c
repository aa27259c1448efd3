/* The generated network behind the sample's Kotlin interface, for a JVM on this computer. */
#include "model.h"

#include <jni.h>
#include <string.h>

JNIEXPORT void JNICALL Java_org_qrobust_sample_HostNetwork_infer(JNIEnv *env, jobject self,
                                                                 jobject input, jobject output)
{
    (void)self;
    (void)memcpy(model_input(0), (*env)->GetDirectBufferAddress(env, input), MODEL_INPUT_SIZE);
    model_run();
    (void)memcpy((*env)->GetDirectBufferAddress(env, output), model_output(0), MODEL_OUTPUT_SIZE);
}
