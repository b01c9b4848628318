#include "image/precompress.h"

#include <sys/resource.h>

#include "image/compressor.h"
#include "image/member.h"
#include "image/tar_writer.h"
#include "image/walk.h"

enum { NICE = 10 };

struct filling {
	int tree;
	int64_t epoch;
	struct member_cache *cache;
};

static void fill(void *data)
{
	const struct filling *filling = data;
	struct member_cache *cache = filling->cache;
	struct walk walk = WALK_INIT;
	struct strbuf tar = STRBUF_INIT, gzip = STRBUF_INIT; /* kept: new memory is slow */
	struct member_compressor *compressor =
		member_compressor_new(filling->tree, filling->epoch, NULL);
	size_t count;

	setpriority(PRIO_PROCESS, 0, NICE);
	if (!compressor || walk_tree(filling->tree, NULL, NULL, &walk, NULL) < 0)
		return;
	struct member *members = members_plan(&walk, &count);
	for (size_t i = 0; i < count; i++) {
		strbuf_truncate(&tar, 0);
		strbuf_truncate(&gzip, 0);
		/* A file that has changed or gone since: its member will be made later. */
		if (member_compress(compressor, &walk, &members[i], cache, &tar, &gzip, NULL) == 0)
			member_compressor_keep(compressor, cache, &gzip);
	}
}

int precompress_start(struct precompress *precompress, int tree, int64_t epoch,
		      struct member_cache *cache, struct error *err)
{
	struct filling filling = { .tree = tree, .epoch = epoch, .cache = cache };
	return background_start(&precompress->child, fill, &filling, err);
}

void precompress_stop(struct precompress *precompress)
{
	background_stop(&precompress->child);
}
