#include "vzpkg/metadata/installed_repo.h"

#include <errno.h>
#include <solv/pool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/index_deb.h"

bool installed_is_foreign(const struct installed_set *set, size_t package)
{
	const char *arch = set->installed.packages[package].arch;

	return set->format == PACKAGE_DEB && set->arch && strcmp(arch, "all") != 0 &&
	       strcmp(arch, set->arch) != 0;
}

static int write_natives(const struct installed_set *set, int fd, struct error *err)
{
	for (size_t i = 0; i < set->installed.count; i++) {
		const char *record = set->text + set->offsets[i];
		size_t size = set->offsets[i + 1] - set->offsets[i];
		if (!installed_is_foreign(set, i) &&
		    write_all(fd, record, size, "the list of installed packages", err) < 0)
			return -1;
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "the list of installed packages");
	return 0;
}

/* The records are paragraphs as an index has them. */
static int fill_deb(const struct installed_set *set, Repo *repo, Id *ids, struct error *err)
{
	autoclose int fd = memfd_create("installed", MFD_CLOEXEC);
	uint64_t total;
	Id next = repo->pool->nsolvables;

	if (fd < 0)
		return error_errno(err, errno, "making a file in memory");
	if (write_natives(set, fd, err) < 0 ||
	    index_deb_parse(fd, "the list of installed packages", repo, &total, err) < 0)
		return -1;
	for (size_t i = 0; i < set->installed.count; i++)
		ids[i] = installed_is_foreign(set, i) ? 0 : next++;
	return 0;
}

int installed_repo_fill(const struct installed_set *set, Repo *repo, Id *ids, struct error *err)
{
	return set->format == PACKAGE_RPM ? installed_repo_fill_rpm(set, repo, ids, err)
					  : fill_deb(set, repo, ids, err);
}
