/* Passwords of users in a VE, set by the VE's own programs. */
#pragma once

#include "runtime/access/visit.h"

/* ERROR_VALUE if it is not USER:PASSWORD with a name that chpasswd(8) and useradd(8) take, and a password in one line. The message
 * does not have it. */
int password_check(const char *user_password, struct error *err);

/*
 * Sets it in a VE that runs or does not; a user who is not there is made. It is only ever on a pipe to a shell in the VE: neither on a command line
 * nor in a file. ERROR_PASSWORD if the VE cannot do it, with what its programs say.
 */
int password_set(const struct visit_spec *spec, const char *user_password, struct error *err);
