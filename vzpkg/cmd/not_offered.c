#include "vzpkg/cmd/not_offered.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *name;
	enum error_kind kind;
	const char *hint;
} rows[] = {
	{ "link", ERROR_UNSUPPORTED, "VEs share their template's files by themselves" },
	{ "repair", ERROR_UNSUPPORTED, "a template's layer is made anew from its cache" },
	{ "verify-area", ERROR_UNSUPPORTED, "no files are shared by links" },
	{ "upgrade-area", ERROR_TECHNOLOGY, "there is one form of a VE's files" },
	{ "create-image", ERROR_TECHNOLOGY, "\"vzpkg create-cache\" makes a tarball" },
	{ "install-template", ERROR_UNSUPPORTED,
	  "a template is a folder of text files; see doc/templates.md" },
	{ "update-template", ERROR_UNSUPPORTED, "shipped templates come with vzpkg's own package" },
	{ "remove-template", ERROR_UNSUPPORTED, "\"vzpkg remove-cache\" removes what was built" },
	{ "sync-vzpackages", ERROR_UNSUPPORTED, "a VE's own package manager knows its packages" },
	{ "get-backup-apps", ERROR_UNSUPPORTED, "\"vzpkg list VE\" shows its applications" },
	{ "upgrade", ERROR_UNSUPPORTED, "run the VE's own release upgrade inside it" },
	{ "update-appcache", ERROR_UNSUPPORTED, "\"vzpkg create-appcache\" builds it" },
	{ "remove-appcache", ERROR_UNSUPPORTED, "\"vzpkg remove-cache\" removes a cache" },
	{ "list-appcache", ERROR_UNSUPPORTED, "\"vzpkg list\" lists all caches" },
};

/* OpenVZ wrote get_backup_apps, sync_vzpackages. */
static int same(const char *name, const char *row)
{
	for (; *name && (*name == '_' ? '-' : *name) == *row; name++)
		row++;
	return !*name && !*row;
}

int not_offered(const char *name, struct error *err)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (same(name, rows[i].name)) {
			error_set(err, rows[i].kind, "\"%s\" is not offered by this vzpkg", name);
			error_subject(err, "%s", name);
			return error_hint(err, "%s", rows[i].hint);
		}
	return 0;
}
