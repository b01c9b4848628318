/* The caller's terminal as that of a VE's console. */
#pragma once

#include "base/error.h"

enum console_end {
	CONSOLE_DETACHED, /* Esc and "." were typed */
	CONSOLE_CLOSED, /* by the other side: the VE has ended, or its monitor has */
};

/*
 * Carries bytes between standard input and output and a connection to a monitor (runtime/life/console.h), until either ends. If standard
 * input is a terminal it is raw meanwhile and as before afterwards, and the console has its size; otherwise the end of the input is
 * no end. `ready` is called when the monitor has said that the console is ours.
 *
 * ERROR_LOCKED: somebody else is attached. ERROR_NOT_RUNNING: there is no console. ERROR_INTERRUPTED.
 */
int console_attach(int monitor, void (*ready)(void *data), void *data, enum console_end *ret,
		   struct error *err);
