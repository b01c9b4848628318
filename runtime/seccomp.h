/*
 * The system call filter of a VE under construction, for every architecture that it can run: refuses
 * what no package script needs and what could undo the VE's own limits; optionally makes calls that
 * wait for the disk succeed at once.
 *
 * Privileges are not frozen (no_new_privs): scripts use su and other set-user-id programs.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* *ret is a libseccomp filter, to be released with seccomp_filter_free(). Making device nodes is left to who has the
 * listener (notify.h). */
int seccomp_filter_new(bool no_sync, void **ret, struct error *err);

/* The filter of a tenant's VE: its own root may mount and make namespaces, in its own user namespace; what
 * belongs to the host, and what is not divided by namespaces, is refused. */
int seccomp_filter_new_tenant(void **ret, struct error *err);

/* For this process and what it starts; needs CAP_SYS_ADMIN in its user namespace. Returns -1 with
 * errno, 0, or the listener if the filter has one: the caller owns it. */
int seccomp_filter_load(void *filter);
void seccomp_filter_free(void *filter);
