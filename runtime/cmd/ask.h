/* Secrets from whoever runs the command. */
#pragma once

#include "base/error.h"

/* A line of standard input, to be freed: from a terminal after a prompt and without an echo, or else the first one there is. */
int ask_secret(const char *prompt, char **ret, struct error *err);
