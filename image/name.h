/*
 * Names of OS templates: OS-RELEASE-ARCH[-SET], for example fedora-core-4-x86_64 or
 * debian-5.0-i386-minimal. ARCH may be left out (the host's) and SET too (default). OS and SET may
 * contain "-", so a name is resolved against the OS/RELEASE folders that exist.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/strvec.h"

struct template_name {
	char *os; /* "fedora-core" */
	char *release; /* "4" */
	const char *arch; /* canonical: "x86_64", "i386", "aarch64" */
	char *set; /* "default" */
};

#define TEMPLATE_NAME_INIT ((struct template_name){ 0 })

/* The canonical word for "amd64", "x86", "i686", "arm64" …, or NULL. */
const char *arch_canonical(const char *word);

/* The running host's. */
const char *arch_host(void);

/* true if the host's kernel and CPU run programs of `arch` (i386 on x86_64). */
bool arch_runs_here(const char *arch);

/*
 * Resolves `text` against the roots (folders that hold OS/RELEASE/config; missing ones are passed
 * over). Unknown: ERROR_NO_TEMPLATE, with the nearest names in the hint.
 */
int template_name_resolve(struct template_name *name, const char *text, const struct strvec *roots,
			  struct error *err);

/* Appends every OS-RELEASE that the roots hold, sorted. */
void template_releases(const struct strvec *roots, struct strvec *names);

/* "debian-12-x86_64", "debian-12-x86_64-minimal": the set is left out when it is default. To be
 * freed. */
char *template_name_text(const struct template_name *name);

void template_name_release(struct template_name *name);

/*
 * An OS template with applications in it is "NAME+APPLICATION+…", as in debian-12-x86_64+nginx+php. Appends the applications
 * of such a text (nothing if it has none) and returns what stands before the first "+", to be freed.
 */
char *template_name_split(const char *text, struct strvec *applications);

/* The other way: each once, sorted. To be freed. */
char *template_name_join(const char *name, const struct strvec *applications);
