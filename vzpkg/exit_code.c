#include "vzpkg/exit_code.h"

const struct exit_code exit_codes[] = {
	{ ERROR_SYSTEM, 1, "a system call or a library failed" },
	{ ERROR_INTERNAL, 2, "internal error" },
	{ ERROR_EXEC, 3, "a program cannot be started" },
	{ ERROR_EXISTS, 6, "the file or the folder exists already" },
	{ ERROR_CHILD, 8, "a program that was started failed" },
	{ ERROR_NO_FILE, 9, "a file was not found" },
	{ ERROR_NOT_ROOT, 10, "this needs root" },
	{ ERROR_PARSE, 14, "a configuration file has a mistake" },
	{ ERROR_NO_VE, 16, "no such VE" },
	{ ERROR_LOCKED, 21, "another program holds the lock" },
	{ ERROR_STALE, 22, "not up to date, or repository metadata has expired" },
	{ ERROR_NOT_CACHED, 23, "the template has no cache" },
	{ ERROR_NO_TEMPLATE, 24, "no such template" },
	{ ERROR_BAD_TEMPLATE, 25, "the template's metadata has a mistake" },
	{ ERROR_USAGE, 35, "wrong usage" },
	{ ERROR_PACKAGE_MANAGER, 45, "unknown package manager" },
	{ ERROR_TECHNOLOGY, 48, "a file system or an image format that is not offered" },
	{ ERROR_FETCH, 52, "a file cannot be fetched" },
	{ ERROR_URL, 56, "an address is not allowed or not valid" },
	{ ERROR_ARCH, 57, "unknown architecture, or one that this host cannot run" },
	{ ERROR_UNSUPPORTED, 61, "a command of OpenVZ's vzpkg that is not offered" },
	{ ERROR_NO_METADATA, 67, "no repository metadata is there, and none may be fetched" },
	{ ERROR_INSTALL, 70, "a package cannot be installed, or a script failed" },
	{ ERROR_CONTAINER, 71, "the kernel refuses what a VE needs" },
	{ ERROR_TRUST, 74, "a signature or a digest is missing, bad, unknown, expired or weak" },
	{ ERROR_ROLLBACK, 75, "repository metadata is older than what was seen before" },
	{ ERROR_UNSATISFIABLE, 76, "the packages cannot be installed together" },
	{ ERROR_GATE, 77, "a check of the finished template failed" },
	{ ERROR_PARTIAL, 78, "some of several objects failed" },
	{ ERROR_INTERRUPTED, 79, "interrupted; run it again to resume" },
	{ ERROR_NO_SPACE, 80, "no space left" },
	{ ERROR_TIME_LIMIT, 81, "a time limit was reached" },
	{ ERROR_PACKAGES, 82, "what is installed in a VE is damaged or incomplete" },
	{ ERROR_CHANGED, 83, "a VE's packages have changed while they were being worked on" },
	{ ERROR_NONE, 0, "success" },
};

int exit_code(enum error_kind kind)
{
	return exit_code_find(exit_codes, kind);
}
