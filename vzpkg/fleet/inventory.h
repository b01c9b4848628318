/*
 * What the selected VEs are and have: their templates, and their sets of packages, each of which is kept once. What is wrong with
 * a VE is that VE's, and the others are taken all the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "base/strvec.h"
#include "runtime/config/select.h"
#include "vzpkg/metadata/installed.h"
#include "vzpkg/template.h"

struct fleet_ve {
	unsigned ctid; /* 0: there is none of that name */
	char *title; /* "101", "101 (web)", or the word that was no VE's; for people */
	char *name; /* NULL: it has none */
	const struct template *template; /* of the inventory; NULL if there is an error */
	const struct installed_set *set; /* likewise */
	struct strvec
		applications; /* application templates that it has, as its configuration says */
	bool running;
	struct error error; /* it cannot be worked on */
};

struct inventory {
	struct fleet_ve *ves; /* in the order of the selection */
	size_t count;
	struct template **templates; /* each once */
	size_t template_count, template_capacity;
	struct inventory_set *sets;
	size_t set_count, set_capacity;
	/* … and how many texts or files of databases were read for that: those alike are read once. */
	size_t sets_read;
};

#define INVENTORY_INIT ((struct inventory){ 0 })

struct inventory_options {
	const struct host_config *host;
	const struct template_source *source;
	struct report *report;
	unsigned timeout_s; /* for the lock of a VE that is just being started or stopped */
	bool skip_lock;
};

/* -1 only if interrupted. */
int inventory_take(const struct inventory_options *options, const struct ve_selection *selection,
		   struct inventory *ret, struct error *err);
void inventory_release(struct inventory *inventory);
