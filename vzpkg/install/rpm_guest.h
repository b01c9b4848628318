/*
 * The guest's own rpm, run in the VE.
 */
#pragma once

#include <stdbool.h>

#include "vzpkg/install/session.h"

/* A line of the template's environment, or NULL. */
const char *rpm_setting(const struct template *template, const char *key);
bool rpm_guest_without_docs(const struct template *template); /* RPM_EXCLUDE_DOCS="yes" */

/* `input`: standard input, or -1. */
int rpm_guest_run(struct session *session, const char *const *argv, int input, const char *what,
		  void (*line)(const char *line, void *data), void *data, struct error *err);

/* It lists exactly the plan: what the manifest says shall be true. */
int rpm_guest_check(struct session *session, struct error *err);
