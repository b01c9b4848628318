/*
 * What is installed in a VE, read from outside. The VE belongs to a tenant who may be hostile: nothing in it is followed out of it or
 * into what was mounted in it, nothing of it can block us, all of it has limits, and what needs a library to be read is read by a child without rights.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/error.h"
#include "vzpkg/template.h"

struct installed_package {
	char *name, *version, *arch;
	struct digest digest; /* of the package file; of no kind: not known */
	bool essential; /* deb: or Protected: its administrator may not remove it just so */
	bool automatic; /* it came as a dependency, and nobody has asked for it: apt knows that, and yum and dnf of what they have installed themselves */
	bool asked; /* somebody has asked for it. Of rpm packages often neither is known */
	bool held; /* its administrator wants it to stay as it is (dpkg's "hold") */
	char signer[41]; /* fingerprint of the key that signed it; "": not known */
};

struct installed {
	struct installed_package *packages;
	size_t count, capacity;
};

#define INSTALLED_INIT ((struct installed){ 0 })

/* Copies the texts. */
void installed_add(struct installed *installed, const struct installed_package *package);
void installed_release(struct installed *installed);

struct installed_set {
	enum package_format format;
	struct installed installed; /* sorted by name, arch, version */
	struct digest digest; /* SHA-256 over what matters: equal sets, equal value */
	bool unfinished; /* after ERROR_PACKAGES: only that; nothing is damaged */
	char *arch; /* deb: the architecture of its dpkg; packages of another one are left alone. NULL: not known */

	/* What the solver needs, for metadata/ and resolve/ only: a record per package, of which the form is the format's affair. */
	char *text;
	size_t *offsets; /* of each package's record in it, and, after the last one, its length */
};

#define INSTALLED_SET_INIT ((struct installed_set){ 0 })

/*
 * `tree`: the VE's root directory. ERROR_PACKAGES names the file and what is wrong: there is none; it is damaged; it is no file, or too
 * large; packages are installed only in part, so that the VE's own package manager has to finish that first.
 */
int installed_read(int tree, enum package_format format, struct installed_set *ret,
		   struct error *err);

/*
 * A digest of the database as it lies there: where it is equal, so are the sets. Quick, so that VEs with the same bytes are parsed once. Whoever makes
 * two databases with the same value harms himself alone, provided that the set is read again before a VE is changed.
 */
int installed_fingerprint(int tree, enum package_format format, struct digest *ret,
			  struct error *err);

void installed_set_release(struct installed_set *set);
