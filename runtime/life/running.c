#include "runtime/life/running.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/confine.h"
#include "runtime/wire.h"

enum { FAILURE_MAX = 1 << 20 };

static int not_running(unsigned ctid, struct error *err)
{
	error_set(err, ERROR_NOT_RUNNING, "the VE %u is not running", ctid);
	return error_hint(err, "\"vzctl start %u\" starts it", ctid);
}

static int suspended(unsigned ctid, struct error *err)
{
	error_set(err, ERROR_SUSPENDED, "the VE %u is suspended", ctid);
	return error_hint(err, "\"vzctl resume %u\" lets it go on", ctid);
}

int running_find(const struct host_config *host, unsigned ctid, struct running *ret,
		 struct error *err)
{
	*ret = (struct running){
		.config = VE_CONFIG_INIT,
		.state = VE_STATE_INIT,
		.pidfd = -1,
		.group = CGROUP_INIT,
	};
	if (ve_config_load(host, ctid, &ret->config, err) < 0 ||
	    ve_state_load(host, ctid, &ret->state, err) < 0)
		return -1;
	if (ret->state.phase == VE_DUMPED)
		return suspended(ctid, err);
	if ((ret->state.phase != VE_RUNNING && ret->state.phase != VE_STOPPING) ||
	    !ret->state.this_boot || (ret->pidfd = ve_process_open(&ret->state.init)) < 0)
		return not_running(ctid, err);
	return confine_new(&ret->confine, err);
}

int running_open(const struct host_config *host, unsigned ctid, struct running *ret,
		 struct error *err)
{
	if (running_find(host, ctid, ret, err) < 0)
		return -1;
	/* Who joined it would stand still, too. */
	if (ret->state.suspended)
		return suspended(ctid, err);
	return cgroup_open(&ret->state.groups, &ret->group, err);
}

void running_release(struct running *running)
{
	ve_config_release(&running->config);
	ve_state_release(&running->state);
	cgroup_close(&running->group);
	confine_free(running->confine);
	if (running->pidfd >= 0)
		close(running->pidfd);
	running->pidfd = -1;
	running->confine = NULL;
}

/* ---- running_call() ------------------------------------------------------------------------------ */

struct call {
	running_function *function;
	void *data;
	const int *keep;
	size_t keep_count;
	int failure;
};

static int close_others(const struct call *call)
{
	size_t count = call->keep_count;
	autofree int *keep = xcalloc(count + 1, sizeof(*keep));
	for (size_t i = 0; i < count; i++)
		keep[i] = call->keep[i];
	keep[count] = call->failure;
	return entry_close_others(keep, count + 1);
}

static int settle(const struct call *call, struct error *err)
{
	if (entry_settle(err) < 0)
		return -1;
	if (close_others(call) < 0)
		return error_errno(err, errno, "closing descriptors");
	return 0;
}

static int inside(void *data)
{
	const struct call *call = data;
	struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (settle(call, &err) == 0 && call->function(call->data, &err) == 0)
		return 0;
	wire_pack_error(&text, &err);
	write_all(call->failure, text.text, text.length, "a pipe", NULL);
	return 1;
}

static int judge(int status, const struct strbuf *failure, struct error *err)
{
	if (WIFSIGNALED(status))
		return error_set(err, ERROR_CHILD, "a process in the VE was killed by signal %d",
				 WTERMSIG(status));
	if (WEXITSTATUS(status) == 0 && failure->length == 0)
		return 0;
	return wire_unpack_error(failure->text, failure->length, err);
}

int running_call(const struct running *running, running_function *function, void *data,
		 const int *keep, size_t keep_count, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	int failure[2], status = 0;
	if (pipe2(failure, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	struct call call = { function, data, keep, keep_count, failure[1] };
	struct entry entry = { running->pidfd, &running->group, inside, &call, failure[1] };
	pid_t child = entry_fork(&entry, err);
	close(failure[1]);
	if (child > 0)
		file_read_fd(failure[0], "a pipe", FAILURE_MAX, &text, NULL);
	close(failure[0]);
	if (child < 0)
		return -1;
	if (TEMP_FAILURE_RETRY(waitpid(child, &status, 0)) < 0)
		return error_errno(err, errno, "waiting for a process in the VE");
	return judge(status, &text, err);
}
