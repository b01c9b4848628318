#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "vzpkg/fleet/applier.h"
#include "vzpkg/fleet/apply_mark.h"
#include "vzpkg/install/rpm_guest.h"
#include "vzpkg/metadata/installed.h"

/* ---- what rpm says ----------------------------------------------------------------------------------------------------------- */

/* A line that begins with a package of the plan: "NAME-VERSION-RELEASE…", as rpm -v says what it is at. */
static void see_work(struct applier *applier, const char *line)
{
	const struct plan *plan = applier->job->plan;

	for (size_t i = 0; i < plan->count; i++) {
		const char *name = plan->packages[i].name, *version = plan->packages[i].version;
		const char *colon = strchr(version, ':');
		size_t length = strlen(name);
		version = colon ? colon + 1 : version;
		if (strncmp(line, name, length) == 0 && line[length] == '-' &&
		    strncmp(line + length + 1, version, strlen(version)) == 0)
			applier_set_working_on(applier, name, strlen(name));
	}
}

/* "%post(NAME-VERSION-RELEASE.ARCH) scriptlet failed, exit status 1": to rpm that is a warning, and the package is installed. */
static void see_failure(struct applier *applier, const char *line)
{
	static const char failed[] = ") scriptlet failed, ";
	const char *end = strstr(line, failed), *begin = end;

	while (begin && begin > line && *begin != '(')
		begin--;
	if (!begin || *begin != '(')
		return;
	autofree char *text = xstrndup(begin + 1, (size_t)(end - begin - 1));
	autofree char *clean = text_clean(text);
	strvec_push(&applier->result->unfinished, clean);
	see_work(applier, clean);
	if (!applier->failed)
		applier->failed = xstrdup(applier->working_on ?: clean);
}

static void rpm_line(struct applier *applier, const char *line)
{
	see_work(applier, line);
	see_failure(applier, line);
	/* "installing package X needs 5MB on the / filesystem", "… more space …" */
	if (strstr(line, " needs ") && strstr(line, " filesystem"))
		applier->full = true;
	if (strstr(line, "transaction lock on "))
		applier->locked = true;
}

/* ---- running it ---------------------------------------------------------------------------------------------------------------- */

static int run_rpm(struct applier *applier, const char *what, const struct strvec *options,
		   const struct strvec *operands, struct error *err)
{
	autofree const char **argv = xcalloc(options->count + operands->count + 1, sizeof(*argv));
	struct applier_command command = {
		.what = what,
		.argv = argv,
		.script = -1,
		.line = rpm_line,
	};
	size_t count = 0;

	for (size_t i = 0; i < options->count; i++)
		argv[count++] = options->items[i];
	for (size_t i = 0; i < operands->count; i++)
		argv[count++] = operands->items[i];
	applier->result->changed = true;
	return applier_run(applier, &command, err);
}

/* Signatures and digests were looked at on the host, with keys that the guest may not know. */
static void install_options(const struct apply_job *job, struct strvec *options)
{
	strvec_split(options, "rpm -Uv --nosignature --nodigest --oldpackage");
	for (size_t i = 0; i < job->difference->count; i++) {
		const struct package_change *change = &job->difference->changes[i];
		if (change->kind != CHANGE_REPLACE)
			continue;
		/* Another file of the same version. */
		if (strcmp(change->before->version, job->plan->packages[change->package].version) ==
		    0) {
			strvec_push(options, "--replacepkgs");
			break;
		}
	}
	/* What goes too may need what is replaced. */
	if (difference_count(job->difference, CHANGE_REMOVE))
		strvec_push(options, "--nodeps");
	if (rpm_guest_without_docs(job->template))
		strvec_push(options, "--excludedocs");
}

static int install(struct applier *applier, struct error *err)
{
	const struct apply_job *job = applier->job;
	AUTO(strvec_release) struct strvec options = STRVEC_INIT, files = STRVEC_INIT;
	autofree bool *wanted = xcalloc(job->plan->count + 1, sizeof(*wanted));

	for (size_t i = 0; i < job->difference->count; i++)
		if (job->difference->changes[i].kind != CHANGE_REMOVE)
			wanted[job->difference->changes[i].package] = true;
	applier_files(applier, wanted, &files);
	if (!files.count)
		return 0;
	install_options(job, &options);
	return run_rpm(applier, "installing packages", &options, &files, err);
}

/* What is to be removed and is still there: a new package that takes its place (Obsoletes) has taken it away already. */
static int list_left(struct applier *applier, struct strvec *names, struct error *err)
{
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;
	const struct difference *difference = applier->job->difference;
	int tree = visit_tree(applier->visit, err);

	if (tree < 0 || installed_read(tree, PACKAGE_RPM, &set, err) < 0)
		return -1;
	for (size_t i = 0; i < difference->count; i++) {
		const struct installed_package *gone = difference->changes[i].before;
		if (difference->changes[i].kind != CHANGE_REMOVE)
			continue;
		for (size_t p = 0; p < set.installed.count; p++) {
			const struct installed_package *package = &set.installed.packages[p];
			const char *colon = strchr(gone->version, ':');
			if (strcmp(package->name, gone->name) == 0 &&
			    strcmp(package->version, gone->version) == 0 &&
			    strcmp(package->arch, gone->arch) == 0)
				strvec_pushf(names, "%s-%s.%s", gone->name,
					     colon ? colon + 1 : gone->version, gone->arch);
		}
	}
	return 0;
}

static int erase(struct applier *applier, struct error *err)
{
	AUTO(strvec_release) struct strvec options = STRVEC_INIT, names = STRVEC_INIT;

	if (!difference_count(applier->job->difference, CHANGE_REMOVE))
		return 0;
	if (list_left(applier, &names, err) < 0)
		return -1;
	if (!names.count)
		return 0;
	strvec_split(&options, "rpm -e");
	return run_rpm(applier, "removing packages", &options, &names, err);
}

/* ---- who else is at work ----------------------------------------------------------------------------------------------------------- */

enum { TRIES_PER_S = 2, WHO_MAX = 200 };

/* The locks of rpm itself, for a transaction: of today, and of 2005. */
static const char *const lock_files[] = {
	"/var/lib/rpm/.rpm.lock",
	"/usr/lib/sysimage/rpm/.rpm.lock",
	"/var/lock/rpm/transaction",
};
/* Who downloads and solves holds these, with its number in it. */
static const char *const number_files[] = {
	"/var/run/yum.pid",
	"/var/cache/dnf/metadata_lock.pid",
	"/var/lib/dnf/rpmdb_lock.pid",
};

static int open_theirs(const char *path)
{
	struct stat st;
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? steal_fd(&fd) : -1;
}

/* 0: nobody, or who it is cannot be told. */
static pid_t holder_of_lock(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	autoclose int fd = open_theirs(path);

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid > 0 ? lock.l_pid : 0;
}

/* Of a process; "": there is none. */
static void name_of_process(pid_t pid, char *name, size_t size)
{
	autofree char *path = xasprintf("/proc/%d/comm", (int)pid);
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, name, size - 1);

	name[got > 0 ? got : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
}

/* What a program that has died has left in such a file may be another process' number by now: that one is a program of another name. */
static pid_t holder_by_number(const char *path)
{
	char text[32] = "", name[64];
	unsigned pid = 0;
	autoclose int fd = open_theirs(path);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || sscanf(text, "%u", &pid) != 1)
		return 0;
	name_of_process((pid_t)pid, name, sizeof(name));
	bool known = strstr(name, "yum") || strstr(name, "dnf") || strstr(name, "PackageKit") ||
		     strstr(name, "packagekit");
	return known ? (pid_t)pid : 0;
}

static pid_t holder(void)
{
	pid_t pid = 0;

	for (size_t i = 0; !pid && i < sizeof(lock_files) / sizeof(*lock_files); i++)
		pid = holder_of_lock(lock_files[i]);
	for (size_t i = 0; !pid && i < sizeof(number_files) / sizeof(*number_files); i++)
		pid = holder_by_number(number_files[i]);
	return pid;
}

/* In the VE: says who it is, if there is somebody. */
static int find_holder(void *data, int channel, struct error *err)
{
	char name[64];
	pid_t pid = holder();

	(void)data;
	if (!pid)
		return 0;
	name_of_process(pid, name, sizeof(name));
	autofree char *text = xasprintf("process %d there (%s)", (int)pid, name);
	return write_all(channel, text, strlen(text), "pipe", err);
}

/* rpm itself would wait for as long as it takes. */
int applier_wait_rpm(struct applier *applier, struct error *err)
{
	const struct timespec pause = { .tv_nsec = 1000000000 / TRIES_PER_S };
	const struct apply_job *job = applier->job;

	if (!visit_is_running(applier->visit))
		return 0;
	for (unsigned tries = 0;; tries++) {
		AUTO(strbuf_release) struct strbuf who = STRBUF_INIT;
		if (interrupt_check(err) < 0 ||
		    applier_call(applier, find_holder, NULL, &who, WHO_MAX, err) < 0)
			return -1;
		if (!who.length)
			return 0;
		if (tries / TRIES_PER_S >= job->lock_timeout_s) {
			autofree char *clean = text_clean(who.text);
			error_set(err, ERROR_LOCKED, "the VE's own package manager is at work: %s",
				  clean);
			return error_hint(err, "wait for its end, or look why it hangs");
		}
		nanosleep(&pause, NULL);
	}
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------------------- */

static int check_scripts(const struct applier *applier, struct error *err)
{
	const struct apply_result *result = applier->result;

	if (!result->unfinished.count)
		return 0;
	autofree char *printed = text_tail(result->output ?: "", 15);
	error_set(err, ERROR_INSTALL, "a script of %s failed%s%s", result->unfinished.items[0],
		  *printed ? "; rpm printed:" : "", printed);
	error_subject(err, "%s", applier->failed);
	return error_hint(err,
			  "the packages are installed; what the script was to do has to be done by "
			  "hand, or by installing the package again when the cause is mended");
}

static int change(struct applier *applier, struct error *err)
{
	if (!applier->job->difference->count)
		return 0;
	applier_enter(applier, APPLY_WAITING);
	if (applier_wait_rpm(applier, err) < 0)
		return -1;
	applier_enter(applier, APPLY_CHANGING);
	return install(applier, err) < 0 ? -1 : erase(applier, err);
}

int apply_rpm(struct applier *applier, struct error *err)
{
	if (change(applier, err) < 0)
		return -1;
	/* What may yet be taken back is not marked. */
	if (!applier->job->rollback && apply_mark_rpm(applier, err) < 0)
		return -1;
	return check_scripts(applier, err);
}
