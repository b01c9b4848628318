#include "runtime/guest/guest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/guest/console.h"
#include "runtime/guest/edit.h"
#include "runtime/guest/kind.h"

#define SYSCONFIG "/etc/sysconfig/network"

/* The first that is there is the one that is used: Debian's ifupdown wins over a networkd beside it. Red Hat's ifup
 * does not, since it cannot be removed there: a networkd that is enabled was somebody's choice. */
static const struct guest_kind *const kinds[] = { &guest_ifupdown, &guest_networkd, &guest_ifcfg };

static const struct guest_kind *find_kind(int root)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i]->is_there(root))
			return kinds[i];
	return NULL;
}

const char *guest_network_kind(int root)
{
	const struct guest_kind *kind = find_kind(root);
	return kind ? kind->name : "none";
}

/* ---- names ------------------------------------------------------------------------------------------------- */

static int write_hostname(int root, const char *hostname, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	strbuf_addf(&text, "%s\n", hostname);
	return guest_write(root, "/etc/hostname", &text, err);
}

/* The lines of `old` for that variable. */
static void keep_variable(struct strbuf *text, const char *old, const char *name)
{
	size_t length = strlen(name);
	for (const char *line = old; *line; line += strspn(line, "\n")) {
		size_t size = strcspn(line, "\n");
		if (!strncmp(line, name, length) && line[length] == '=')
			strbuf_addf(text, "%.*s\n", (int)size, line);
		line += size;
	}
}

/*
 * Of Red Hat's initscripts, which before /etc/hostname have the host name from it, and which do nothing without the
 * file. A shell reads it, so our lines, which are the last, count. GATEWAYDEV makes ifup replace the default route,
 * which succeeds whether there is one or not. NETWORKING_IPV6 is what releases of 2005 want before they look for
 * IPv6 anywhere.
 */
static int write_sysconfig(int root, const struct guest_settings *settings, struct error *err)
{
	AUTO(strbuf_release) struct strbuf old = STRBUF_INIT, block = STRBUF_INIT;
	static const char *const always = "NETWORKING=yes\n";
	bool six = false;
	if (!guest_has(root, SYSCONFIG "-scripts/."))
		return 0;
	guest_read_block(root, SYSCONFIG, &old);
	strbuf_adds(&block, always);
	if (settings->hostname)
		strbuf_addf(&block, "HOSTNAME=%s\n", settings->hostname);
	else
		keep_variable(&block, old.text, "HOSTNAME");
	for (size_t i = 0; i < settings->address_count; i++)
		six |= settings->addresses[i].family == AF_INET6;
	if (!settings->network) {
		keep_variable(&block, old.text, "GATEWAYDEV");
		keep_variable(&block, old.text, "NETWORKING_IPV6");
	} else if (settings->address_count) {
		strbuf_addf(&block, "GATEWAYDEV=venet0\n%s", six ? "NETWORKING_IPV6=yes\n" : "");
	}
	if (block.length == strlen(always))
		strbuf_truncate(&block, 0);
	return guest_write_block(root, SYSCONFIG, block.text, err);
}

/* hosts(5): the first address of the VE, or the one that Debian uses for hosts without one. */
static int write_hosts(int root, const struct guest_settings *settings, struct error *err)
{
	static const char *const usual = "127.0.0.1\tlocalhost\n"
					 "::1\t\tlocalhost ip6-localhost ip6-loopback\n";
	AUTO(strbuf_release) struct strbuf block = STRBUF_INIT, old = STRBUF_INIT;
	const char *hostname = settings->hostname;
	autofree char *address = settings->address_count ? address_text(&settings->addresses[0])
							 : xstrdup("127.0.1.1");
	size_t label = strcspn(hostname, ".");
	address[strcspn(address, "/")] = 0;
	strbuf_addf(&block, "%s\t%s", address, hostname);
	if (hostname[label])
		strbuf_addf(&block, " %.*s", (int)label, hostname);
	strbuf_addc(&block, '\n');
	if (!guest_read(root, "/etc/hosts", &old) || !old.length) {
		strbuf_adds(&old, usual);
		if (guest_write(root, "/etc/hosts", &old, err) < 0)
			return -1;
	}
	return guest_write_block(root, "/etc/hosts", block.text, err);
}

/* ---- resolvers ------------------------------------------------------------------------------------------------ */

static void add_words(struct strbuf *text, const char *keyword, const struct strvec *words)
{
	strbuf_adds(text, keyword);
	for (size_t i = 0; i < words->count; i++)
		strbuf_addf(text, "%s%s", i ? " " : "", words->items[i]);
	strbuf_addc(text, '\n');
}

/* systemd-resolved keeps /etc/resolv.conf as a link to a file of its own. */
static bool is_resolved(int root)
{
	char target[256];
	autoclose int etc = open_in_root(root, "/etc", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	ssize_t length = etc < 0 ? -1 : readlinkat(etc, "resolv.conf", target, sizeof(target) - 1);
	if (length <= 0)
		return false;
	target[length] = 0;
	return strstr(target, "systemd/resolve/") != NULL;
}

static int write_resolved(int root, const struct guest_settings *settings, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	/* resolved.conf.d(5); the folder is there with the service or is made here. */
	autoclose int systemd =
		open_in_root(root, "/etc/systemd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (systemd < 0)
		return 0;
	mkdirat(systemd, "resolved.conf.d", 0755);
	strbuf_adds(&text, "# Written by vzctl at each start of the VE.\n[Resolve]\n");
	if (settings->nameservers)
		add_words(&text, "DNS=", settings->nameservers);
	if (settings->searchdomains)
		add_words(&text, "Domains=", settings->searchdomains);
	return guest_write(root, "/etc/systemd/resolved.conf.d/vzctl.conf", &text, err);
}

/* The lines of resolv.conf(5) that do not begin with one of these words, of which the second may be NULL. */
static void keep_lines(struct strbuf *text, const char *old, const char *word, const char *other)
{
	for (const char *line = old; *line; line += strspn(line, "\n")) {
		size_t size = strcspn(line, "\n"), length = strcspn(line, " \t\n");
		bool ours = (length == strlen(word) && !strncmp(line, word, length)) ||
			    (other && length == strlen(other) && !strncmp(line, other, length));
		if (!ours)
			strbuf_addf(text, "%.*s\n", (int)size, line);
		line += size;
	}
}

/* What is not set stays as the VE has it; "domain" is an earlier word for "search". */
static int write_resolver(int root, const struct guest_settings *settings, struct error *err)
{
	static const char mark[] =
		"# Written by vzctl at each start of the VE; see its NAMESERVER.\n";
	AUTO(strbuf_release)
	struct strbuf text = STRBUF_INIT, old = STRBUF_INIT, rest = STRBUF_INIT;
	if (is_resolved(root))
		return write_resolved(root, settings, err);
	guest_read(root, "/etc/resolv.conf", &old);
	const char *before =
		strncmp(old.text, mark, strlen(mark)) ? old.text : old.text + strlen(mark);
	strbuf_adds(&text, mark);
	for (size_t i = 0; settings->nameservers && i < settings->nameservers->count; i++)
		strbuf_addf(&text, "nameserver %s\n", settings->nameservers->items[i]);
	if (settings->searchdomains && settings->searchdomains->count)
		add_words(&text, "search ", settings->searchdomains);
	if (settings->nameservers)
		keep_lines(&rest, before, "nameserver", settings->searchdomains ? "search" : NULL);
	else
		keep_lines(&rest, before, "search", NULL);
	if (settings->searchdomains)
		keep_lines(&text, rest.text, "domain", NULL);
	else
		strbuf_adds(&text, rest.text);
	return guest_write(root, "/etc/resolv.conf", &text, err);
}

/* ----------------------------------------------------------------------------------------------------------------- */

int guest_configure(int root, const struct guest_settings *settings, struct error *err)
{
	if (!guest_has(root, "/etc/."))
		return 0;
	if (settings->console && guest_console(root, err) < 0)
		return -1;
	const struct guest_kind *kind = settings->network ? find_kind(root) : NULL;
	if (kind && kind->write(root, settings, err) < 0)
		return -1;
	if ((settings->network || settings->hostname) && write_sysconfig(root, settings, err) < 0)
		return -1;
	if (settings->hostname && (write_hostname(root, settings->hostname, err) < 0 ||
				   write_hosts(root, settings, err) < 0))
		return -1;
	if (settings->nameservers || settings->searchdomains)
		return write_resolver(root, settings, err);
	return 0;
}
