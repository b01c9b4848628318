/*
 * Application templates: app/NAME/ in the config folders of an OS template, from OS/config to OS/RELEASE/ARCH/config; as with
 * the OS template's own files, the most specific one wins. A VE gets the packages that one names; a template with some of
 * them ("debian-12+nginx+php") is built as one cache. Mistakes are ERROR_BAD_TEMPLATE with file and line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strvec.h"
#include "vzpkg/template.h"

struct application {
	char *name;
	char *summary, *description; /* NULL: there is none */
	struct strvec packages; /* as of struct template */
	struct strvec excluded;
	struct strvec requires; /* other application templates of the same OS template */
	char *requires_file; /* where they stand, in which lines; for messages */
	unsigned *requires_lines;
	struct template_repository *repositories; /* more than the OS template has; maybe none */
	size_t repository_count;
	struct strvec key_files;
	struct template_trust *trust;
	size_t trust_count;
	/* Absolute paths, or NULL; only pre/post-install, -update and -remove. These run in the VE, */
	char *scripts[SCRIPT_KINDS];
	/* … and these (pre-install-hn …) on the host: only if vzpkg.conf says ALLOW_HOST_SCRIPTS="yes". */
	char *host_scripts[SCRIPT_KINDS];
	bool host_scripts_ignored; /* it has some, and vzpkg.conf does not allow them */
	char *path; /* the most specific folder */
	struct digest digest; /* of all that can change the result, as of struct template */
};

/* Several, each once, each after those that it requires. */
struct application_set {
	struct application **items;
	size_t count;
};

#define APPLICATION_SET_INIT ((struct application_set){ 0 })

/* ERROR_NO_TEMPLATE if the OS template has none of that name; a leading "." is passed over. The caller owns *ret. */
int application_load(const struct template_source *source, const struct template *template,
		     const char *name, struct application **ret, struct error *err);
void application_free(struct application *application);
void application_freep(struct application **application);

/* Appends the names of all that the OS template has, sorted. */
void application_list(const struct template_source *source, const struct template *template,
		      struct strvec *names);

/* Those names and what they require. A circle is an error that names the file. */
int application_set_load(const struct template_source *source, const struct template *template,
			 const struct strvec *names, struct application_set *ret,
			 struct error *err);
void application_set_release(struct application_set *set);

/* Appends the packages that the applications ask for, each once: what is to be installed into a VE that has none of them. */
void application_wishes(const struct application_set *set, struct strvec *packages);

/*
 * The OS template with the repositories, keys, trust, packages and scripts of the applications besides its own, as one template, which the
 * caller owns. Its `text` is "OS-RELEASE-ARCH[-SET]+NAME+NAME" of all in the set that are `named` (NULL: of all), sorted.
 * What an application wants is not excluded any more. Two that want different rules for one key, or of which one excludes what another wants, are an error.
 */
int application_merge(const struct template *template, const struct application_set *set,
		      const struct strvec *named, struct template **ret, struct error *err);

/* An OS template by name, "debian-12", or one with applications, "debian-12+nginx+php". */
int application_template_load(const struct template_source *source, const char *name,
			      struct template **ret, struct error *err);
