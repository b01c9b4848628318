/*
 * Failure as a value: what was being done, to what, why it failed, what to do next.
 *
 * A function that can fail takes `struct error *err` last and returns 0 or -1 (or a pointer or
 * NULL). On success *err is untouched; on failure the callee says what failed, and each caller
 * that knows more puts it in front with error_wrap():
 *
 *	installing bash: unpacking bash_5.2.15-2_amd64.deb: member ./../x leaves the root
 *
 * The caller owns the value, on its stack: `AUTO(error_clear) struct error err = ERROR_INIT;`
 * Only the front end prints one, and only main() turns its kind into an exit status.
 */
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>

/* What went wrong, as far as a caller or an exit status can tell it apart. */
enum error_kind {
	ERROR_NONE,
	ERROR_SYSTEM, /* a system call or a library failed */
	ERROR_INTERNAL, /* a state that the code says cannot be */
	ERROR_EXEC, /* a program cannot be started */
	ERROR_EXISTS,
	ERROR_CHILD, /* a program ended badly */
	ERROR_NO_FILE,
	ERROR_NOT_ROOT,
	ERROR_PARSE, /* a file that a person wrote has a mistake: file and line are named */
	ERROR_LOCKED, /* somebody else holds a lock for longer than we may wait */
	ERROR_STALE, /* not up to date */
	ERROR_NOT_CACHED,
	ERROR_NO_TEMPLATE,
	ERROR_BAD_TEMPLATE,
	ERROR_USAGE,
	ERROR_PACKAGE_MANAGER, /* the template names a package manager that is not known */
	ERROR_FETCH, /* network: unreachable, not found, stalled, cut short, too long */
	ERROR_URL,
	ERROR_ARCH, /* architecture unknown, or one that this host cannot run */
	ERROR_NO_METADATA, /* repository metadata is needed and not there */
	ERROR_INSTALL, /* a package cannot be unpacked or configured, or a script failed */
	ERROR_TRUST, /* missing, bad, unknown, expired or weak signature; wrong digest */
	ERROR_ROLLBACK, /* repository metadata older than what was seen before */
	ERROR_UNSATISFIABLE,
	ERROR_PACKAGES, /* a VE's package database is missing, damaged, or of packages that are installed only in part */
	ERROR_CHANGED, /* a VE's packages are not those that a change was worked out for */
	ERROR_GATE,
	ERROR_PARTIAL, /* some of many failed */
	ERROR_INTERRUPTED, /* SIGINT, SIGTERM or SIGHUP arrived */
	ERROR_NO_SPACE,
	ERROR_TIME_LIMIT,
	ERROR_TECHNOLOGY, /* a file system or an image format that is not offered */
	ERROR_UNSUPPORTED, /* a command that is not offered */
	ERROR_CONTAINER, /* the kernel refuses what a VE needs */

	/* Of VEs that stay. */
	ERROR_NO_VE, /* there is none of that number or name */
	ERROR_NO_PRIVATE, /* its private area is not there */
	ERROR_VE_EXISTS,
	ERROR_VE_NAME, /* bad, or taken by another */
	ERROR_RUNNING,
	ERROR_NOT_RUNNING,
	ERROR_MOUNTED,
	ERROR_NOT_MOUNTED,
	ERROR_MOUNT, /* its files cannot be mounted */
	ERROR_UMOUNT,
	ERROR_DISABLED, /* its configuration says that it is not to be started */
	ERROR_SAVE, /* its configuration cannot be written */
	ERROR_SAMPLE, /* a sample cannot be applied to it */
	ERROR_PASSWORD, /* a password in it cannot be set */
	ERROR_SCRIPT, /* an action script failed */
	ERROR_NO_INIT, /* there is no program to be its PID 1 */
	ERROR_STOP, /* it does not end */
	ERROR_CREATE, /* its private area cannot be made */
	ERROR_DESTROY,
	ERROR_ADDRESS, /* no IP address that a VE can have */
	ERROR_ADDRESS_USED,
	ERROR_NETWORK, /* its network device, addresses or routes cannot be set */
	ERROR_VETH, /* an interface of it that is bridged cannot be made or changed */
	ERROR_GUEST, /* its own configuration files cannot be written */
	ERROR_NO_BUILD, /* the template has no cache, and none may be built */
	ERROR_VALUE, /* an option's value is not one */
	ERROR_QUOTA, /* its disk space cannot be limited */
	ERROR_DISK, /* the image that its files are in cannot be made or mounted */
	ERROR_RESIZE, /* its limits of disk space cannot be changed so */
	ERROR_CONVERT, /* its files cannot be brought into another layout */
	ERROR_SNAPSHOT, /* one cannot be made; … */
	ERROR_SNAPSHOT_DELETE,
	ERROR_SNAPSHOT_SWITCH,
	ERROR_SNAPSHOT_LIST,
	ERROR_SUSPEND, /* it cannot be suspended; resumed */
	ERROR_RESUME,
	ERROR_SUSPENDED, /* nothing can be done in it until it is resumed */
	ERROR_CONNECT, /* another host cannot be reached, or does not answer */
	ERROR_COPY, /* files cannot be brought there */
	ERROR_ARRIVE, /* the VE cannot be started there */
	ERROR_LIMIT, /* the kernel refuses a limit of a VE's resources */
	ERROR_KINDS
};

struct error {
	enum error_kind kind;
	char *subject; /* what it was about (a file, a package, a VE), for programs; may be NULL */
	char *message; /* complete sentence fragments, outermost first, joined by ": " */
	char *hint; /* what to do next; may be NULL */
};

#define ERROR_INIT ((struct error){ .kind = ERROR_NONE })

/* Sets the error and returns -1. An earlier content is replaced. err may be NULL everywhere. */
int error_set(struct error *err, enum error_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for a failed system call: ": strerror(number)" is appended, and the kind follows from
 * the number (ENOSPC and EDQUOT are ERROR_NO_SPACE, ENOMEM and others ERROR_SYSTEM). */
int error_errno(struct error *err, int number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "text: " in front of the message. Returns -1. */
int error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Say what it was about, and what to do. The first one that is said stays. Return -1. */
int error_subject(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
int error_hint(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A stable lower-case word for the kind ("trust", "no-space"), for JSON and for --verbose. */
const char *error_kind_name(enum error_kind kind);
enum error_kind error_kind_parse(const char *name); /* ERROR_INTERNAL for what is none */

/* Moves *from into *to (releasing what was there); *from is empty afterwards. */
void error_move(struct error *to, struct error *from);
void error_clear(struct error *err);
