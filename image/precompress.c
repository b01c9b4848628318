#include "image/precompress.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/interrupt.h"
#include "image/compressor.h"
#include "image/member.h"
#include "image/tar_writer.h"
#include "image/walk.h"

enum { NICE = 10 };

static void fill(int tree, int64_t epoch, struct member_cache *cache)
{
	struct walk walk = WALK_INIT;
	struct strbuf tar = STRBUF_INIT, gzip = STRBUF_INIT; /* kept: new memory is slow */
	struct member_compressor *compressor = member_compressor_new(tree, epoch, NULL);
	size_t count;

	if (!compressor || walk_tree(tree, NULL, NULL, &walk, NULL) < 0)
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
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return error_errno(err, errno, "starting a process");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		interrupt_reset_child();
		setpriority(PRIO_PROCESS, 0, NICE);
		if (getppid() == parent)
			fill(tree, epoch, cache);
		_exit(0);
	}
	precompress->pid = pid;
	return 0;
}

void precompress_stop(struct precompress *precompress)
{
	if (!precompress->pid)
		return;
	kill(precompress->pid, SIGKILL);
	while (waitpid(precompress->pid, NULL, 0) < 0 && errno == EINTR)
		;
	precompress->pid = 0;
}
