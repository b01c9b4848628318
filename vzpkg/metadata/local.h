/*
 * Package files that somebody has on the host and wants in VEs. That they were named is the trust in them; what they say of themselves is read by a
 * child without rights all the same (jail.h), since they may come from anywhere.
 */
#pragma once

#include <stddef.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "vzpkg/fetch/package_signature.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/template.h"

struct local_package {
	char *path; /* as it was named */
	int fd;
	enum package_format format;
	uint64_t size; /* bytes */
	struct digest digest; /* SHA-256 of the file */
	struct strbuf
		text; /* what it says of itself, in the form of the format's index or list; for metadata/ only */
};

#define LOCAL_PACKAGE_INIT ((struct local_package){ .fd = -1, .text = STRBUF_INIT })

/* ERROR_INSTALL if it is no package that can be installed, ERROR_NO_FILE, … As root. */
int local_package_open(const char *path, struct local_package *ret, struct error *err);
void local_package_release(struct local_package *package);

/*
 * rpm: a signature by one of the keys has to be good, and is judged as if the package had to be signed. Without any, or with one of a key that is not known,
 * nothing is said against the package. ERROR_TRUST. Others: always right. In the child, too.
 */
int local_package_verify(const struct local_package *package, const struct package_keys *keys,
			 struct error *err);

/* Before metadata_load(): one more repository, for the packages. */
void metadata_add_local(struct metadata *metadata);

/*
 * Adds the packages to the pool as those of that repository; pool->local has them. ERROR_UNSATISFIABLE for one of another format than
 * the template's, ERROR_ARCH for one of an architecture that its VEs do not have.
 */
int pool_add_local(struct package_pool *pool, const struct local_package *packages, size_t count,
		   struct error *err);
