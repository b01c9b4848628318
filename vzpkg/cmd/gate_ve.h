/*
 * The throw-away VE of a gate. Its folders (TEMPLATE, VE_PRIVATE, VE_ROOT, VE_CONFDIR) are in the build's work folder,
 * LOCKDIR is the host's, so that its ids and its number are nobody else's. vzctl works on it, run as a program.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/strbuf.h"
#include "base/strvec.h"
#include "vzpkg/app.h"
#include "vzpkg/cache/workdir.h"

struct gate_ve {
	const struct workdir *workdir; /* borrowed */
	char *vzctl, *folder, *conf; /* paths: of the program, WORKDIR/gate, its vz.conf */
	unsigned limit_s; /* for its start, and for each command in it */
	char ctid[16];
	struct lock lock; /* of its number: LOCKDIR/CTID.gate */
	int lock_dir;
};

#define GATE_VE_INIT ((struct gate_ve){ .lock = LOCK_INIT, .lock_dir = -1 })

/* Makes the folders and takes a number. gate_ve_close() is due in any case. */
int gate_ve_open(struct gate_ve *ve, const struct app *app, const struct workdir *workdir,
		 unsigned limit_s, struct error *err);

/* Makes a VE of the tarball, starts it, and waits until it is up. `name` is a file in `dir`, on the same file system.
 * `failed` gets the units that systemd says have failed. ERROR_GATE. */
int gate_ve_boot(struct gate_ve *ve, int dir, const char *name, struct strvec *failed,
		 struct error *err);

/* The same with the folder `tree` of the work folder, which becomes the layer of a tarball `template`.tar.gz that is still to come. *ret is
 * false if that does not work here; then the folder is where it was, and everything else is as if the VE had not been opened. */
int gate_ve_boot_tree(struct gate_ve *ve, const char *template, const char *tree, bool *ret,
		      struct strvec *failed, struct error *err);

/* What a shell command prints in it. ERROR_GATE if its exit status is not 0, unless `status` is there to take it. */
int gate_ve_ask(struct gate_ve *ve, const char *command, struct strbuf *output, int *status,
		struct error *err);

/* Takes the VE away, so that another can be made. */
int gate_ve_destroy(struct gate_ve *ve, struct error *err);
void gate_ve_close(struct gate_ve *ve);

/* The layer that the tarball with this digest was unpacked to; to be freed. */
char *gate_ve_layer(const struct workdir *workdir, const char *gzip_sha256);

/* A layer that was made before the digest was known becomes `folder`, if there is one. */
int gate_ve_name_layer(const struct workdir *workdir, const char *folder, struct error *err);

/* Of work folders whose owner was killed. */
unsigned gate_ve_sweep(const struct app *app);
