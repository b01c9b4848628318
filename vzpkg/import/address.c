#include "vzpkg/import/address.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/strvec.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void address_release(struct address *address)
{
	free(address->repository);
	free(address->list);
	free(address->guest);
	*address = ADDRESS_INIT;
}

/* ---- variables -------------------------------------------------------------------------------------------- */

/* vztt's url.map as it was shipped; longer ones first. */
static const struct {
	const char *name, *value;
} url_map[] = {
	{ "$SUSE_SERVER/pub/opensuse", "http://download.opensuse.org" },
	{ "$SUSE_SERVER", "http://download.opensuse.org" },
	{ "$CE_SERVER", "http://mirror.centos.org" },
	{ "$DEB_SERVER", "http://ftp.de.debian.org" },
	{ "$UBU_SERVER", "http://archive.ubuntu.com" },
	{ "$OLD_UBU_SERVER", "http://old-releases.ubuntu.com" },
};

enum { IS_RELEASE, IS_ARCH };

static const struct {
	const char *name;
	int is;
} variables[] = {
	{ "@@OSVERSION@@", IS_RELEASE }, { "@@OSARCH@@", IS_ARCH },  { "$releasever", IS_RELEASE },
	{ "$release", IS_RELEASE },      { "$basearch", IS_ARCH },   { "$arch", IS_ARCH },
	{ "${releasever}", IS_RELEASE }, { "${basearch}", IS_ARCH },
};

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Is the variable at `text`, and does its name end there? */
static bool is_variable(const char *text, const char *name)
{
	char next = begins(text, name) ? text[strlen(name)] : 'x';
	char last = name[strlen(name) - 1];
	return begins(text, name) &&
	       (last == '@' || last == '}' || !(isalnum((unsigned char)next) || next == '_'));
}

/* Bytes of the variable; 0: none that is known. */
static size_t expand_one(const struct import *import, const char *text, struct strbuf *out)
{
	for (size_t i = 0; i < COUNT(url_map); i++)
		if (is_variable(text, url_map[i].name)) {
			strbuf_adds(out, url_map[i].value);
			return strlen(url_map[i].name);
		}
	for (size_t i = 0; i < COUNT(variables); i++)
		if (is_variable(text, variables[i].name)) {
			strbuf_adds(out,
				    variables[i].is == IS_ARCH ? "$basearch" : import->release);
			return strlen(variables[i].name);
		}
	return 0;
}

static char *name_of_variable(const char *text)
{
	size_t length = 1;
	if (*text == '@')
		length = 2 + strcspn(text + 2, "@/ \t") + 2;
	else
		while (isalnum((unsigned char)text[length]) || strchr("_{}", text[length] ?: ' '))
			length++;
	return xstrndup(text, length < strlen(text) ? length : strlen(text));
}

char *address_expand(const struct import *import, const char *text, char **unknown)
{
	AUTO(strbuf_release) struct strbuf out = STRBUF_INIT;

	while (*text) {
		if (*text != '$' && !begins(text, "@@")) {
			strbuf_addc(&out, *text++);
			continue;
		}
		size_t length = expand_one(import, text, &out);
		if (!length) {
			*unknown = name_of_variable(text);
			return NULL;
		}
		text += length;
	}
	return strbuf_detach(&out);
}

/* ---- parts of addresses ------------------------------------------------------------------------------------- */

/* The address without its scheme, if it has one of those by which mirrors were reached; else NULL. */
static const char *without_scheme(const char *url)
{
	static const char *const schemes[] = { "http://", "https://", "ftp://", "rsync://" };
	for (size_t i = 0; i < COUNT(schemes); i++)
		if (begins(url, schemes[i]))
			return url + strlen(schemes[i]);
	return NULL;
}

/* What comes after the first of `prefixes` (NULL at the end) that the address begins with. */
static const char *after(const char *address, const char *const *prefixes)
{
	for (; address && *prefixes; prefixes++)
		if (begins(address, *prefixes))
			return address + strlen(*prefixes);
	return NULL;
}

/* The tree's own architecture, written out as a part of the path or the value of arch=, is a variable. */
static char *with_variable(const struct import *import, const char *url)
{
	AUTO(strbuf_release) struct strbuf out = STRBUF_INIT;
	const char *arch = import->arch;

	for (const char *at = url; *at;) {
		size_t length = arch ? strlen(arch) : 0;
		bool starts = at > url && (at[-1] == '/' || at[-1] == '=');
		if (length && starts && strncmp(at, arch, length) == 0 &&
		    (!at[length] || strchr("/&", at[length]))) {
			strbuf_adds(&out, "$basearch");
			at += length;
		} else {
			strbuf_addc(&out, *at++);
		}
	}
	while (out.length && out.text[out.length - 1] == '/')
		strbuf_truncate(&out, out.length - 1);
	return strbuf_detach(&out);
}

/* The value of a parameter of a query, to be freed; NULL if it has none. */
static char *parameter(const char *url, const char *name)
{
	const char *at = strchr(url, '?');
	while (at) {
		at++;
		if (begins(at, name) && at[strlen(name)] == '=') {
			at += strlen(name) + 1;
			return xstrndup(at, strcspn(at, "&;"));
		}
		at = strpbrk(at, "&;");
	}
	return NULL;
}

static bool all_digits(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

/* ---- Fedora --------------------------------------------------------------------------------------------------- */

/* Releases up to this one have left the mirrors for the archive. */
enum { FEDORA_ARCHIVED = 42 };

static const char *const fedora_hosts[] = {
	"download.fedora.redhat.com/pub/fedora/linux/",
	"download.fedoraproject.org/pub/fedora/linux/",
	"dl.fedoraproject.org/pub/fedora/linux/",
	"mirrors.kernel.org/fedora/",
	"archive.fedoraproject.org/pub/archive/fedora/linux/",
	"archives.fedoraproject.org/pub/archive/fedora/linux/",
	NULL,
};

/* Names of its lists of mirrors, and the folders that they were for. Updates moved with release 28. */
static const struct {
	const char *name, *before, *behind;
	unsigned up_to;
} fedora_lists[] = {
	{ "fedora-core-", "core", "$basearch/os", 6 },
	{ "core-", "core", "$basearch/os", 6 },
	{ "updates-released-fc", "core/updates", "$basearch", 6 },
	{ "extras-", "extras", "$basearch", 6 },
	{ "fedora-", "releases", "Everything/$basearch/os", 999 },
	{ "updates-released-f", "updates", "$basearch", 27 },
	{ "updates-released-f", "updates", "Everything/$basearch", 999 },
};

static void set_fedora(const struct import *import, const char *rest, struct address *ret)
{
	autofree char *path = with_variable(import, rest);
	bool archived = strtoul(import->release, NULL, 10) <= FEDORA_ARCHIVED;

	if (archived) {
		ret->repository = xasprintf("$FEDORA_ARCHIVE/%s eol", path);
		ret->guest = xasprintf(
			"http://archives.fedoraproject.org/pub/archive/fedora/linux/%s", path);
		ret->moved = "Fedora's archive";
	} else {
		ret->repository = xasprintf("$FEDORA_MIRROR/%s", path);
		ret->guest = xasprintf("https://dl.fedoraproject.org/pub/fedora/linux/%s", path);
		ret->moved = "Fedora's own mirror";
	}
}

static bool set_fedora_list(const struct import *import, const char *name, struct address *ret)
{
	for (size_t i = 0; i < COUNT(fedora_lists); i++) {
		const char *release = name + strlen(fedora_lists[i].name);
		if (!begins(name, fedora_lists[i].name) || !all_digits(release) ||
		    strtoul(release, NULL, 10) > fedora_lists[i].up_to)
			continue;
		autofree char *rest = xasprintf("%s/%s/%s", fedora_lists[i].before, release,
						fedora_lists[i].behind);
		set_fedora(import, rest, ret);
		return true;
	}
	return false;
}

static bool fedora_list(const struct import *import, const char *address, struct address *ret)
{
	static const char *const names[] = { "fedora.redhat.com/download/mirrors/", NULL };
	static const char *const queries[] = {
		"mirrors.fedoraproject.org/mirrorlist",
		"mirrors.fedoraproject.org/metalink",
		NULL,
	};
	const char *name = after(address, names);
	autofree char *repo = after(address, queries) ? parameter(address, "repo") : NULL;

	return (name || repo) && set_fedora_list(import, name ?: repo, ret);
}

/* ---- CentOS --------------------------------------------------------------------------------------------------- */

static const char *const centos_hosts[] = {
	"mirror.centos.org/centos/", "mirror.centos.org/",         "vault.centos.org/centos/",
	"vault.centos.org/",         "mirrors.kernel.org/centos/", NULL,
};

/* The vault has point releases, of which the last has all that came before. */
static const char *const centos_last[] = {
	[2] = "2.1",  [3] = "3.9",      [4] = "4.9",      [5] = "5.11",
	[6] = "6.10", [7] = "7.9.2009", [8] = "8.5.2111",
};

/* false: it is none that the vault has. */
static bool set_centos(const struct import *import, const char *rest, struct address *ret)
{
	size_t length = strcspn(rest, "/");
	autofree char *release = xstrndup(rest, length);
	unsigned long major = strtoul(release, NULL, 10);
	const char *last = major < COUNT(centos_last) ? centos_last[major] : NULL;

	if (!last || !rest[length])
		return false;
	autofree char *path = with_variable(import, rest + length + 1);
	const char *folder = all_digits(release) ? last : release;
	ret->repository = xasprintf("$CENTOS_VAULT/%s/%s eol", folder, path);
	ret->guest = xasprintf("http://vault.centos.org/%s/%s", folder, path);
	ret->moved = "CentOS's vault";
	return true;
}

static bool centos_list(const struct import *import, const char *address, struct address *ret)
{
	static const char *const hosts[] = { "mirrorlist.centos.org/", NULL };
	if (!after(address, hosts))
		return false;
	autofree char *release = parameter(address, "release");
	autofree char *repo = parameter(address, "repo");
	if (!release || !repo)
		return false;
	/* Since 8 the folders are the other way round. */
	autofree char *rest = xasprintf("%s/%s/$basearch%s", release, repo,
					strtoul(release, NULL, 10) >= 8 ? "/os" : "");
	return set_centos(import, rest, ret);
}

/* ---- rpm -------------------------------------------------------------------------------------------------------- */

static bool is_private(const char *url)
{
	const char *host = without_scheme(url);
	return !host || begins(host, "localhost") || begins(host, "127.");
}

void address_rpm(const struct import *import, const char *url, struct address *ret)
{
	const char *address = without_scheme(url);
	const char *fedora = after(address, fedora_hosts);
	const char *centos = after(address, centos_hosts);

	if (fedora) {
		set_fedora(import, fedora, ret);
	} else if (!centos || !set_centos(import, centos, ret)) {
		ret->repository = with_variable(import, url);
		ret->guest = is_private(url) ? NULL : xstrdup(ret->repository);
	}
}

void address_list(const struct import *import, const char *url, struct address *ret)
{
	const char *address = without_scheme(url);

	if (address && (fedora_list(import, address, ret) || centos_list(import, address, ret)))
		return;
	ret->list = with_variable(import, url);
}

/* ---- Debian and Ubuntu -------------------------------------------------------------------------------------------- */

static const char *const debian_archived[] = {
	"buzz", "rex",   "bo",      "hamm",   "slink",  "potato",  "woody",  "sarge",
	"etch", "lenny", "squeeze", "wheezy", "jessie", "stretch", "buster",
};

static const char *const ubuntu_archived[] = {
	"warty",   "hoary",    "breezy",  "dapper",  "edgy",   "feisty",   "gutsy",
	"hardy",   "intrepid", "jaunty",  "karmic",  "lucid",  "maverick", "natty",
	"oneiric", "precise",  "quantal", "raring",  "saucy",  "utopic",   "vivid",
	"wily",    "yakkety",  "zesty",   "artful",  "cosmic", "disco",    "eoan",
	"groovy",  "hirsute",  "impish",  "kinetic", "lunar",  "mantic",
};

/* The release that a suite is of: "lenny" of "lenny/updates" and "lenny-backports". */
static bool is_of(const char *suite, const char *const *releases, size_t count)
{
	size_t length = strcspn(suite, "/-");
	for (size_t i = 0; i < count; i++)
		if (strlen(releases[i]) == length && strncmp(suite, releases[i], length) == 0)
			return true;
	return false;
}

static bool ends(const char *text, const char *with)
{
	size_t length = strlen(text), tail = strlen(with);
	return length >= tail && strcmp(text + length - tail, with) == 0;
}

/* HOST is NAME, or a country's "XX." before or within it. */
static bool is_host(const char *address, const char *name)
{
	size_t length = strcspn(address, "/:");
	autofree char *host = xstrndup(address, length);
	const char *dot = strchr(host, '.');
	return strcmp(host, name) == 0 || (dot && dot - host == 2 && strcmp(dot + 1, name) == 0);
}

static bool is_debian_mirror(const char *address)
{
	static const char *const hosts[] = {
		"ftp.debian.org",       "http.debian.net",    "deb.debian.org",
		"httpredir.debian.org", "archive.debian.org", "cdn.debian.net",
	};
	size_t length = strcspn(address, "/:");
	autofree char *host = xstrndup(address, length);
	autofree char *path = xstrdup(address + strcspn(address, "/"));
	while (*path && path[strlen(path) - 1] == '/')
		path[strlen(path) - 1] = '\0';

	if (strcmp(path, "/debian") != 0)
		return false;
	for (size_t i = 0; i < COUNT(hosts); i++)
		if (strcmp(host, hosts[i]) == 0)
			return true;
	return begins(host, "ftp.") && ends(host, ".debian.org");
}

static bool is_debian_security(const char *address)
{
	return begins(address, "security.debian.org") ||
	       begins(address, "deb.debian.org/debian-security") ||
	       begins(address, "archive.debian.org/debian-security");
}

static bool is_ubuntu(const char *address)
{
	return is_host(address, "archive.ubuntu.com") || is_host(address, "security.ubuntu.com") ||
	       is_host(address, "old-releases.ubuntu.com");
}

static char *join(const struct strvec *words)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	for (size_t i = 1; i < words->count; i++)
		strbuf_addf(&text, " %s", words->items[i]);
	return strbuf_detach(&text);
}

static void set_debian(bool security, bool archived, const char *rest, struct address *ret)
{
	static const char *const variables_of[2][2] = {
		{ "$DEBIAN_MIRROR", "$DEBIAN_ARCHIVE" },
		{ "$DEBIAN_SECURITY_MIRROR", "$DEBIAN_SECURITY_ARCHIVE" },
	};
	static const char *const public[2][2] = {
		{ "http://deb.debian.org/debian", "http://archive.debian.org/debian" },
		{ "http://security.debian.org/debian-security",
		  "http://archive.debian.org/debian-security" },
	};
	ret->repository =
		xasprintf("%s%s%s", variables_of[security][archived], rest, archived ? " eol" : "");
	ret->guest = xasprintf("deb %s%s", public[security][archived], rest);
	ret->moved = archived ? "Debian's archive" : NULL;
}

static void set_ubuntu(const char *url, bool archived, const char *rest, struct address *ret)
{
	if (archived)
		url = "http://old-releases.ubuntu.com/ubuntu";
	ret->repository = xasprintf("%s%s%s", url, rest, archived ? " eol" : "");
	ret->guest = xasprintf("deb %s%s", url, rest);
	ret->moved = archived ? "Ubuntu's old releases" : NULL;
}

bool address_deb(const char *line, struct address *ret, const char **why)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;

	strvec_split(&words, line);
	const char *address = words.count ? without_scheme(words.items[0]) : NULL;
	const char *suite = words.count > 1 ? words.items[1] : "";
	bool debian = is_of(suite, debian_archived, COUNT(debian_archived));
	autofree char *rest = join(&words);

	if (address && is_debian_mirror(address)) {
		*why = "what it had is in the release's last point release, and the archive is "
		       "without it";
		if (debian && ends(suite, "-updates"))
			return false;
		set_debian(false, debian, rest, ret);
	} else if (address && is_debian_security(address)) {
		set_debian(true, debian, rest, ret);
	} else if (address && is_ubuntu(address)) {
		set_ubuntu(words.items[0], is_of(suite, ubuntu_archived, COUNT(ubuntu_archived)),
			   rest, ret);
	} else {
		ret->repository = xstrdup(line);
		ret->guest = words.count && !is_private(words.items[0]) ? xasprintf("deb %s", line)
									: NULL;
	}
	return true;
}
