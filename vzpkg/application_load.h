/*
 * Loading application templates into a given loader: what application.h and template_lint() have in common. For
 * vzpkg/application*.c and vzpkg/template_lint.c only.
 */
#pragma once

#include "vzpkg/application.h"
#include "vzpkg/template_file.h"

/* Letters, digits, ".", "_", "-", the first a letter or a digit. */
bool application_name_is_good(const char *name);

/* "pre-install-hn" and the like: which script it is, or SCRIPT_KINDS. */
enum template_script application_host_script(const char *file);

/* true for the kinds that application templates have. */
bool application_has_script(enum template_script kind);

/*
 * Fills `application`, whose memory is zero, and loader->template, which is a new one of its own that has the OS template's name and format; the
 * loader gets the application's levels. -1: failed, or ended at a mistake.
 */
int application_load_into(struct loader *loader, const struct template *template, const char *name,
			  struct application *application);

/* application_load() of exactly that name. */
int application_load_named(const struct template_source *source, const struct template *template,
			   const char *name, struct application **ret, struct error *err);

/* The names that have a folder, sorted, good ones or not. */
void application_folders(const struct strvec *levels, struct strvec *names);

/*
 * `application` and what it requires, in order, to the end of the set, which owns it then. Mistakes are the loader's, of which nothing
 * but the source, the template and where mistakes go is used.
 */
int application_set_add(struct loader *loader, const char *name, struct application_set *set);
