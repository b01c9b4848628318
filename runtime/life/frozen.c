#include "runtime/life/frozen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/config/ve_config.h"
#include "runtime/freezer.h"

/* The files first: who writes to them would stop in the kernel, where no freezer finds him. */
static void thaw(const struct ve_state *state, const struct disk *disk)
{
	if (disk->kind == DISK_IMAGE)
		image_thaw(&disk->image);
	if (!state->suspended)
		freezer_thaw(&state->groups);
}

static int freeze(const struct ve_state *state, const struct disk *disk, struct error *err)
{
	if (!state->suspended && freezer_freeze(&state->groups, err) < 0)
		return -1;
	return disk->kind == DISK_IMAGE ? image_freeze(&disk->image, err) : 0;
}

/* Until our end of the pipe is closed; a byte before says that all is to stay as it is. What is sent to all processes of a terminal is not
 * for it. */
static void guard(int end, const struct ve_state *state, const struct disk *disk)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	char byte;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	setsid();
	if (TEMP_FAILURE_RETRY(read(end, &byte, 1)) != 1)
		thaw(state, disk);
	_exit(0);
}

static int start_guard(const struct ve_state *state, const struct disk *disk, struct frozen *ret,
		       struct error *err)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	ret->guard = fork();
	if (ret->guard == 0) {
		close(ends[1]);
		guard(ends[0], state, disk);
	}
	int number = errno;
	close(ends[0]);
	ret->pipe = ends[1];
	if (ret->guard > 0)
		return 0;
	close(ends[1]);
	ret->pipe = -1;
	return error_errno(err, number, "starting a process");
}

int frozen_begin(const struct host_config *host, unsigned ctid, struct ve_state *state,
		 const struct disk *disk, struct frozen *ret, struct error *err)
{
	*ret = FROZEN_INIT;
	state->frozen = true;
	if (ve_state_save(host, ctid, state, err) < 0)
		return -1;
	if (start_guard(state, disk, ret, err) == 0 && freeze(state, disk, err) == 0)
		return 0;
	frozen_release(host, ctid, state, disk, ret, NULL);
	return -1;
}

int frozen_release(const struct host_config *host, unsigned ctid, struct ve_state *state,
		   const struct disk *disk, struct frozen *frozen, struct error *err)
{
	int status = 0;
	if (frozen->pipe >= 0) {
		close(frozen->pipe);
		TEMP_FAILURE_RETRY(waitpid(frozen->guard, &status, 0));
	}
	/* It was killed. */
	if (frozen->pipe < 0 || status != 0)
		thaw(state, disk);
	*frozen = FROZEN_INIT;
	state->frozen = false;
	return ve_state_save(host, ctid, state, err);
}

/* Between the byte and the state, the next command would let it go on. */
int frozen_keep(const struct host_config *host, unsigned ctid, struct ve_state *state,
		struct frozen *frozen, struct error *err)
{
	const struct disk none = DISK_INIT;
	if (write_all(frozen->pipe, "", 1, "a pipe", err) < 0) {
		frozen_release(host, ctid, state, &none, frozen, NULL);
		return -1;
	}
	close(frozen->pipe);
	TEMP_FAILURE_RETRY(waitpid(frozen->guard, NULL, 0));
	*frozen = FROZEN_INIT;
	state->frozen = false;
	state->suspended = true;
	if (ve_state_save(host, ctid, state, err) == 0)
		return 0;
	state->suspended = false;
	thaw(state, &none);
	return -1;
}

static int open_disk(const struct host_config *host, unsigned ctid, struct disk *ret,
		     struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	AUTO(ve_disk_release) struct ve_disk which = VE_DISK_INIT;
	if (ve_config_load(host, ctid, &config, err) < 0 || ve_disk_load(&config, &which, err) < 0)
		return -1;
	autoclose int private_area =
		open(config.private_area, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (private_area < 0)
		return error_errno(err, errno, "opening %s", config.private_area);
	return disk_open(private_area, &which, true, ret, err);
}

/* Processes are let go on even if it is not known where their files are. */
int frozen_end(const struct host_config *host, unsigned ctid, struct ve_state *state,
	       struct error *err)
{
	AUTO(disk_release) struct disk disk = DISK_INIT;
	int result = open_disk(host, ctid, &disk, err);
	thaw(state, &disk);
	if (result < 0)
		return -1;
	state->frozen = false;
	return ve_state_save(host, ctid, state, err);
}
