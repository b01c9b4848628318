/*
 * What OpenVZ calls technologies: where a template's files are, and in what image. libvzctl says it with each call
 * (--vefstype, --veimgfmt); one tarball serves all that is offered here.
 */
#pragma once

#include "base/error.h"

/* Either may be NULL: not said. ERROR_TECHNOLOGY for ploop, qcow2 and the like. */
int technology_check(const char *fs_type, const char *image_format, struct error *err);
