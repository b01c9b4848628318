#include "runtime/output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/ve.h"

/* A line longer than this comes in pieces. */
enum { LINE_MAX_BYTES = 16384 };

static void flush(struct output *output)
{
	struct strbuf *line = &output->partial;
	if (line->length && line->text[line->length - 1] == '\r')
		strbuf_truncate(line, line->length - 1);
	if (output->line)
		output->line(line->text, output->data);
	strbuf_truncate(line, 0);
}

static void split(struct output *output, const char *bytes, size_t size)
{
	while (size) {
		const char *newline = memchr(bytes, '\n', size);
		size_t length = newline ? (size_t)(newline - bytes) : size;
		strbuf_add(&output->partial, bytes, length);
		if (newline || output->partial.length >= LINE_MAX_BYTES)
			flush(output);
		length += !!newline;
		bytes += length;
		size -= length;
	}
}

static void keep(struct strbuf *kept, const char *bytes, size_t size)
{
	strbuf_add(kept, bytes, size);
	if (kept->length <= (size_t)2 * VE_OUTPUT_KEPT)
		return;
	memmove(kept->text, kept->text + kept->length - VE_OUTPUT_KEPT, VE_OUTPUT_KEPT);
	strbuf_truncate(kept, VE_OUTPUT_KEPT);
}

bool output_read(struct output *output)
{
	char bytes[16384];
	ssize_t got = read(output->fd, bytes, sizeof(bytes));
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	split(output, bytes, (size_t)got);
	keep(&output->kept, bytes, (size_t)got);
	return got > 0;
}

/* A process left in the background may print for ever: what a pipe holds at once is the limit. */
void output_finish(struct output *output)
{
	enum { READS = 64 };
	char bytes[16384];
	for (int i = 0; i < READS; i++) {
		ssize_t got = read(output->fd, bytes, sizeof(bytes));
		if (got <= 0)
			break;
		split(output, bytes, (size_t)got);
		keep(&output->kept, bytes, (size_t)got);
	}
	if (output->partial.length)
		flush(output);
	if (output->kept.length > VE_OUTPUT_KEPT) {
		size_t cut = output->kept.length - VE_OUTPUT_KEPT;
		memmove(output->kept.text, output->kept.text + cut, VE_OUTPUT_KEPT);
		strbuf_truncate(&output->kept, VE_OUTPUT_KEPT);
	}
}

void output_release(struct output *output)
{
	if (output->fd >= 0)
		close(output->fd);
	strbuf_release(&output->partial);
	strbuf_release(&output->kept);
}
