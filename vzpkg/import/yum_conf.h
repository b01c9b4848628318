/*
 * The text of a yum.conf(5): sections, options, continued lines. For vzpkg/import/ only.
 */
#pragma once

#include <stddef.h>

#include "base/strbuf.h"

struct yum_option {
	char *section; /* "main", or a repository's id */
	char *key; /* in lower case; NULL: a line that is neither a section nor an option, which is `value` */
	char *value; /* continued lines are joined by a blank; may be empty */
	unsigned line; /* where it begins */
};

struct yum_conf {
	struct yum_option *options;
	size_t count, capacity;
};

#define YUM_CONF_INIT ((struct yum_conf){ 0 })

/* Never fails: what is not understood is an option without a key. */
void yum_conf_parse(struct yum_conf *conf, const struct strbuf *text);
void yum_conf_release(struct yum_conf *conf);

/* The value that yum would take, the last one; NULL if the section has none. */
const char *yum_conf_get(const struct yum_conf *conf, const char *section, const char *key);
