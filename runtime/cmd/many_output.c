#include "runtime/cmd/many_output.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

enum {
	LINE_MAX_SIZE = 65536, /* a longer one is broken */
	KEPT_MAX = 1 << 20, /* of a tenant who prints without end */
};

static void keep(struct many_output *output, const char *bytes, size_t size)
{
	size_t room = KEPT_MAX - output->kept.length;
	output->cut |= size > room;
	strbuf_add(&output->kept, bytes, size < room ? size : room);
}

static void end_line(struct many_output *output, struct report *report, bool errors)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (output->prefix)
		strbuf_addf(&text, "%u: ", output->ctid);
	strbuf_add(&text, output->line.text, output->line.length);
	strbuf_addc(&text, '\n');
	report_pass(report, errors, text.text, text.length);
	strbuf_truncate(&output->line, 0);
}

void many_output_add(struct many_output *output, struct report *report, bool errors,
		     const char *bytes, size_t size)
{
	if (output->keep) {
		keep(output, bytes, size);
		return;
	}
	while (size) {
		const char *end = memchr(bytes, '\n', size);
		size_t part = end ? (size_t)(end - bytes) : size;
		size_t room = LINE_MAX_SIZE - output->line.length;
		bool broken = part > room;
		strbuf_add(&output->line, bytes, broken ? room : part);
		if (broken || end)
			end_line(output, report, errors);
		part = broken ? room : part + (end != NULL);
		bytes += part;
		size -= part;
	}
}

void many_output_end(struct many_output *output, struct report *report, bool errors)
{
	if (output->line.length)
		end_line(output, report, errors);
}

json_t *many_output_json(const struct many_output *output)
{
	autofree char *text = text_clean(output->kept.text);
	return json_string(text);
}

void many_output_release(struct many_output *output)
{
	strbuf_release(&output->line);
	strbuf_release(&output->kept);
}
