/*
 * Template metadata: the text files below OS/config, OS/RELEASE/config and OS/RELEASE/ARCH/config
 * become one struct. The most specific file wins; `environment` merges. Every mistake is an error
 * with file and line (ERROR_BAD_TEMPLATE; ERROR_NO_TEMPLATE if there is no such template or set).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/strvec.h"
#include "image/name.h"

/* Raised when the same inputs give another tree or tarball than before. */
enum { TEMPLATE_BUILD_FORMAT = 1 };

enum package_format { PACKAGE_DEB, PACKAGE_RPM };

/* One line of `repositories` or of `mirrorlist`. */
struct template_repository {
	char *text; /* as written, variables unexpanded: for manifests and messages */
	char *url; /* expanded; no trailing "/"; NULL: `lists` tell where it is */
	struct strvec mirrors; /* further addresses of the same archive, for when the first fails */
	struct strvec lists; /* of the file `mirrorlist`, rpm only: alternatives, each the URL of a
			      * list of mirrors or of a metalink */
	char *suite; /* deb only; "bookworm", or a path ending in "/" */
	struct strvec components; /* deb only */
	bool unsigned_ok; /* the line ends in the word "unsigned" */
	bool end_of_life; /* … "eol": Valid-Until is not honoured */
	char *file; /* where it stands */
	unsigned line;
};

/* One line of `trust`: a key, and which old-age waivers its signatures get. */
struct template_trust {
	char *fingerprint; /* 40 upper-case hexadecimal digits */
	bool expired_ok, sha1_ok, weak_ok;
	char *file;
	unsigned line;
};

enum template_script {
	SCRIPT_PRE_CACHE,
	SCRIPT_POST_CACHE, /* with the host's programs */
	SCRIPT_PRE_INSTALL,
	SCRIPT_MID_PRE_INSTALL,
	SCRIPT_MID_POST_INSTALL,
	SCRIPT_POST_INSTALL,
	SCRIPT_PRE_UPDATE,
	SCRIPT_POST_UPDATE,
	SCRIPT_PRE_REMOVE,
	SCRIPT_POST_REMOVE,
	SCRIPT_KINDS
};

/* An application template that is part of a template; application.h makes such. */
struct template_part {
	char *name;
	char *scripts[SCRIPT_KINDS]; /* absolute paths, or NULL */
};

struct template
{
	struct template_name name;
	char *text; /* template_name_text(), and "+NAME" for each application that was asked for */
	const char *arch_word; /* the packager's: "amd64" for deb */
	enum package_format format;
	struct strvec packages; /* of the set: name, name-version, @group */
	struct strvec excluded; /* the "-name" lines */
	struct template_repository *repositories;
	size_t repository_count;
	struct strvec key_files; /* absolute paths of gpgkeys/ */
	struct template_trust *trust;
	size_t trust_count;
	struct strvec guest_repositories; /* lines of the guest's sources.list; URLs for rpm */
	struct strvec environment; /* KEY=value */
	char *scripts[SCRIPT_KINDS]; /* absolute paths, or NULL */
	struct template_part *parts; /* each after those that it requires; none in an OS template */
	size_t part_count;
	char *summary, *description, *distribution, *osrelease;
	char *jquota; /* "no" if its software cannot do quotas in a journal; NULL: not said */
	struct strvec upgradable_versions;
	char *config_path; /* the most specific folder that exists */
	struct digest digest; /* of everything above that can change the result: lists,
					 * scripts, keys, trust, format number; not resolved URLs */
};

/* The words of SCRIPT_*: "pre-cache" … */
const char *template_script_name(enum template_script script);

struct template_source {
	struct strvec roots; /* TEMPLATE first, then the shipped templates */
	const struct conf *variables; /* $DEBIAN_MIRROR and the like, all of them resolved */
	const struct strvec *repositories; /* --repository lines; replace the template's if any */
};

/* Loads one template by the name that a user typed. The caller owns *ret: template_free(). */
int template_load(const struct template_source *source, const char *name, struct template **ret,
		  struct error *err);
void template_free(struct template *template);
void template_freep(struct template **template);

/* Every OS-RELEASE[-SET] that the roots hold, for the host's architecture, sorted. */
int template_list(const struct template_source *source, struct strvec *names, struct error *err);

/*
 * Looks harder than template_load(): every file of every level, unknown file names, keys that no
 * trust line names and trust lines without a key, scripts without a run bit, variables that are
 * not set. Calls `found` for each finding; returns the number of errors among them, or -1.
 */
typedef void template_finding(bool is_error, const char *file, unsigned line, const char *text,
			      void *data);
int template_lint(const struct template_source *source, const char *name, template_finding *found,
		  void *data, struct error *err);
