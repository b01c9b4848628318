/*
 * What goes through the pipe of a copy: records, each a header and its text, in the order of a walk.
 *
 *	FOLDER name … UP	what is between is in it
 *	FILE name		then its content: pieces, each a 32-bit size and so many bytes; size 0 ends it
 *	LINK name		then LINK target
 *	LEFT_OUT name		not copied
 *	END			nothing is missing
 *
 * Both ends are this program. Whoever receives from a VE relies on nothing of that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strvec.h"
#include "runtime/access/copy.h"

enum copy_type { COPY_END, COPY_FOLDER, COPY_UP, COPY_FILE, COPY_LINK, COPY_LEFT_OUT };

enum {
	COPY_TEXT_MAX = 4096, /* bytes of a name or a target, with a NUL in memory */
	COPY_PIECE_MAX = 65536,
	COPY_DEPTH_MAX = 200, /* folders in folders; each is an open descriptor on both sides */
};

struct copy_record {
	uint32_t type;
	uint32_t mode; /* permissions */
	uint32_t length; /* of the text that follows */
	char text[COPY_TEXT_MAX];
};

/* -1 with ERROR_CHILD: the other side is gone; it may have said why. ERROR_INTERRUPTED. */
int copy_put(int fd, const void *data, size_t size, struct error *err);
int copy_get(int fd, void *data, size_t size, struct error *err);

int copy_put_record(int fd, enum copy_type type, uint32_t mode, const char *text,
		    struct error *err);
int copy_get_record(int fd, struct copy_record *ret, struct error *err);

/*
 * `root` is a folder that no path leads out of (of the VE, inside); -1: paths are the host's and the caller's.
 */
int copy_send(int fd, int root, const struct strvec *sources, bool folders, struct ve_copied *ret,
	      struct error *err);

/* `foreign`: what arrives is from a VE. `many`: the target must be a folder. */
int copy_receive(int fd, int root, const char *target, bool many, bool foreign,
		 struct ve_copied *ret, struct error *err);

/* One component of a path, that leads neither up nor nowhere. */
bool copy_name_is_good(const char *name);

/* A link in a folder `depth` folders below the top of the copy stays below that top, whatever other links of the same
 * kind are on its way: it is relative, and goes up at its beginning only, and not too far. */
bool copy_link_stays(const char *target, unsigned depth);

/* Notes that something was left out. */
void copy_left_out(struct ve_copied *copied, const char *name);
