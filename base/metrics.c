#include "base/metrics.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"

enum { FILE_MAX = 4 << 20, METRICS_MAX = 16 };

struct metrics_row {
	char *label;
	bool known[METRICS_MAX];
	double values[METRICS_MAX];
};

static struct metrics_row *row_of(struct metrics *metrics, const char *label)
{
	for (size_t i = 0; i < metrics->count; i++)
		if (!strcmp(metrics->rows[i].label, label))
			return &metrics->rows[i];
	metrics->rows =
		xgrow(metrics->rows, metrics->count, &metrics->capacity, sizeof(*metrics->rows));
	struct metrics_row *row = &metrics->rows[metrics->count++];
	*row = (struct metrics_row){ .label = xstrdup(label) };
	return row;
}

void metrics_set(struct metrics *metrics, const char *label, size_t metric, double value)
{
	struct metrics_row *row = row_of(metrics, label);
	row->known[metric] = true;
	row->values[metric] = value;
}

/* NAME{LABEL="VALUE"} NUMBER, without escapes: names of templates need none. */
static void read_line(struct metrics *metrics, char *line)
{
	char *brace = strchr(line, '{'), *end;
	if (!brace)
		return;
	*brace = 0;
	char *label = strchr(brace + 1, '"');
	char *close = label ? strstr(label + 1, "\"} ") : NULL;
	if (!close)
		return;
	*close = 0;
	double value = strtod(close + 3, &end);
	if (*end || end == close + 3 || strpbrk(label + 1, "\"\\\\"))
		return;
	for (size_t i = 0; metrics->table[i].name; i++)
		if (!strcmp(metrics->table[i].name, line))
			metrics_set(metrics, label + 1, i, value);
}

void metrics_load(struct metrics *metrics, const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (file_read(AT_FDCWD, path, FILE_MAX, &text, NULL) < 0)
		return;
	char *rest = text.text;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (*line != '#')
			read_line(metrics, line);
}

void metrics_retain(struct metrics *metrics, const struct strvec *labels)
{
	size_t kept = 0;
	for (size_t i = 0; i < metrics->count; i++)
		if (strvec_contains(labels, metrics->rows[i].label))
			metrics->rows[kept++] = metrics->rows[i];
		else
			free(metrics->rows[i].label);
	metrics->count = kept;
}

int metrics_save(const struct metrics *metrics, const char *path, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	for (size_t i = 0; metrics->table[i].name; i++) {
		const char *name = metrics->table[i].name;
		strbuf_addf(&text, "# HELP %s %s\n# TYPE %s gauge\n", name, metrics->table[i].help,
			    name);
		for (size_t j = 0; j < metrics->count; j++)
			if (metrics->rows[j].known[i])
				strbuf_addf(&text, "%s{%s=\"%s\"} %.16g\n", name, metrics->label,
					    metrics->rows[j].label, metrics->rows[j].values[i]);
	}
	return file_write_atomic(AT_FDCWD, path, 0644, text.text, text.length, err);
}

void metrics_release(struct metrics *metrics)
{
	for (size_t i = 0; i < metrics->count; i++)
		free(metrics->rows[i].label);
	free(metrics->rows);
	*metrics = METRICS_INIT;
}
