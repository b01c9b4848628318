#include "runtime/access/script.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/access/exec.h"

static const char *name(enum action_kind kind)
{
	return kind == ACTION_START ? "start" : "stop";
}

static int run(const struct life *life, const struct ve_config *config, const struct strbuf *script,
	       int *status, struct error *err)
{
	struct running running;
	const struct ve_exec_spec spec = {
		.kind = VE_EXEC_SCRIPT,
		.script = script->text,
		.script_size = script->length,
		.limit_ms = config->action_timeout_s * 1000,
		.input = -1,
		.output = STDERR_FILENO,
		.errors = STDERR_FILENO,
	};
	int result = running_open(life->host, life->ctid, &running, err);
	if (result == 0)
		result = ve_exec(&running, &spec, status, err);
	running_release(&running);
	return result;
}

static int run_one(const struct life *life, const struct ve_config *config, enum action_kind kind,
		   bool own, struct error *err)
{
	AUTO(strbuf_release) struct strbuf script = STRBUF_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;
	const struct action action = { life->host, life->report, config };
	int status = 0, found = action_read(&action, kind, own, &script, err);
	if (found <= 0)
		return found;
	if (run(life, config, &script, &status, &why) < 0) {
		if (why.kind != ERROR_INTERRUPTED)
			why.kind = ERROR_SCRIPT;
		error_wrap(&why, "the action script of %s in the VE %u", name(kind), life->ctid);
		error_move(err, &why);
		return -1;
	}
	return status == 0 ? 0
			   : error_set(err, ERROR_SCRIPT,
				       "the action script of %s failed in the VE %u with exit "
				       "status %d",
				       name(kind), life->ctid, status);
}

int script_run_inside(const struct life *life, const struct ve_config *config,
		      enum action_kind kind, struct error *err)
{
	return run_one(life, config, kind, false, err) < 0 ||
			       run_one(life, config, kind, true, err) < 0
		       ? -1
		       : 0;
}
