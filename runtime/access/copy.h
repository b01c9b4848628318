/*
 * Files and folders between the host and a VE that runs. A process inside has the VE's side of it, so a link there leads
 * to where it leads in the VE; on the host nothing is ever written through a link that came out of a VE, and
 * names are those of the command line and below it.
 *
 * Modes are kept but for set-id bits; the owner is root inside, the caller outside. A file replaces what had its name at
 * once, when it is complete; folders are merged. Links below a folder are copied as links. Out of
 * a VE only those come that stay in the folder that is copied. What is neither file, folder nor link
 * is refused, or below a folder left out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strvec.h"
#include "runtime/life/running.h"

/* A word of the command line: "101:/etc/motd", "web:/etc/motd", or a path of the host. */
struct copy_operand {
	char *ve; /* number or name; NULL: the host */
	const char *path; /* in the word */
};

/* A word with "/" before ":" is a path of the host. ERROR_USAGE if what follows "VE:" is not absolute. */
int copy_operand_parse(const char *word, struct copy_operand *ret, struct error *err);
void copy_operand_release(struct copy_operand *operand);

struct ve_copy {
	const struct strvec
		*sources; /* paths; a last component of ".", ".." or none: what is in the folder */
	const char *target; /* a folder that is there: into it */
	bool outward; /* sources are in the VE */
	bool folders; /* copy them */
};

struct ve_copied {
	uint64_t files;
	uint64_t left_out; /* special files, and links that lead out */
	char *first_left_out; /* name of one; NULL */
};

#define VE_COPIED_INIT ((struct ve_copied){ 0 })

/* What was copied before a failure stays. */
int ve_copy(const struct running *running, const struct ve_copy *copy, struct ve_copied *ret,
	    struct error *err);
void ve_copied_release(struct ve_copied *copied);
