#include "runtime/access/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strvec.h"
#include "runtime/access/account.h"
#include "runtime/confine.h"
#include "runtime/entry.h"
#include "runtime/wire.h"

#define SEARCH_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SCRIPT_PATH "/dev/fd/3"

enum { PTMX_MAJOR = 5, PTMX_MINOR = 2, SCRIPT_FD = 3 };

/* Standard input, output, error, script. */
struct places {
	int fds[4];
	size_t count;
};

/* ---- what it reads and writes ---------------------------------------------------------------------- */

static int open_pipe(int *ours, int *its, bool we_write)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*ours = ends[we_write];
	*its = ends[!we_write];
	return fcntl(*ours, F_SETFL, O_NONBLOCK | (we_write ? O_WRONLY : O_RDONLY));
}

static int open_pipes(struct places *places, int *out, struct error *err)
{
	if (open_pipe(&out[INSIDE_INPUT], &places->fds[0], true) < 0 ||
	    open_pipe(&out[INSIDE_OUTPUT], &places->fds[1], false) < 0 ||
	    open_pipe(&out[INSIDE_ERRORS], &places->fds[2], false) < 0)
		return error_errno(err, errno, "creating a pipe in the VE");
	return 0;
}

/* The VE's root can put anything in that place. */
static int open_master(struct error *err)
{
	struct stat st;
	int unlock = 0;
	autoclose int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "opening a terminal in the VE (/dev/ptmx)");
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(PTMX_MAJOR, PTMX_MINOR))
		return error_set(err, ERROR_CONTAINER, "/dev/ptmx of the VE makes no terminals");
	if (ioctl(fd, TIOCSPTLCK, &unlock) < 0)
		return error_errno(err, errno, "opening a terminal in the VE");
	return steal_fd(&fd);
}

static int open_terminal(const struct inside *inside, struct places *places, int *out,
			 struct error *err)
{
	int master = open_master(err);
	if (master < 0)
		return -1;
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return error_errno(err, errno, "opening a terminal in the VE");
	ioctl(slave, TIOCSWINSZ, &inside->size);
	if (inside->has_modes)
		tcsetattr(slave, TCSANOW, &inside->modes);
	out[INSIDE_OUTPUT] = out[INSIDE_ERRORS] = master;
	out[INSIDE_INPUT] = slave;
	for (int i = 0; i < 3; i++)
		places->fds[i] = slave;
	if (inside->own_errors && open_pipe(&out[INSIDE_ERRORS], &places->fds[2], false) < 0)
		return error_errno(err, errno, "creating a pipe in the VE");
	return 0;
}

static int hand_out(const struct inside *inside, const int *out, struct error *err)
{
	if (wire_send(inside->socket, "", 1, out, INSIDE_DESCRIPTORS) < 0)
		return error_errno(err, errno, "handing out the command's descriptors");
	return 0;
}

/* ---- a script ------------------------------------------------------------------------------------------ */

/* Made inside, so that its owner is the VE's root; nobody can write to it; it ends with who has it open. The one
 * descriptor is for reading, or it could not be executed. */
static int store_script(const struct ve_exec_spec *spec, struct error *err)
{
	char path[32];
	struct stat made, opened;
	autoclose int memory = memfd_create("script", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory < 0)
		return error_errno(err, errno, "storing the script in the VE");
	if (write_all(memory, spec->script, spec->script_size, "the script in the VE", err) < 0)
		return -1;
	if (fchmod(memory, 0555) < 0 ||
	    fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) <
		    0)
		return error_errno(err, errno, "storing the script in the VE");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	autoclose int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(memory, &made) < 0 || fstat(fd, &opened) < 0)
		return error_errno(err, errno, "opening the script in the VE (/proc)");
	if (made.st_dev != opened.st_dev || made.st_ino != opened.st_ino)
		return error_set(err, ERROR_CONTAINER, "/proc of the VE is something else");
	return steal_fd(&fd);
}

/* ---- the environment ------------------------------------------------------------------------------------ */

static void make_environment(const struct account *account, struct strvec *env)
{
	const char *term = getenv("TERM"), *lang = getenv("LANG");
	strvec_push(env, "PATH=" SEARCH_PATH);
	strvec_pushf(env, "HOME=%s", account->home);
	strvec_pushf(env, "SHELL=%s", account->shell ?: "/bin/sh");
	strvec_push(env, "USER=root");
	strvec_push(env, "LOGNAME=root");
	strvec_pushf(env, "LANG=%s", lang && *lang ? lang : "C.UTF-8");
	strvec_push(env, "container=vz");
	if (term && *term)
		strvec_pushf(env, "TERM=%s", term);
}

/* ---- executing it ------------------------------------------------------------------------------------------ */

static int refused(const char *path, int number, struct error *err)
{
	if (number != ENOENT)
		return error_set(err, ERROR_EXEC, "executing %s in the VE: %s", path,
				 strerror(number));
	error_set(err, ERROR_EXEC, "the VE has no %s", path);
	return error_hint(err, "or what it needs is missing: its interpreter, its dynamic linker");
}

static int exec_shell(const struct ve_exec_spec *spec, char **env, struct error *err)
{
	const char *argv[] = { "sh", spec->command ? "-c" : NULL, spec->command, NULL };
	execve("/bin/sh", (char **)argv, env);
	return refused("/bin/sh", errno, err);
}

static int exec_login(const struct ve_exec_spec *spec, const struct account *account, char **env,
		      struct error *err)
{
	const char *shells[] = { account->shell ?: "/bin/bash", "/bin/bash", "/bin/sh" };
	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++) {
		/* The "-" says that it is a login shell. */
		autofree char *name = xasprintf("-%s", strrchr(shells[i], '/') + 1);
		const char *argv[] = { name, spec->command ? "-c" : NULL, spec->command, NULL };
		execve(shells[i], (char **)argv, env);
	}
	return refused("/bin/sh", errno, err);
}

static int exec_script(const struct ve_exec_spec *spec, char **env, struct error *err)
{
	const char *argv[] = { SCRIPT_PATH, NULL };
	const char *by_shell[] = { "sh", SCRIPT_PATH, NULL };
	const char *end = memchr(spec->script, '\n', spec->script_size);
	execveat(SCRIPT_FD, "", (char **)argv, env, AT_EMPTY_PATH);
	if (errno == ENOEXEC) {
		execve("/bin/sh", (char **)by_shell, env);
		return refused("/bin/sh", errno, err);
	}
	int number = errno;
	autofree char *line = xstrndup(spec->script, end ? (size_t)(end - (char *)spec->script)
							 : spec->script_size);
	if (number != ENOENT || strncmp(line, "#!", 2) != 0)
		return error_set(err, ERROR_EXEC, "executing the script in the VE: %s",
				 strerror(number));
	return error_set(err, ERROR_EXEC, "the VE has no interpreter \"%s\" for the script",
			 line + 2 + strspn(line + 2, " \t"));
}

static int execute(const struct inside *inside, struct error *err)
{
	const struct ve_exec_spec *spec = inside->spec;
	AUTO(account_release) struct account account;
	AUTO(strvec_release) struct strvec env = STRVEC_INIT;
	account_of_root(&account);
	make_environment(&account, &env);
	if (spec->kind == VE_EXEC_LOGIN)
		(void)!chdir(account.home);
	if (confine_apply(inside->confine, err) < 0)
		return -1;
	if (spec->kind == VE_EXEC_SHELL)
		return exec_shell(spec, env.items, err);
	if (spec->kind == VE_EXEC_LOGIN)
		return exec_login(spec, &account, env.items, err);
	return exec_script(spec, env.items, err);
}

static int open_all(struct inside *inside, struct places *places, struct error *err)
{
	int out[INSIDE_DESCRIPTORS];
	if ((inside->spec->terminal ? open_terminal(inside, places, out, err)
				    : open_pipes(places, out, err)) < 0)
		return -1;
	places->count = 3;
	if (inside->spec->kind == VE_EXEC_SCRIPT &&
	    (places->fds[places->count++] = store_script(inside->spec, err)) < 0)
		return -1;
	return hand_out(inside, out, err);
}

int inside_run(void *data, int *failure, struct error *err)
{
	struct inside *inside = data;
	struct places places = { .count = 0 };
	entry_forget_caller();
	umask(022);
	if (setsid() < 0 || chdir("/") < 0)
		return error_errno(err, errno, "preparing a process in the VE");
	if (open_all(inside, &places, err) < 0)
		return -1;
	if (session_settle(places.fds, places.count, failure) < 0)
		return error_errno(err, errno, "preparing the descriptors of a process in the VE");
	if (inside->spec->terminal && ioctl(0, TIOCSCTTY, 0) < 0)
		return error_errno(err, errno, "taking the terminal in the VE");
	return execute(inside, err);
}
