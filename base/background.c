#include "base/background.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/interrupt.h"

int background_start(struct background *background, void (*run)(void *data), void *data,
		     struct error *err)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return error_errno(err, errno, "starting a process");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		interrupt_reset_child();
		if (getppid() == parent)
			run(data);
		_exit(0);
	}
	background->pid = pid;
	return 0;
}

void background_wait(struct background *background)
{
	while (background->pid && waitpid(background->pid, NULL, 0) < 0 && errno == EINTR)
		;
	background->pid = 0;
}

void background_stop(struct background *background)
{
	if (background->pid)
		kill(background->pid, SIGKILL);
	background_wait(background);
}
