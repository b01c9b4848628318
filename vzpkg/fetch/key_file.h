/*
 * What is in a file of OpenPGP public keys, without importing it anywhere.
 */
#pragma once

#include "base/error.h"
#include "base/strvec.h"

/* Appends the fingerprints (40 upper-case hexadecimal digits) of the primary keys in the file, armored
 * or binary. A file without any is an error. */
int key_file_fingerprints(const char *path, struct strvec *fingerprints, struct error *err);
