#include "runtime/config/ctid.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/strbuf.h"

enum { NAME_LENGTH_MAX = 63 };

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

bool ctid_is_range(const char *text)
{
	size_t first = strspn(text, "0123456789");
	return first && text[first] == '-' && is_number(text + first + 1);
}

int ctid_parse(const char *text, unsigned *ret, struct error *err)
{
	errno = 0;
	unsigned long value = is_number(text) ? strtoul(text, NULL, 10) : 0;
	if (!errno && value >= CTID_FIRST && value <= CTID_LAST) {
		*ret = (unsigned)value;
		return 0;
	}
	error_set(err, ERROR_USAGE, "\"%s\" cannot be the number of a VE", text);
	return error_hint(err, "numbers go from %d to %d", CTID_FIRST, CTID_LAST);
}

int ve_name_check(const char *name, struct error *err)
{
	size_t length = strlen(name);
	bool good = length > 0 && length <= NAME_LENGTH_MAX && !is_number(name) &&
		    !ctid_is_range(name) && isalnum((unsigned char)*name);
	for (const char *c = name; *c; c++)
		good &= isalnum((unsigned char)*c) || strchr("._-", *c) != NULL;
	if (good)
		return 0;
	error_set(err, ERROR_VE_NAME, "\"%s\" cannot be the name of a VE", name);
	return error_hint(err,
			  "a name has letters, digits, \".\", \"_\" and \"-\", begins with one of "
			  "the first two, is neither a number nor two with \"-\" between, and has "
			  "at most %d characters",
			  NAME_LENGTH_MAX);
}

char *ctid_expand(const char *text, unsigned ctid)
{
	static const char *const forms[] = { "${VEID}", "$VEID" };
	AUTO(strbuf_release) struct strbuf expanded = STRBUF_INIT;
	while (*text) {
		size_t i = 0;
		while (i < 2 && strncmp(text, forms[i], strlen(forms[i])) != 0)
			i++;
		if (i < 2)
			strbuf_addf(&expanded, "%u", ctid);
		else
			strbuf_addc(&expanded, *text);
		text += i < 2 ? strlen(forms[i]) : 1;
	}
	return strbuf_detach(&expanded);
}

/* 101.conf, and nothing like 101.conf.old or ve-basic.conf-sample. */
static bool is_conf(const char *file, unsigned *ctid)
{
	size_t digits = strspn(file, "0123456789");
	if (!digits || *file == '0' || strcmp(file + digits, ".conf") != 0)
		return false;
	autofree char *number = xstrndup(file, digits);
	return ctid_parse(number, ctid, NULL) == 0;
}

static int compare(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
	return (x > y) - (x < y);
}

int ctid_list(const struct host_config *host, unsigned **ret, size_t *count, struct error *err)
{
	size_t capacity = 0;
	unsigned *found = NULL, ctid;
	*count = 0;
	*ret = NULL;
	autoclosedir DIR *dir = opendir(host->ve_confdir);
	if (!dir && errno != ENOENT)
		return error_errno(err, errno, "listing %s", host->ve_confdir);
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		if (!is_conf(entry->d_name, &ctid))
			continue;
		found = xgrow(found, *count, &capacity, sizeof(*found));
		found[(*count)++] = ctid;
	}
	if (*count)
		qsort(found, *count, sizeof(*found), compare);
	*ret = found;
	return 0;
}

bool ctid_of_name(const struct host_config *host, const char *name, unsigned *ret)
{
	autofree unsigned *ctids = NULL;
	size_t count;
	if (ctid_list(host, &ctids, &count, NULL) < 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		AUTO(conf_release) struct conf conf = CONF_INIT;
		autofree char *path = xasprintf("%s/%u.conf", host->ve_confdir, ctids[i]);
		if (conf_read(&conf, AT_FDCWD, path, true, NULL) < 0)
			continue;
		const char *other = conf_get(&conf, "NAME");
		if (other && !strcmp(other, name)) {
			*ret = ctids[i];
			return true;
		}
	}
	return false;
}

int ctid_find(const struct host_config *host, const char *text, unsigned *ret, struct error *err)
{
	if (is_number(text) || !isalnum((unsigned char)*text))
		return ctid_parse(text, ret, err);
	if (ctid_of_name(host, text, ret))
		return 0;
	error_set(err, ERROR_NO_VE, "there is no VE called \"%s\"", text);
	return error_hint(err, "\"vzlist -a -o ctid,name\" shows which there are");
}
