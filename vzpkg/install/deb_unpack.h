/*
 * One .deb into a tree that is being built: its files, and what dpkg keeps about it in info/. Runs in a
 * worker process, several at a time on one tree.
 *
 * What a package may not do: leave the tree (".." or an absolute path), write through a symbolic link
 * that it has put there itself, link to what is not its own, bring device nodes, or be larger than its
 * control file lets expect.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "vzpkg/install/dpkg_overrides.h"
#include "vzpkg/resolve/plan.h"

enum unpacked_kind { UNPACKED_FOLDER, UNPACKED_FILE, UNPACKED_SYMLINK };

struct unpacked_entry {
	char *path; /* as dpkg lists it: "/usr/bin/x"; "/." for the top */
	enum unpacked_kind kind;
	mode_t mode; /* of a folder */
	uid_t uid;
	gid_t gid;
	bool created; /* a folder that was not there */
	bool parked; /* something else was there: it is at PATH.vzpkg-INDEX */
};

struct unpacked {
	char *control; /* the package's paragraph */
	char *conffiles; /* lines " PATH MD5", as the status file has them; "" if none */
	char *info_name; /* "bash", "libc6:amd64": how its files in info/ are called */
	struct unpacked_entry *entries; /* in the order of the archive */
	size_t count, capacity;
	int64_t newest; /* the latest file time, Unix seconds */
	unsigned nodes; /* device nodes that were passed over */
};

#define UNPACKED_INIT ((struct unpacked){ 0 })

struct deb_unpack {
	const struct plan_package *package;
	size_t index; /* in the plan: for names of parked files */
	int deb; /* the package file, at offset 0 */
	int tree;
	int info; /* var/lib/dpkg/info in it */
	const struct dpkg_overrides *overrides; /* NULL: none */
	bool multi_arch; /* the guest's dpkg is one of 1.16.2 or later, and keeps its database so */
};

/* Bytes that the files of a package may have. */
uint64_t deb_bytes_limit(const struct plan_package *package);

int deb_unpack(const struct deb_unpack *job, struct unpacked *ret, struct error *err);

void unpacked_release(struct unpacked *unpacked);

/* From a worker to its parent. */
void unpacked_write(const struct unpacked *unpacked, struct strbuf *bytes);
int unpacked_read(struct unpacked *unpacked, const char *bytes, size_t size, struct error *err);

/* Where an entry that was parked is. To be freed. */
char *parked_name(const char *path, size_t index);
