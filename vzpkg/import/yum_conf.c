#include "vzpkg/import/yum_conf.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/import/source.h"

static void add(struct yum_conf *conf, const char *section, char *key, char *value, unsigned line)
{
	conf->options = xgrow(conf->options, conf->count, &conf->capacity, sizeof(*conf->options));
	conf->options[conf->count++] = (struct yum_option){
		.section = xstrdup(section),
		.key = key,
		.value = value,
		.line = line,
	};
}

/* The name in "[name]", or NULL. */
static char *section_name(const char *line)
{
	size_t length = strlen(line);
	if (length < 3 || *line != '[' || line[length - 1] != ']')
		return NULL;
	return xstrndup(line + 1, length - 2);
}

static void add_line(struct yum_conf *conf, const char *section, const char *line, unsigned number)
{
	const char *equals = strchr(line, '=');
	size_t length = equals ? (size_t)(equals - line) : 0;

	while (length && (line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	if (!length || !*section) {
		add(conf, section, NULL, xstrdup(line), number);
		return;
	}
	char *key = xstrndup(line, length);
	for (char *c = key; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	const char *value = equals + 1;
	add(conf, section, key, xstrdup(value + strspn(value, " \t")), number);
}

/* An indented line belongs to the option before it. */
static bool continues(const struct yum_conf *conf, const struct source_lines *lines)
{
	return lines->indented && conf->count && conf->options[conf->count - 1].key;
}

static void join(struct yum_option *option, const char *line)
{
	char *joined = xasprintf("%s%s%s", option->value, *option->value ? " " : "", line);
	free(option->value);
	option->value = joined;
}

void yum_conf_parse(struct yum_conf *conf, const struct strbuf *text)
{
	struct source_lines lines = source_lines(text);
	char *section = xstrdup("");
	bool fresh = true; /* no option since the section's name */
	char *line;

	lines.more = ";";
	while (source_line(&lines, &line)) {
		char *name = line ? section_name(line) : NULL;
		if (!line) {
			add(conf, section, NULL, xstrdup("a line that is not text"), lines.number);
		} else if (name) {
			free(section);
			section = name;
		} else if (!fresh && continues(conf, &lines)) {
			join(&conf->options[conf->count - 1], line);
		} else {
			add_line(conf, section, line, lines.number);
		}
		fresh = name != NULL;
		free(line);
	}
	free(section);
}

const char *yum_conf_get(const struct yum_conf *conf, const char *section, const char *key)
{
	for (size_t i = conf->count; i-- > 0;)
		if (conf->options[i].key && strcmp(conf->options[i].key, key) == 0 &&
		    strcmp(conf->options[i].section, section) == 0)
			return conf->options[i].value;
	return NULL;
}

void yum_conf_release(struct yum_conf *conf)
{
	for (size_t i = 0; i < conf->count; i++) {
		free(conf->options[i].section);
		free(conf->options[i].key);
		free(conf->options[i].value);
	}
	free(conf->options);
	*conf = YUM_CONF_INIT;
}
