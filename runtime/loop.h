/*
 * A file as a block device (loop(4)), that detaches itself when its last user is gone: whoever has it open, and what is mounted from
 * it. So nothing is left of it whatever process is killed.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct loop {
	int fd; /* keeps it attached; -1: none */
	char path[32];
};

#define LOOP_INIT ((struct loop){ .fd = -1 })

/* The device that the file is attached to, attached now if it is not: a file of two devices would be two file systems that know nothing of
 * each other. `name` is for messages. ERROR_TECHNOLOGY: the host has no such devices. */
int loop_attach(int file, const char *name, struct loop *ret, struct error *err);
void loop_release(struct loop *loop);

/* Waits until the file is attached nowhere; ERROR_TIME_LIMIT. */
int loop_wait_detached(int file, const char *name, struct error *err);

/* The file has become larger or smaller. */
int loop_resized(const struct loop *loop, struct error *err);
