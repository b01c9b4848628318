#include "vzpkg/cmd/gate_audit.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"

enum { LINES = 15, NAMES = 5 };

/* "NAME VERSION ARCH" a line, after how it is installed and a "|". */
/* By paths: busybox as the shell would take its own dpkg and rpm. */
static const char deb_audit[] = "/usr/bin/dpkg --audit 2>&1";
static const char deb_list[] =
	"/usr/bin/dpkg-query -W -f '${Status}|${Package} ${Version} ${Architecture}\\n'";
static const char rpm_list[] = "rpm=/usr/bin/rpm; [ -x $rpm ] || rpm=/bin/rpm; "
			       "$rpm -qa --qf 'install ok installed|%{NAME} "
			       "%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH}\\n'";

static int audit_deb(struct gate_ve *ve, struct error *err)
{
	AUTO(strbuf_release) struct strbuf output = STRBUF_INIT;
	int status;
	/* Its status is not 0, too, in newer versions. */
	if (gate_ve_ask(ve, deb_audit, &output, &status, err) < 0)
		return -1;
	if (!output.length && !status)
		return 0;
	autofree char *tail = text_tail(output.text, LINES);
	return error_set(err, ERROR_GATE, "its package database is not whole; dpkg --audit says:%s",
			 tail);
}

/* Lines of a package that was removed, or of a key in rpm's database, are none of an installed one. */
static void add_installed(char *text, struct strvec *installed)
{
	for (char *line; (line = strsep(&text, "\n"));) {
		char *package = strchr(line, '|');
		if (!package || !strstr(line, " ok installed|") ||
		    !strncmp(package, "|gpg-pubkey ", 12))
			continue;
		strvec_push(installed, package + 1);
	}
	strvec_sort(installed);
}

static void add_wanted(const json_t *packages, struct strvec *wanted)
{
	for (size_t i = 0; i < json_array_size(packages); i++) {
		const json_t *package = json_array_get(packages, i);
		strvec_pushf(wanted, "%s %s %s",
			     json_string_value(json_object_get(package, "name")),
			     json_string_value(json_object_get(package, "version")),
			     json_string_value(json_object_get(package, "arch")));
	}
	strvec_sort(wanted);
}

/* What is in `these` (sorted) and not in `those`; at most NAMES are named. */
static size_t difference(const struct strvec *these, const struct strvec *those,
			 struct strbuf *names)
{
	size_t count = 0;
	for (size_t i = 0, j = 0; i < these->count; i++) {
		while (j < those->count && strcmp(those->items[j], these->items[i]) < 0)
			j++;
		if (j < those->count && !strcmp(those->items[j], these->items[i]))
			continue;
		if (count++ < NAMES)
			strbuf_addf(names, "%s%s", names->length ? ", " : "", these->items[i]);
	}
	if (count > NAMES)
		strbuf_addf(names, " and %zu more", count - NAMES);
	return count;
}

static int compare(const struct strvec *installed, const struct strvec *wanted, struct error *err)
{
	AUTO(strbuf_release) struct strbuf more = STRBUF_INIT;
	AUTO(strbuf_release) struct strbuf less = STRBUF_INIT;
	size_t too_many = difference(installed, wanted, &more);
	size_t too_few = difference(wanted, installed, &less);
	if (!too_many && !too_few)
		return 0;
	return error_set(err, ERROR_GATE, "its package database is not that of the plan%s%s%s%s",
			 too_few ? "; it lacks " : "", less.text,
			 too_many ? "; it has besides " : "", more.text);
}

static bool is_among(const json_t *packages, const char *name)
{
	for (size_t i = 0; i < json_array_size(packages); i++) {
		const json_t *package = json_array_get(packages, i);
		if (strcmp(json_string_value(json_object_get(package, "name")) ?: "", name) == 0)
			return true;
	}
	return false;
}

int gate_audit(struct gate_ve *ve, enum package_format format, const json_t *packages,
	       struct error *err)
{
	AUTO(strbuf_release) struct strbuf list = STRBUF_INIT;
	AUTO(strvec_release) struct strvec installed = STRVEC_INIT;
	AUTO(strvec_release) struct strvec wanted = STRVEC_INIT;
	/* Without rpm in it nobody there could say. */
	if (format == PACKAGE_RPM && !is_among(packages, "rpm"))
		return 0;
	if (format == PACKAGE_DEB && audit_deb(ve, err) < 0)
		return -1;
	if (gate_ve_ask(ve, format == PACKAGE_DEB ? deb_list : rpm_list, &list, NULL, err) < 0)
		return -1;
	add_installed(list.text, &installed);
	add_wanted(packages, &wanted);
	return compare(&installed, &wanted, err);
}
