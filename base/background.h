/*
 * A child that does something meanwhile, and whose result nobody waits for: it dies with its parent, and signals to
 * it are its end.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

struct background {
	pid_t pid; /* 0: there is none */
};

#define BACKGROUND_INIT ((struct background){ 0 })

/* Call it from a single-threaded process. */
int background_start(struct background *background, void (*run)(void *data), void *data,
		     struct error *err);

void background_wait(struct background *background); /* until it is done */
void background_stop(struct background *background); /* wherever it is */
