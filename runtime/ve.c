#include "runtime/ve.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "runtime/namespace.h"
#include "runtime/seccomp.h"
#include "runtime/setup.h"
#include "runtime/state.h"

#define GROUP_PREFIX "vzpkg-"

enum { DISMISS_MS = 5000 };

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static int check_arch(const struct ve_spec *spec, struct error *err)
{
	struct utsname host;
	if (!spec->arch || uname(&host) < 0)
		return 0;
	bool x86_64 = !strcmp(host.machine, "x86_64");
	if (!strcmp(spec->arch, host.machine) || (x86_64 && !strcmp(spec->arch, "i386")) ||
	    (!strcmp(spec->arch, "i386") && host.machine[0] == 'i'))
		return 0;
	error_set(err, ERROR_ARCH, "programs for %s do not run on this %s", spec->arch,
		  host.machine);
	return error_hint(err, "build it on a host of that architecture");
}

static int check(const struct ve_spec *spec, struct error *err)
{
	if (geteuid() != 0) {
		error_set(err, ERROR_NOT_ROOT, "starting a VE needs root");
		return error_hint(err, "run it as root");
	}
	if ((spec->root_kind == VE_ROOT_HOST_TOOLS && !spec->tree_target) ||
	    (spec->root_kind == VE_ROOT_MOUNT && !spec->mount))
		return error_set(err, ERROR_INTERNAL, "no place for the tree in the VE");
	return check_arch(spec, err);
}

static char *group_name(const struct ve_spec *spec, unsigned base)
{
	char *name = xasprintf(GROUP_PREFIX "%s-%u", spec->name, base);
	for (char *slash; (slash = strchr(name, '/'));)
		*slash = '_';
	return name;
}

static uint64_t half_of_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
}

/* What is to be made is written down first: a sweep finds it however this ends. */
static int make_groups(const struct ve_spec *spec, struct ve *ve, struct error *err)
{
	autofree char *name = group_name(spec, ve->ids.base);
	struct cgroup_spec group = {
		.name = name,
		.memory_max = spec->memory_max ? spec->memory_max : half_of_memory(),
		.memory_wanted = spec->memory_max != 0,
		.pids_max = spec->pids_max ? spec->pids_max : VE_PIDS_DEFAULT,
		.pids_wanted = spec->pids_max != 0,
	};
	if (cgroup_plan(&group, &ve->group, err) < 0 ||
	    id_block_record(&ve->ids, &ve->group.folders, err) < 0)
		return -1;
	return cgroup_create(&group, &ve->group, err);
}

static int make_sockets(struct ve *ve, int *inner, struct error *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "creating a socket pair");
	ve->control = pair[0];
	*inner = pair[1];
	return 0;
}

/* Not a copy of the mount: before Linux 6.15 there can be none of one that is in no place. */
static int keep_tree(const struct ve_spec *spec, struct ve *ve, struct error *err)
{
	if (spec->root_kind != VE_ROOT_MOUNT)
		return 0;
	ve->tree = fcntl(ve->root.tree, F_DUPFD_CLOEXEC, 0);
	return ve->tree < 0 ? error_errno(err, errno, "keeping the VE's tree") : 0;
}

static int launch(const struct ve_spec *spec, struct ve *ve, struct error *err)
{
	autoclose int inner = -1, init = open(spec->init, O_RDONLY | O_CLOEXEC), userns = -1;
	if (init < 0)
		return error_errno(err, errno, "opening the VE's init program %s", spec->init);
	if (make_sockets(ve, &inner, err) < 0)
		return -1;
	struct setup setup = { .spec = spec, .ve = ve, .inner = inner, .init = init };
	if (namespace_clone(ve->ids.base, ve->group.unified, setup_run, &setup, &ve->init,
			    &ve->pidfd, err) < 0)
		return -1;
	/* Only the VE holds its end now: if it dies, that reads as the end of file. */
	close(steal_fd(&inner));
	userns = namespace_map(ve->init, ve->ids.base, err);
	if (userns < 0 || rootfs_prepare(spec, userns, ve->ids.base, &ve->root, err) < 0 ||
	    keep_tree(spec, ve, err) < 0 || setup_hand_over(&setup, err) < 0 ||
	    setup_wait(&setup, err) < 0)
		return -1;
	rootfs_release(&ve->root);
	return 0;
}

static unsigned long personality_of(const struct ve_spec *spec)
{
	return (spec->arch && !strcmp(spec->arch, "i386") ? PER_LINUX32 : PER_LINUX) |
	       (spec->fixed_addresses ? ADDR_NO_RANDOMIZE : 0);
}

static struct ve *ve_new(const struct ve_spec *spec)
{
	struct ve *ve = xcalloc(1, sizeof(*ve));
	*ve = (struct ve){
		.name = xstrdup(spec->name),
		.pidfd = -1,
		.control = -1,
		.listener = -1,
		.tree = spec->root_kind == VE_ROOT_MOUNT ? -1
							 : fcntl(spec->tree, F_DUPFD_CLOEXEC, 0),
		.ids = ID_BLOCK_INIT,
		.group = CGROUP_INIT,
		.root = ROOTFS_INIT,
		.personality = personality_of(spec),
		.personality_of_init = spec->root_kind == VE_ROOT_MOUNT,
	};
	return ve;
}

static int take_ids(const struct ve_spec *spec, struct id_block *ids, struct error *err)
{
	return spec->ids_base
		       ? id_block_take_at(spec->lock_dir, spec->ids_base, spec->ids_owner, ids, err)
		       : id_block_take(spec->lock_dir, ids, err);
}

int ve_start(const struct ve_spec *spec, struct ve **ret, struct error *err)
{
	AUTO(ve_freep) struct ve *ve = NULL;
	if (check(spec, err) < 0)
		return -1;
	ve = ve_new(spec);
	if (take_ids(spec, &ve->ids, err) < 0 ||
	    seccomp_filter_new(spec->no_sync, &ve->filter, err) < 0 ||
	    make_groups(spec, ve, err) < 0 || launch(spec, ve, err) < 0 || interrupt_check(err) < 0)
		return error_wrap(err, "starting the VE %s", spec->name);
	*ret = steal_ptr(ve);
	return 0;
}

/* It kills what it runs, takes away what was mounted for it, and ends, when nobody is there any more to ask something of it. A
 * hostile VE can keep it from that, but not us from going on. */
static void dismiss(struct ve *ve)
{
	struct pollfd polled = { .fd = pidfd_open(ve->init, 0), .events = POLLIN };
	shutdown(ve->control, SHUT_RDWR);
	poll(&polled, 1, polled.fd < 0 ? 0 : DISMISS_MS);
	close_fd(polled.fd);
}

void ve_kill(struct ve *ve)
{
	if (!ve->init)
		return;
	if (ve->confine)
		dismiss(ve);
	/* The kernel kills everything in a pid namespace whose PID 1 ends, and PID 1 is not gone
	 * before the rest is. */
	kill(ve->init, SIGKILL);
	TEMP_FAILURE_RETRY(waitpid(ve->init, NULL, 0));
	ve->init = 0;
}

int ve_check(const struct ve *ve, struct error *err)
{
	siginfo_t info = { 0 };
	if (ve->init && waitid(P_PID, (id_t)ve->init, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid == 0)
		return 0;
	return error_set(err, ERROR_CONTAINER, "the VE %s has ended", ve->name);
}

int ve_tree(const struct ve *ve)
{
	return ve->tree;
}

int ve_end(struct ve *ve, struct error *err)
{
	ve_kill(ve);
	return rootfs_clean(&ve->root, ve->tree, err);
}

void ve_free(struct ve *ve)
{
	if (!ve)
		return;
	ve_end(ve, NULL);
	close_fd(ve->pidfd);
	close_fd(ve->control);
	close_fd(ve->listener);
	rootfs_release(&ve->root);
	close_fd(ve->tree);
	if (ve->confine) {
		cgroup_close(&ve->group);
	} else {
		cgroup_release(&ve->group);
		id_block_release(&ve->ids);
	}
	seccomp_filter_free(ve->filter);
	free(ve->name);
	free(ve);
}

void ve_freep(struct ve **ve)
{
	ve_free(*ve);
	*ve = NULL;
}

/* A record that is not ours cannot have anything removed that is not a VE's. */
static void remove_groups(const struct strvec *folders)
{
	AUTO(strvec_release) struct strvec ours = STRVEC_INIT;
	for (size_t i = 0; i < folders->count; i++) {
		const char *slash = strrchr(folders->items[i], '/');
		if (slash && !strncmp(slash + 1, GROUP_PREFIX, strlen(GROUP_PREFIX)))
			strvec_push(&ours, folders->items[i]);
	}
	cgroup_remove_folders(&ours);
}

unsigned ve_sweep(const char *lock_dir)
{
	return id_blocks_sweep(lock_dir, remove_groups);
}
