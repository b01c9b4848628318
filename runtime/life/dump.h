/* What a VE was suspended to, as it is on disk: CRIU's images, and beside them what is not CRIU's. */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "runtime/ids.h"

#define DUMP_IMAGES "images"
#define DUMP_DEV "dev" /* a folder: what the VE itself had made in /dev */

struct dump {
	int dir; /* for root alone */
	int images; /* a folder in it, where processes of the VE read what they are to become */
	char *console; /* what CRIU calls it: "tty[NUMBER:DEVICE]" */
	unsigned ids_base; /* the images name the VE's ids on the host */
};

#define DUMP_INIT ((struct dump){ .dir = -1, .images = -1 })

/* The block of ids that the processes of a VE on disk have. ERROR_TECHNOLOGY if another VE has it. */
int dump_take_ids(const struct host_config *host, unsigned ctid, unsigned base,
		  struct id_block *ret, struct error *err);

/* CRIU of this host; to be freed. ERROR_TECHNOLOGY. */
char *dump_program(const struct host_config *host, struct error *err);

/* Whether that CRIU knows no other way than to keep packets away itself: criu_request.locks_network. */
int dump_ask_locks(const char *program, bool *ret, struct error *err);

/* ERROR_RESUME. */
int dump_open(const struct host_config *host, unsigned ctid, struct dump *ret, struct error *err);
void dump_release(struct dump *dump);

/* Writes console and ids_base into dump->dir. */
int dump_describe(const struct dump *dump, struct error *err);
