#include "image/tar_tree.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/strbuf.h"
#include "image/tar_writer.h"
#include "image/walk.h"

enum { PIECE = 4 << 20 };

struct output {
	int fd;
	const char *name;
	struct report *report;
	uint64_t done; /* bytes */
	struct strbuf tar;
};

static int flush(struct output *output, const char *item, struct error *err)
{
	if (interrupt_check(err) < 0 ||
	    write_all(output->fd, output->tar.text, output->tar.length, output->name, err) < 0)
		return -1;
	output->done += output->tar.length;
	report_progress(output->report, output->done, item);
	strbuf_truncate(&output->tar, 0);
	return 0;
}

static int write_entry(struct tar_writer *writer, const struct walk_entry *entry,
		       struct output *output, struct error *err)
{
	uint64_t at = 0;
	do {
		uint64_t rest = entry->size - at, piece = rest < PIECE ? rest : PIECE;
		if (tar_write(writer, entry, at, piece, &output->tar, err) < 0 ||
		    (piece && flush(output, entry->path, err) < 0))
			return -1;
		at += piece;
	} while (at < entry->size);
	return output->tar.length < PIECE ? 0 : flush(output, entry->path, err);
}

static int write_entries(const struct walk *walk, struct tar_writer *writer, struct output *output,
			 struct error *err)
{
	uint64_t total = 0;

	for (size_t i = 0; i < walk->count; i++)
		total += walk->entries[i].size;
	report_total(output->report, total);
	for (size_t i = 0; i < walk->count; i++)
		if (write_entry(writer, &walk->entries[i], output, err) < 0)
			return -1;
	tar_write_end(&output->tar);
	return flush(output, output->name, err);
}

int tar_tree(int tree, int64_t epoch, int fd, const char *name, struct report *report,
	     struct error *err)
{
	AUTO(walk_release) struct walk walk = WALK_INIT;
	struct output output = { .fd = fd, .name = name, .report = report, .tar = STRBUF_INIT };

	if (walk_tree_lightly(tree, NULL, NULL, &walk, err) < 0)
		return -1;
	struct tar_writer *writer = tar_writer_new(tree, epoch, err);
	int result = writer ? write_entries(&walk, writer, &output, err) : -1;
	tar_writer_free(writer);
	strbuf_release(&output.tar);
	return result;
}
