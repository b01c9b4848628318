#include "runtime/config/ve_config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "runtime/config/ctid.h"

enum {
	STOP_TIMEOUT_S = 120,
	ACTION_TIMEOUT_S = 180,
	TIMEOUT_MAX_S = 86400,
	SAMPLE_LIMIT = 1 << 20
};

static const char *const layout_names[] = {
	[VE_LAYOUT_OVERLAY] = "overlay",
	[VE_LAYOUT_SIMFS] = "simfs",
};

int ve_layout_parse(const char *word, enum ve_layout *ret, struct error *err)
{
	for (size_t i = 0; i < sizeof(layout_names) / sizeof(*layout_names); i++)
		if (!strcmp(word, layout_names[i])) {
			*ret = (enum ve_layout)i;
			return 0;
		}
	error_set(err, ERROR_VALUE, "\"%s\" is not a layout", word);
	return error_hint(err, "there are overlay (shares the template's files) and simfs (has a "
			       "copy of its own)");
}

const char *ve_layout_name(enum ve_layout layout)
{
	return layout_names[layout];
}

char *ve_config_path(const struct host_config *host, unsigned ctid)
{
	return xasprintf("%s/%u.conf", host->ve_confdir, ctid);
}

bool ve_config_exists(const struct host_config *host, unsigned ctid)
{
	autofree char *path = ve_config_path(host, ctid);
	return access(path, F_OK) == 0;
}

/* The VE's own file first. */
static const char *get(const struct host_config *host, const struct ve_config *config,
		       const char *key)
{
	return conf_get(&config->conf, key) ?: conf_get(&host->conf, key);
}

static int mistake(const struct host_config *host, const struct ve_config *config, const char *key,
		   const char *what, struct error *err)
{
	const char *own = conf_get(&config->conf, key);
	const char *path = own ? config->conf.path : host->conf.path;
	error_set(err, ERROR_PARSE, "%s: %s=\"%s\": %s", path ? path : "vz.conf", key,
		  own ?: conf_get(&host->conf, key), what);
	if (path)
		error_subject(err, "%s", path);
	return error_hint(err, "correct that line");
}

static int get_number(const struct host_config *host, const struct ve_config *config,
		      const char *key, unsigned long most, unsigned *ret, struct error *err)
{
	const char *text = get(host, config, key);
	char *end;
	if (!text || !*text)
		return 0;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text) || *end || value > most)
		return mistake(host, config, key, "this is not a number that it can be", err);
	*ret = (unsigned)value;
	return 0;
}

static int get_bool(const struct host_config *host, const struct ve_config *config, const char *key,
		    bool *ret, struct error *err)
{
	const char *text = get(host, config, key);
	if (!text || !*text)
		return 0;
	*ret = !strcmp(text, "yes");
	if (*ret || !strcmp(text, "no"))
		return 0;
	return mistake(host, config, key, "this is neither yes nor no", err);
}

static int get_onboot(const struct host_config *host, struct ve_config *config, struct error *err)
{
	static const char *const words[] = { "no", "yes", "auto" };
	const char *text = get(host, config, "ONBOOT");
	if (!text || !*text)
		return 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(text, words[i])) {
			config->onboot = (enum ve_onboot)i;
			return 0;
		}
	return mistake(host, config, "ONBOOT", "this is neither yes nor no nor auto", err);
}

/* Only an order depends on it. */
static long get_bootorder(const struct conf *own)
{
	const char *text = conf_get(own, "BOOTORDER");
	char *end = NULL;
	long order = text && isdigit((unsigned char)*text) ? strtol(text, &end, 10) : -1;
	return end && !*end ? order : -1;
}

static int get_addresses(const struct host_config *host, struct ve_config *config,
			 struct error *err)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	strvec_split(&words, conf_get_default(&config->conf, "IP_ADDRESS", ""));
	config->addresses = xcalloc(words.count + 1, sizeof(*config->addresses));
	for (size_t i = 0; i < words.count; i++) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		if (address_parse(words.items[i], &config->addresses[i], &why) < 0)
			return mistake(host, config, "IP_ADDRESS", why.message, err);
		config->address_count++;
	}
	return 0;
}

static int get_interfaces(const struct host_config *host, struct ve_config *config,
			  struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (netifs_parse(conf_get_default(&config->conf, "NETIF", ""), &config->netifs, &why) < 0)
		return mistake(host, config, "NETIF", why.message, err);
	netifs_complete(&config->netifs, config->ctid, host->ve_confdir);
	return 0;
}

static int get_rate(const struct host_config *host, struct ve_config *config, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	const char *text = get(host, config, "NETRATE");
	if (!text || rate_parse(text, &config->rate, &why) == 0)
		return 0;
	return mistake(host, config, "NETRATE", why.message, err);
}

/* resolv.conf(5) */
static void inherit(const char *keyword, struct strvec *words)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (file_read(AT_FDCWD, "/etc/resolv.conf", SAMPLE_LIMIT, &text, NULL) < 0)
		return;
	char *rest = text.text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		AUTO(strvec_release) struct strvec parts = STRVEC_INIT;
		strvec_split(&parts, line);
		if (parts.count < 2 || strcmp(parts.items[0], keyword) != 0)
			continue;
		for (size_t i = 1; i < parts.count; i++)
			strvec_push(words, parts.items[i]);
	}
}

static bool get_words(const struct host_config *host, const struct ve_config *config,
		      const char *key, const char *keyword, struct strvec *words)
{
	const char *text = get(host, config, key);
	if (!text)
		return false;
	if (!strcmp(text, "inherit"))
		inherit(keyword, words);
	else
		strvec_split(words, text);
	return true;
}

/* A folder of this VE: its own setting, or the global one, which names "$VEID". */
static int get_folder(const struct host_config *host, const struct ve_config *config,
		      const char *key, const char *global, char **ret, struct error *err)
{
	const char *own = conf_get(&config->conf, key);
	*ret = ctid_expand(own && *own ? own : global, config->ctid);
	if (**ret != '/')
		return mistake(host, config, key, "this is not an absolute path", err);
	if (!own && !strcmp(*ret, global)) {
		error_set(err, ERROR_PARSE, "%s=\"%s\" is one folder for all VEs", key, global);
		return error_hint(err, "add /$VEID to it in vz.conf");
	}
	return 0;
}

static int get_ids(const struct host_config *host, struct ve_config *config, struct error *err)
{
	unsigned gid = 0;
	if (get_number(host, config, "LOCAL_UID", UINT32_MAX - 65536u, &config->ids_base, err) < 0)
		return -1;
	gid = config->ids_base;
	if (get_number(host, config, "LOCAL_GID", UINT32_MAX - 65536u, &gid, err) < 0)
		return -1;
	if (gid != config->ids_base)
		return mistake(host, config, "LOCAL_GID", "it must be the same as LOCAL_UID", err);
	if (config->ids_base % 65536)
		return mistake(host, config, "LOCAL_UID", "it must be a multiple of 65536", err);
	return get_bool(host, config, "VE_IDS_SHIFTED", &config->ids_shifted, err);
}

static int get_layout(const struct host_config *host, struct ve_config *config, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	const char *layout = get(host, config, "VE_LAYOUT"),
		   *layer = conf_get(&config->conf, "VE_LAYER");
	/* The keys of OpenVZ's configuration files that are taken over. */
	if (layout && ve_layout_parse(layout, &config->layout, &why) < 0)
		return mistake(host, config, "VE_LAYOUT", why.message, err);
	config->layer = xstrdup_or_null(layer);
	if (layer && (strlen(layer) != 64 || layer[strspn(layer, "0123456789abcdef")]))
		return mistake(host, config, "VE_LAYER", "this is no SHA-256 digest", err);
	return 0;
}

static int fill(const struct host_config *host, struct ve_config *config, struct error *err)
{
	const struct conf *own = &config->conf;
	config->name = xstrdup_or_null(conf_get(own, "NAME"));
	config->hostname = xstrdup_or_null(conf_get(own, "HOSTNAME"));
	config->ostemplate = xstrdup_or_null(conf_get(own, "OSTEMPLATE"));
	config->bootorder = get_bootorder(own);
	config->stop_timeout_s = STOP_TIMEOUT_S;
	config->action_timeout_s = ACTION_TIMEOUT_S;
	config->nameservers_set =
		get_words(host, config, "NAMESERVER", "nameserver", &config->nameservers);
	config->searchdomains_set =
		get_words(host, config, "SEARCHDOMAIN", "search", &config->searchdomains);
	if (get_layout(host, config, err) < 0 || get_ids(host, config, err) < 0 ||
	    get_folder(host, config, "VE_PRIVATE", host->ve_private, &config->private_area, err) <
		    0 ||
	    get_folder(host, config, "VE_ROOT", host->ve_root, &config->root, err) < 0 ||
	    get_addresses(host, config, err) < 0 || get_interfaces(host, config, err) < 0 ||
	    get_rate(host, config, err) < 0 || get_onboot(host, config, err) < 0 ||
	    get_bool(host, config, "DISABLED", &config->disabled, err) < 0 ||
	    get_bool(host, config, "MERGE_MEMORY", &config->merge_memory, err) < 0 ||
	    get_bool(host, config, "BUNDLED_INIT", &config->bundled_init, err) < 0 ||
	    get_number(host, config, "STOP_TIMEOUT", TIMEOUT_MAX_S, &config->stop_timeout_s, err) <
		    0)
		return -1;
	return get_number(host, config, "ACTION_TIMEOUT", TIMEOUT_MAX_S, &config->action_timeout_s,
			  err);
}

int ve_config_defaults(const struct host_config *host, unsigned ctid, struct ve_config *ret,
		       struct error *err)
{
	*ret = VE_CONFIG_INIT;
	ret->ctid = ctid;
	return fill(host, ret, err);
}

int ve_config_load(const struct host_config *host, unsigned ctid, struct ve_config *ret,
		   struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	autofree char *path = ve_config_path(host, ctid);
	*ret = VE_CONFIG_INIT;
	ret->ctid = ctid;
	if (conf_read(&ret->conf, AT_FDCWD, path, false, &why) == 0)
		return fill(host, ret, err);
	if (why.kind != ERROR_NO_FILE) {
		error_move(err, &why);
		return -1;
	}
	error_set(err, ERROR_NO_VE, "there is no VE %u", ctid);
	return error_hint(err, "%s is not there; \"vzlist -a\" shows which VEs there are", path);
}

int ve_config_change(const struct host_config *host, struct ve_config *config,
		     const struct conf *changes, struct error *err)
{
	AUTO(ve_config_release) struct ve_config changed = VE_CONFIG_INIT;
	const struct conf *before = &config->conf;
	changed.ctid = config->ctid;
	changed.conf.path = xstrdup_or_null(before->path);
	for (size_t i = 0; i < before->count; i++)
		if (!conf_get(changes, before->entries[i].key))
			conf_set(&changed.conf, before->entries[i].key, before->entries[i].value);
	for (size_t i = 0; i < changes->count; i++)
		if (*changes->entries[i].value)
			conf_set(&changed.conf, changes->entries[i].key, changes->entries[i].value);
	if (fill(host, &changed, err) < 0)
		return -1;
	struct ve_config old = *config;
	*config = changed;
	changed = old;
	return 0;
}

void ve_config_release(struct ve_config *config)
{
	conf_release(&config->conf);
	free(config->name);
	free(config->hostname);
	free(config->ostemplate);
	free(config->layer);
	free(config->private_area);
	free(config->root);
	free(config->addresses);
	netifs_release(&config->netifs);
	strvec_release(&config->nameservers);
	strvec_release(&config->searchdomains);
	*config = VE_CONFIG_INIT;
}

int ve_config_sample(const struct host_config *host, const char *name, char **ret,
		     struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;
	autofree char *own = xasprintf("%s/ve-%s.conf-sample", host->ve_confdir, name);
	/* Beside templates/; as text, since that may be a link. */
	const char *slash = strrchr(host->data_dir, '/');
	autofree char *shipped = xasprintf("%.*s/conf/ve-%s.conf-sample",
					   (int)(slash - host->data_dir), host->data_dir, name);
	if (strchr(name, '/'))
		return error_set(err, ERROR_VALUE, "\"%s\" is not the name of a sample", name);
	if (file_read(AT_FDCWD, own, SAMPLE_LIMIT, &text, &why) < 0 &&
	    (why.kind != ERROR_NO_FILE ||
	     file_read(AT_FDCWD, shipped, SAMPLE_LIMIT, &text, &why) < 0)) {
		if (why.kind != ERROR_NO_FILE) {
			error_move(err, &why);
			return -1;
		}
		error_set(err, ERROR_NO_FILE, "there is no sample configuration \"%s\"", name);
		return error_hint(err, "create %s, or choose another with --config or CONFIGFILE",
				  own);
	}
	*ret = strbuf_detach(&text);
	return 0;
}
