/*
 * What a VE under construction may not do, one row a thing. The program runs itself inside, by
 * ve_run(), as the VE's root; each check says there what it found, and nothing is what it should find.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <grp.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

/* What the outside tells the inside by the environment. */
#define MARKER "TEST_MARKER" /* a file of the host */
#define PORT "TEST_PORT" /* a TCP port that the host listens on */
#define ABSTRACT "TEST_ABSTRACT" /* an abstract socket that the host listens on */
#define NODE "TEST_NODE" /* a device node in the tree, which the host made */

/* ---- inside ----------------------------------------------------------------------------------- */

/* NULL, or what is wrong. */
typedef const char *check(void);

static const char *refused(long result, int first, int second)
{
	static char text[80];
	if (result >= 0)
		return "it worked";
	if (errno == first || errno == second)
		return NULL;
	snprintf(text, sizeof(text), "failed with %s", strerror(errno));
	return text;
}

#define EPERM_ONLY EPERM, EPERM

static const char *host_processes(void)
{
	unsigned count = 0;
	autoclosedir DIR *dir = opendir("/proc");
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
	return count == 2 ? NULL : "more than PID 1 and this one are seen";
}

static const char *host_files(void)
{
	return refused(access(getenv(MARKER), F_OK), ENOENT, ENOENT);
}

static const char *parent_of_root(void)
{
	struct stat root, above;
	if (stat("/", &root) < 0 || stat("/..", &above) < 0)
		return strerror(errno);
	return root.st_ino == above.st_ino && root.st_dev == above.st_dev ? NULL : "/.. is another";
}

static const char *mounts(void)
{
	autofclose FILE *file = fopen("/proc/self/mounts", "r");
	autofree char *line = NULL;
	size_t size = 0;
	while (file && getline(&line, &size, file) > 0)
		if (strstr(line, "idmapped") && !strstr(line, "nodev"))
			return "the tree is not nodev";
	return file ? NULL : strerror(errno);
}

static const char *interfaces(void)
{
	struct if_nameindex *list = if_nameindex();
	const char *found =
		list && list[0].if_name && !strcmp(list[0].if_name, "lo") && !list[1].if_name
			? NULL
			: "there is more than lo";
	if_freenameindex(list);
	return found;
}

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static const char *host_tcp(void)
{
	struct sockaddr_in address = loopback((unsigned)strtoul(getenv(PORT), NULL, 10));
	autoclose int fd = socket(AF_INET, SOCK_STREAM, 0);
	return refused(connect(fd, (struct sockaddr *)&address, sizeof(address)), ECONNREFUSED,
		       ECONNREFUSED);
}

static const char *outside_tcp(void)
{
	struct sockaddr_in address = loopback(80);
	address.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1, RFC 5737 */
	autoclose int fd = socket(AF_INET, SOCK_STREAM, 0);
	return refused(connect(fd, (struct sockaddr *)&address, sizeof(address)), ENETUNREACH,
		       ENETUNREACH);
}

static const char *host_abstract(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", getenv(ABSTRACT));
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return refused(connect(fd, (struct sockaddr *)&address, sizeof(address)), ECONNREFUSED,
		       ECONNREFUSED);
}

static const char *own_loopback(void)
{
	struct sockaddr_in address = loopback(7777);
	autoclose int server = socket(AF_INET, SOCK_STREAM, 0);
	autoclose int client = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(server, 1) < 0 ||
	    connect(client, (struct sockaddr *)&address, sizeof(address)) < 0)
		return strerror(errno);
	return NULL;
}

/* Those on the list can be made, and do not work; others cannot. */
static const char *make_node(void)
{
	struct stat st;
	umask(027);
	if (mknod("/tmp/node", S_IFCHR | 0666, makedev(1, 3)) < 0)
		return strerror(errno);
	umask(022);
	if (stat("/tmp/node", &st) < 0 || st.st_rdev != makedev(1, 3) || st.st_uid != 0 ||
	    (st.st_mode & 07777) != 0640)
		return "it is another than was asked for";
	const char *found = refused(open("/tmp/node", O_RDWR), EACCES, EACCES);
	if (!found)
		found = refused(mknod("/tmp/node", S_IFCHR | 0666, makedev(1, 3)), EEXIST, EEXIST);
	if (!found)
		found = refused(mknod("/tmp/memory", S_IFCHR | 0666, makedev(1, 1)), EPERM_ONLY);
	return found ? found
		     : refused(mknod("/tmp/disk", S_IFBLK | 0666, makedev(1, 3)), EPERM_ONLY);
}

static const char *make_node_elsewhere(void)
{
	autoclose int dev = open("/dev", O_RDONLY | O_DIRECTORY);
	const char *found = refused(mknod("/proc/node", S_IFCHR, makedev(1, 3)), ENOENT, EPERM);
	if (!found)
		found = refused(mknod("/no/folder/node", S_IFCHR, makedev(1, 3)), ENOENT, ENOENT);
	if (!found)
		found = refused(syscall(SYS_mknodat, AT_FDCWD, 8, S_IFCHR, makedev(1, 3)), EFAULT,
				EFAULT);
	if (found)
		return found;
	if (mknodat(dev, "shm/node", S_IFCHR | 0666, makedev(1, 5)) < 0 || chdir("/dev") < 0 ||
	    mknod("../dev/shm/other", S_IFCHR | 0666, makedev(5, 1)) < 0 || chdir("/") < 0)
		return strerror(errno);
	if (symlink("/../../../../../../run", "/tmp/up") < 0 ||
	    mknod("/tmp/up/node", S_IFCHR | 0666, makedev(1, 3)) < 0)
		return strerror(errno);
	return access("/run/node", F_OK) < 0 ? "a link led elsewhere" : NULL;
}

/* In a process that is not root. */
static const char *make_node_as_user(void)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		if (setresuid(1000, 1000, 1000) < 0)
			_exit(1);
		_exit(refused(mknod("/tmp/users", S_IFCHR | 0666, makedev(1, 3)), EPERM_ONLY) ? 2
											      : 0);
	}
	return waitpid(child, &status, 0) == child && status == 0 ? NULL : "it worked";
}

static const char *make_fifo(void)
{
	return mkfifo("/tmp/fifo", 0600) < 0 ? strerror(errno) : NULL;
}

static const char *node_in_tree(void)
{
	return refused(open(getenv(NODE), O_RDWR), EACCES, EACCES);
}

static const char *mount_over(void)
{
	return refused(mount("none", "/tmp", "tmpfs", 0, ""), EPERM_ONLY);
}

static const char *remount(void)
{
	return refused(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL), EPERM_ONLY);
}

static const char *unmount(void)
{
	return refused(umount2("/proc/sys", MNT_DETACH), EPERM_ONLY);
}

static const char *new_mount_calls(void)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_NODEV };
	const char *found = refused(open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE), EPERM_ONLY);
	if (!found)
		found = refused(fsopen("tmpfs", 0), EPERM_ONLY);
	if (!found)
		found = refused(mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof(attr)), EPERM_ONLY);
	return found ? found : refused(move_mount(0, "", 0, "/tmp", 0), EPERM_ONLY);
}

static const char *change_root(void)
{
	return refused(syscall(SYS_pivot_root, "/tmp", "/tmp"), EPERM_ONLY);
}

/* The old way out: a chroot below while a descriptor of above stays open. */
static const char *climb(void)
{
	struct stat before, after;
	int top = open("/", O_RDONLY | O_DIRECTORY);
	if (stat("/", &before) < 0 || chroot("/tmp") < 0 || fchdir(top) < 0)
		return strerror(errno);
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			return strerror(errno);
	if (chroot(".") < 0 || stat("/", &after) < 0)
		return strerror(errno);
	close(top);
	return before.st_ino == after.st_ino && before.st_dev == after.st_dev ? NULL : "it got out";
}

static const char *root_of_init(void)
{
	return access("/proc/1/root/..", F_OK) < 0                  ? strerror(errno)
	       : access("/proc/1/root/../../etc/shadow", F_OK) == 0 ? "the host's files are there"
								    : NULL;
}

static const char *new_namespaces(void)
{
	static const int kinds[] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const char *found = refused(unshare(kinds[i]), EPERM_ONLY);
		if (found)
			return found;
		long result = syscall(SYS_clone, kinds[i] | SIGCHLD, NULL, NULL, NULL, NULL);
		if (result == 0)
			_exit(0);
		found = refused(result, EPERM_ONLY);
		if (found)
			return found;
	}
	return refused(syscall(SYS_clone3, NULL, 0), ENOSYS, ENOSYS);
}

static const char *enter_namespace(void)
{
	autoclose int fd = open("/proc/1/ns/mnt", O_RDONLY);
	return fd < 0 ? strerror(errno) : refused(setns(fd, CLONE_NEWNS), EPERM_ONLY);
}

static const char *file_handles(void)
{
	return refused(syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0), EPERM_ONLY);
}

static const char *modules(void)
{
	const char *found = refused(syscall(SYS_init_module, "", 0, ""), EPERM_ONLY);
	if (!found)
		found = refused(syscall(SYS_finit_module, 0, "", 0), EPERM_ONLY);
	return found ? found : refused(syscall(SYS_delete_module, "x", 0), EPERM_ONLY);
}

static const char *other_kernels(void)
{
	const char *found = refused(syscall(SYS_kexec_load, 0, 0, NULL, 0), EPERM_ONLY);
	return found ? found : refused(reboot(RB_DISABLE_CAD), EPERM_ONLY);
}

static const char *kernel_interfaces(void)
{
	static const long calls[] = {
		SYS_bpf,     SYS_perf_event_open, SYS_userfaultfd,    SYS_keyctl,
		SYS_add_key, SYS_request_key,     SYS_io_uring_setup, SYS_swapon,
		SYS_acct,    SYS_quotactl,        SYS_ptrace,         SYS_pidfd_getfd
	};
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		const char *found = refused(syscall(calls[i], 0, 0, 0, 0, 0), EPERM_ONLY);
		if (found)
			return found;
	}
	return NULL;
}

static const char *kernel_log(void)
{
	char text[16];
	const char *found = refused(klogctl(3, text, sizeof(text)), EPERM_ONLY);
	return found ? found : refused(open("/dev/kmsg", O_RDONLY), ENOENT, ENOENT);
}

static const char *write_to(const char *path)
{
	static char text[120];
	int fd = open(path, O_WRONLY);
	if (fd < 0)
		return NULL;
	close(fd);
	snprintf(text, sizeof(text), "%s can be opened for writing", path);
	return text;
}

static const char *settings(void)
{
	static const char *const files[] = { "/proc/sys/kernel/hostname",
					     "/proc/sys/kernel/core_pattern",
					     "/proc/sys/vm/drop_caches",
					     "/proc/sys/net/ipv4/ip_forward",
					     "/proc/sysrq-trigger",
					     "/proc/irq/default_smp_affinity",
					     "/proc/1/exe",
					     "/sys/kernel/uevent_helper",
					     "/sys/power/state",
					     "/sys/class/net/lo/mtu" };
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		const char *found = write_to(files[i]);
		if (found)
			return found;
	}
	return NULL;
}

static const char *host_memory(void)
{
	char byte;
	autoclose int kcore = open("/proc/kcore", O_RDONLY);
	if (kcore >= 0 && read(kcore, &byte, 1) > 0)
		return "/proc/kcore can be read";
	return access("/dev/mem", F_OK) == 0 ? "/dev/mem is there" : NULL;
}

static const char *clocks(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return refused(clock_settime(CLOCK_REALTIME, &now), EPERM_ONLY);
}

static const char *kill_init(void)
{
	kill(1, SIGKILL);
	kill(1, SIGTERM);
	return kill(1, 0) < 0 ? strerror(errno) : NULL;
}

static const char *descriptors(void)
{
	unsigned count = 0;
	autoclosedir DIR *dir = opendir("/proc/self/fd");
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	return count == 4 ? NULL : "there are others than 0, 1, 2 and that of the folder itself";
}

static const char *capabilities(void)
{
	static const int without[] = { CAP_SYS_ADMIN, CAP_SYS_MODULE, CAP_SYS_RAWIO,  CAP_NET_ADMIN,
				       CAP_SYS_TIME,  CAP_SYS_BOOT,   CAP_SYS_PTRACE, CAP_SYSLOG };
	for (size_t i = 0; i < sizeof(without) / sizeof(*without); i++)
		if (prctl(PR_CAPBSET_READ, without[i], 0, 0, 0) != 0)
			return "one is there that should not be";
	if (prctl(PR_CAPBSET_READ, CAP_SETFCAP, 0, 0, 0) != 1)
		return "CAP_SETFCAP is missing";
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? NULL : "set-user-id is off";
}

static const char *ids(void)
{
	if (getuid() != 0 || getgid() != 0 || getgroups(0, NULL) != 0)
		return "this is not root without other groups";
	const char *found = refused(chown("/tmp", 65536, 0), EINVAL, EINVAL);
	if (found)
		return found;
	const gid_t groups[] = { 5, 100 };
	return setgroups(2, groups) < 0 ? strerror(errno) : NULL;
}

static const char *limits(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_CORE, &limit);
	if (limit.rlim_cur > 1 || limit.rlim_max > 1)
		return "core files are written";
	getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur == 1024 ? NULL : "the limit of descriptors is another";
}

static const char *names(void)
{
	struct utsname name;
	uname(&name);
	return strcmp(name.nodename, "localhost") ? "the host's name is seen" : NULL;
}

static const char *groups(void)
{
	autofclose FILE *file = fopen("/proc/self/cgroup", "r");
	autofree char *line = NULL;
	size_t size = 0;
	while (file && getline(&line, &size, file) > 0)
		if (strstr(line, "vzpkg") || strstr(line, "/.."))
			return "the host's control groups are seen";
	return file ? NULL : strerror(errno);
}

static const char *devices(void)
{
	static const char *const allowed[] = { "null", "zero", "full",  "random", "urandom",
					       "tty",  "fd",   "stdin", "stdout", "stderr",
					       "ptmx", "pts",  "shm",   NULL };
	autoclosedir DIR *dir = opendir("/dev");
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		size_t i = 0;
		while (allowed[i] && strcmp(allowed[i], entry->d_name))
			i++;
		if (!allowed[i] && entry->d_name[0] != '.')
			return "there is one that is not on the list";
	}
	char byte = 1;
	autoclose int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
	if (read(zero, &byte, 1) != 1 || byte != 0 || write(null, "x", 1) != 1)
		return "/dev/zero or /dev/null does not work";
	autoclose int terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	return terminal < 0 ? "/dev/ptmx does not open" : NULL;
}

static const char *syncs(void)
{
	if (fsync(-1) || fdatasync(-1) || syncfs(-1) || sync_file_range(-1, 0, 0, 0) ||
	    msync(NULL, 4096, MS_SYNC))
		return "one is not suppressed";
	return NULL;
}

#if defined(__x86_64__)
/* A system call of the 32-bit table, as a program for i386 makes it. */
static long call_i386(long number, long first)
{
	long result;
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(first), "c"(0), "d"(0), "S"(0), "D"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

/* Numbers: arch/x86/entry/syscalls/syscall_32.tbl of the kernel. */
static const char *syncs_i386(void)
{
	enum { FSYNC = 118, MSYNC = 144, FDATASYNC = 148, SYNC_FILE_RANGE = 314, SYNCFS = 344 };
	static const int calls[] = { FSYNC, MSYNC, FDATASYNC, SYNC_FILE_RANGE, SYNCFS };
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (call_i386(calls[i], -1) != 0)
			return "one is not suppressed";
	return NULL;
}

static const char *refused_i386(void)
{
	enum {
		MOUNT = 21,
		UMOUNT = 22,
		INIT_MODULE = 128,
		PIVOT_ROOT = 217,
		KEYCTL = 288,
		UNSHARE = 310,
		OPEN_TREE = 428
	};
	static const int calls[] = { MOUNT,  UMOUNT,  INIT_MODULE, PIVOT_ROOT,
				     KEYCTL, UNSHARE, OPEN_TREE };
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (call_i386(calls[i], 0) != -EPERM)
			return "one is not refused";
	return NULL;
}

/* The third table of this CPU, which no VE needs. */
static const char *refused_x32(void)
{
	return refused(syscall(0x40000000 + SYS_getpid), ENOSYS, ENOSYS);
}
#endif

static const struct {
	const char *name;
	check *check;
} checks[] = {
#define ROW(name)           \
	{                   \
#name, name \
	}
	ROW(host_processes),
	ROW(host_files),
	ROW(parent_of_root),
	ROW(mounts),
	ROW(interfaces),
	ROW(host_tcp),
	ROW(outside_tcp),
	ROW(host_abstract),
	ROW(own_loopback),
	ROW(make_node),
	ROW(make_node_elsewhere),
	ROW(make_node_as_user),
	ROW(make_fifo),
	ROW(node_in_tree),
	ROW(mount_over),
	ROW(remount),
	ROW(unmount),
	ROW(new_mount_calls),
	ROW(change_root),
	ROW(root_of_init),
	ROW(new_namespaces),
	ROW(enter_namespace),
	ROW(file_handles),
	ROW(modules),
	ROW(other_kernels),
	ROW(kernel_interfaces),
	ROW(kernel_log),
	ROW(settings),
	ROW(host_memory),
	ROW(clocks),
	ROW(kill_init),
	ROW(descriptors),
	ROW(capabilities),
	ROW(ids),
	ROW(limits),
	ROW(names),
	ROW(groups),
	ROW(devices),
	ROW(syncs),
#if defined(__x86_64__)
	ROW(syncs_i386),
	ROW(refused_i386),
	ROW(refused_x32),
#endif
	ROW(climb), /* last: it changes the root */
#undef ROW
};

enum { CHECKS = sizeof(checks) / sizeof(*checks) };

static int run_inside(void)
{
	for (size_t i = 0; i < CHECKS; i++) {
		const char *found = checks[i].check();
		printf("%s: %s\n", checks[i].name, found ? found : "ok");
	}
	return 0;
}

/* ---- outside ---------------------------------------------------------------------------------- */

static struct fixture fixture;

static int setup(void **state)
{
	(void)state;
	fixture_setup(&fixture);
	assert_int_equal(mknodat(fixture.tree, "node-null", S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(fchmodat(fixture.tree, "node-null", 0666, 0), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_release(&fixture);
	return 0;
}

struct found {
	unsigned good;
	char *bad;
};

static void collect(const char *line, void *data)
{
	struct found *found = data;
	size_t length = strlen(line);
	if (length > 4 && !strcmp(line + length - 4, ": ok")) {
		found->good++;
		return;
	}
	char *before = found->bad;
	found->bad = xasprintf("%s%s; ", before ? before : "", line);
	free(before);
}

static int listen_tcp(unsigned *port)
{
	struct sockaddr_in address = loopback(0);
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static int listen_abstract(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* Every check of the table, in a VE of the given kind. */
static void run_checks(struct ve_spec *spec)
{
	struct error err = ERROR_INIT;
	struct found found = { 0 };
	struct ve_result result = { 0 };
	unsigned port;
	autofree char *abstract = xasprintf("vzpkg-test-%d", getpid());
	autoclose int tcp = listen_tcp(&port), local = listen_abstract(abstract);
	autofree char *self = fixture_self();
	autofree char *program = xasprintf("/run/test/%s", strrchr(self, '/') + 1);
	autofree char *marker = xasprintf(MARKER "=%s", fixture.dir);
	autofree char *port_text = xasprintf(PORT "=%u", port);
	autofree char *abstract_text = xasprintf(ABSTRACT "=%s", abstract);
	autofree char *node = xasprintf(NODE "=%s/node-null", spec->tree_target ?: "");
	/* The sanitizer looks for leaks by tracing itself, which a VE does not allow. */
	const char *const env[] = {
		marker, port_text, abstract_text, node, "ASAN_OPTIONS=detect_leaks=0", NULL
	};
	const char *const argv[] = { program, "--inside", NULL };
	struct ve_command command = { .argv = argv,
				      .env = env,
				      .script = -1,
				      .input = -1,
				      .time_limit_s = 60,
				      .line = collect,
				      .data = &found };

	assert_true(tcp >= 0 && local >= 0);
	struct ve *ve = fixture_start(spec);
	assert_done(ve_run(ve, &command, &result, &err), &err);
	ve_free(ve);
	if (found.bad)
		fail_msg("%s", found.bad);
	assert_int_equal(result.status, 0);
	assert_int_equal(found.good, CHECKS);
	free(result.output);
}

static void tree_is_closed(void **state)
{
	(void)state;
	struct ve_spec spec = fixture_spec(&fixture);
	run_checks(&spec);
}

/* Files by their ids on disk, capabilities as an archive would store them. */
static void disk_ids_are_unmapped(void **state)
{
	(void)state;
	struct ve_spec spec = fixture_spec(&fixture);
	struct stat st;
	unsigned char capability[64];
	struct ve *ve = fixture_start(&spec);
	int status;
	free(fixture_shell(
		ve,
		"echo a >/mine; echo b >/theirs; chown 1000:33 /theirs; chmod 4755 /mine; "
		"cp /usr/bin/true /capable; PATH=$PATH:/usr/sbin; "
		"setcap cap_net_raw+ep /capable && /capable",
		&status));
	ve_free(ve);
	assert_int_equal(status, 0);
	assert_int_equal(fstatat(fixture.tree, "mine", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_mode & 07777, 04755);
	assert_int_equal(fstatat(fixture.tree, "theirs", &st, 0), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 33);
	autofree char *path = xasprintf("%s/tree/capable", fixture.dir);
	/* VFS_CAP_REVISION_2 has 20 bytes; 24 would hold ids of this namespace. */
	assert_int_equal(getxattr(path, "security.capability", capability, sizeof(capability)), 20);
}

static void sync_works_unless_suppressed(void **state)
{
	(void)state;
	struct ve_spec spec = fixture_spec(&fixture);
	int status;
	spec.no_sync = false;
	struct ve *ve = fixture_start(&spec);
	free(fixture_shell(ve, "sync /dev/null", &status));
	ve_free(ve);
	assert_int_not_equal(status, 0); /* fsync() of a device is EINVAL */

	spec.no_sync = true;
	ve = fixture_start(&spec);
	free(fixture_shell(ve, "sync /dev/null", &status));
	ve_free(ve);
	assert_int_equal(status, 0);
}

static void host_tools_see_only_the_tree(void **state)
{
	(void)state;
	struct ve_spec spec = fixture_spec(&fixture);
	int status;
	spec.root_kind = VE_ROOT_HOST_TOOLS;
	spec.tree_target = "/vz/root/1";
	spec.binds = &fixture.binds[1];
	spec.bind_count = 1;
	run_checks(&spec);

	struct ve *ve = fixture_start(&spec);
	autofree char *top =
		fixture_shell(ve, "cd /; for i in *; do test -L $i || echo $i; done", NULL);
	assert_string_equal(top, "dev\netc\nproc\nroot\nrun\nsys\ntmp\nusr\nvar\nvz\n");
	autofree char *etc = fixture_shell(ve, "ls /etc", NULL);
	assert_string_equal(etc,
			    "alternatives\ngroup\nhosts\nld.so.cache\nnsswitch.conf\npasswd\n");
	free(fixture_shell(ve, "touch /file || touch /usr/file || touch /etc/alternatives/file",
			   &status));
	assert_int_not_equal(status, 0);
	free(fixture_shell(ve, "set -e; echo x >/vz/root/1/made; perl -e 'print 1'; id", &status));
	assert_int_equal(status, 0);
	ve_free(ve);
	assert_int_equal(faccessat(fixture.tree, "made", F_OK, 0), 0);
	assert_int_equal(faccessat(fixture.tree, "vz", F_OK, 0), -1);
}

static void i386_is_said(void **state)
{
	(void)state;
	struct ve_spec spec = fixture_spec(&fixture);
	struct utsname host;
	struct error err = ERROR_INIT;
	struct ve *ve = NULL;
	assert_int_equal(uname(&host), 0);
	spec.arch = "i386";
	if (strcmp(host.machine, "x86_64")) {
		assert_int_equal(ve_start(&spec, &ve, &err), -1);
		assert_int_equal(err.kind, ERROR_ARCH);
		error_clear(&err);
		return;
	}
	ve = fixture_start(&spec);
	autofree char *machine = fixture_shell(ve, "uname -m", NULL);
	ve_free(ve);
	assert_string_equal(machine, "i686\n");
	spec.arch = "s390x";
	assert_int_equal(ve_start(&spec, &ve, &err), -1);
	assert_int_equal(err.kind, ERROR_ARCH);
	error_clear(&err);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--inside"))
		return run_inside();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tree_is_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(disk_ids_are_unmapped, setup, teardown),
		cmocka_unit_test_setup_teardown(sync_works_unless_suppressed, setup, teardown),
		cmocka_unit_test_setup_teardown(host_tools_see_only_the_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(i386_is_said, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
