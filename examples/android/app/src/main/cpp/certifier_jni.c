/* The C certifier for Kotlin: noise, votes and radii here, the network behind a callback.
 *
 * The network reads and writes two direct buffers, so that no vote copies an array. A certifier
 * belongs to one thread at a time, as the network does. */
#include "qrobust_certify.h"

#include <jni.h>
#include <stdlib.h>
#include <string.h>

/* A certifier with its tables, which have to outlive it. */
typedef struct {
    qrc_certifier certifier;
    uint32_t words[];
} handle_t;

/* The Kotlin object that runs the network, during one call. */
typedef struct {
    JNIEnv *env;
    jobject network;
    jmethodID run;
    const int8_t *output;
} callback_t;

static const int8_t *run_network(void *context)
{
    const callback_t *callback = context;

    (*callback->env)->CallVoidMethod(callback->env, callback->network, callback->run);
    /* An exception stops the certifier; Kotlin sees it when the call returns. */
    return (*callback->env)->ExceptionCheck(callback->env) ? NULL : callback->output;
}

/* A handle, or 0 where the tables are damaged or memory is short. */
JNIEXPORT jlong JNICALL Java_org_qrobust_sample_Certifier_open(JNIEnv *env, jobject self,
                                                               jintArray tables)
{
    const jsize count = (*env)->GetArrayLength(env, tables);
    handle_t *handle = malloc(sizeof(*handle) + ((size_t)count * sizeof(handle->words[0])));

    (void)self;
    if (handle != NULL) {
        (*env)->GetIntArrayRegion(env, tables, 0, count, (jint *)handle->words);
        if (qrc_open(&handle->certifier, handle->words, (uint32_t)count) != QRC_OK) {
            free(handle);
            handle = NULL;
        }
    }
    return (jlong)(intptr_t)handle;
}

JNIEXPORT void JNICALL Java_org_qrobust_sample_Certifier_release(JNIEnv *env, jobject self,
                                                                 jlong address)
{
    (void)env;
    (void)self;
    free((handle_t *)(intptr_t)address);
}

/* Adds the votes of `count` samples to `votes`; the status of the certifier. */
JNIEXPORT jint JNICALL Java_org_qrobust_sample_Certifier_countVotes(
    JNIEnv *env, jobject self, jlong address, jobject network, jobject input, jobject output,
    jbyteArray image, jlong key0, jlong key1, jint purpose, jlong start, jint count,
    jintArray votes)
{
    const handle_t *handle = (const handle_t *)(intptr_t)address;
    const uint32_t coordinates = handle->certifier.coordinates;
    const uint32_t classes = handle->certifier.classes;
    const jclass kind = (*env)->GetObjectClass(env, network);
    callback_t callback = {env, network, (*env)->GetMethodID(env, kind, "run", "()V"),
                           (*env)->GetDirectBufferAddress(env, output)};
    const qrc_model model = {(*env)->GetDirectBufferAddress(env, input), run_network, &callback};
    const qrc_request request = {{(uint64_t)key0, (uint64_t)key1}, 1u};
    jbyte *pixels;
    jint *counts;
    jint status = QRC_BAD_REQUEST;

    (void)self;
    if ((callback.run == NULL) || (callback.output == NULL) ||
        ((*env)->GetDirectBufferCapacity(env, input) < (jlong)coordinates) ||
        ((*env)->GetDirectBufferCapacity(env, output) < (jlong)classes) ||
        ((uint32_t)(*env)->GetArrayLength(env, image) != coordinates) ||
        ((uint32_t)(*env)->GetArrayLength(env, votes) != classes) || (start < 0) || (count < 0)) {
        return status;
    }
    pixels = (*env)->GetByteArrayElements(env, image, NULL);
    counts = (*env)->GetIntArrayElements(env, votes, NULL);
    if ((pixels != NULL) && (counts != NULL)) {
        status = (jint)qrc_count(&handle->certifier, &model, pixels, &request,
                                 (qrc_purpose)purpose, (uint64_t)start, (uint32_t)count,
                                 (uint32_t *)counts);
    }
    if (counts != NULL) {
        (*env)->ReleaseIntArrayElements(env, votes, counts, 0);
    }
    if (pixels != NULL) {
        (*env)->ReleaseByteArrayElements(env, image, pixels, JNI_ABORT);
    }
    return status;
}

/* Certified radius in 2^-16 input steps of a class's votes, or -1. */
JNIEXPORT jlong JNICALL Java_org_qrobust_sample_Certifier_radiusQ16(JNIEnv *env, jobject self,
                                                                    jlong address, jint votes)
{
    const handle_t *handle = (const handle_t *)(intptr_t)address;

    (void)env;
    (void)self;
    return (jlong)qrc_radius(&handle->certifier, (uint32_t)votes);
}
