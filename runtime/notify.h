/*
 * Device nodes made by package scripts. The kernel lets nobody in a user namespace make one, so the
 * system call filter hands such calls to the runtime, which makes those of a short harmless list in
 * their place and refuses the others. They work nowhere but in /dev: the rest of a VE is nodev.
 */
#pragma once

#include "runtime/state.h"

/* Answers one call of a process of the VE that waits at the listener of its filter. */
void notify_answer(const struct ve *ve, int listener);
