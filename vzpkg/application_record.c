#include "vzpkg/application_record.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/conf_edit.h"
#include "base/strbuf.h"
#include "runtime/config/ve_config.h"

static const char key[] = "TEMPLATES";

void application_names(const char *text, struct strvec *names)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	autofree char *blanks = xstrdup(text);
	for (char *c = blanks; *c; c++)
		if (*c == ',')
			*c = ' ';
	strvec_split(&words, blanks);
	for (size_t i = 0; i < words.count; i++) {
		const char *name = words.items[i] + (words.items[i][0] == '.');
		if (*name && !strvec_contains(names, name))
			strvec_push(names, name);
	}
}

void application_recorded(const struct conf *conf, struct strvec *names)
{
	application_names(conf_get_default(conf, key, ""), names);
}

int application_record(const struct host_config *host, unsigned ctid, const struct strvec *add,
		       const struct strvec *remove, struct error *err)
{
	AUTO(conf_release) struct conf conf = CONF_INIT;
	AUTO(strvec_release) struct strvec before = STRVEC_INIT, after = STRVEC_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *path = ve_config_path(host, ctid);

	if (conf_read(&conf, AT_FDCWD, path, false, err) < 0)
		return -1;
	application_recorded(&conf, &before);
	for (size_t i = 0; i < before.count; i++)
		if (!remove || !strvec_contains(remove, before.items[i]))
			strvec_push(&after, before.items[i]);
	for (size_t i = 0; add && i < add->count; i++)
		if (!strvec_contains(&after, add->items[i]))
			strvec_push(&after, add->items[i]);
	for (size_t i = 0; i < after.count; i++)
		strbuf_addf(&text, "%s.%s", i ? " " : "", after.items[i]);
	bool same = before.count == after.count;
	for (size_t i = 0; same && i < after.count; i++)
		same = strcmp(before.items[i], after.items[i]) == 0;
	if (same)
		return 0;
	const struct conf_change change = { key, after.count ? text.text : NULL };
	if (conf_edit(AT_FDCWD, path, &change, 1, err) == 0)
		return 0;
	if (err)
		err->kind = ERROR_SAVE;
	return error_wrap(err, "recording the application templates of the VE %u", ctid);
}
