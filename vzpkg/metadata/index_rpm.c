#include "vzpkg/metadata/index_rpm.h"

#include <errno.h>
#include <solv/knownid.h>
#include <solv/pool.h>
#include <solv/repo_comps.h>
#include <solv/repo_rpmmd.h>
#include <solv/repo_updateinfoxml.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"

/* libsolv reads a stdio stream, and says nothing of reads that fail. */
struct counted {
	int fd;
	uint64_t total;
	int failure; /* errno */
};

static ssize_t counted_read(void *cookie, char *buffer, size_t size)
{
	struct counted *counted = cookie;
	ssize_t got;

	while ((got = read(counted->fd, buffer, size)) < 0 && errno == EINTR)
		;
	if (got < 0)
		counted->failure = errno;
	else
		counted->total += (uint64_t)got;
	return got;
}

static int parse(int fd, const char *name, Repo *repo, int (*add)(Repo *repo, FILE *file),
		 uint64_t *total, struct error *err)
{
	struct counted counted = { .fd = fd };
	cookie_io_functions_t functions = { .read = counted_read };
	autofclose FILE *file = fopencookie(&counted, "r", functions);

	if (!file)
		return error_errno(err, errno, "reading %s", name);
	int status = add(repo, file);
	*total = counted.total;
	if (counted.failure)
		return error_errno(err, counted.failure, "reading %s", name);
	if (status == 0)
		return 0;
	error_set(err, ERROR_FETCH, "%s: it cannot be read: %s", name, pool_errstr(repo->pool));
	error_subject(err, "%s", name);
	return error_hint(err, "the repository is broken; tell its owner");
}

static void announce_filelists(Repo *repo)
{
	Repodata *data = repo_add_repodata(repo, 0);
	Id handle = repodata_new_handle(data);

	/* What stands in for the lists is looked into for these solvables only. */
	repodata_extend_block(data, repo->start, repo->end - repo->start);
	repodata_set_poolstr(data, handle, REPOSITORY_REPOMD_TYPE, "filelists");
	repodata_add_idarray(data, handle, REPOSITORY_KEYS, SOLVABLE_FILELIST);
	repodata_add_idarray(data, handle, REPOSITORY_KEYS, REPOKEY_TYPE_DIRSTRARRAY);
	repodata_add_flexarray(data, SOLVID_META, REPOSITORY_EXTERNAL, handle);
	repodata_internalize(data);
}

static int add_primary(Repo *repo, FILE *file)
{
	int status = repo_add_rpmmd(repo, file, NULL, 0);
	if (status == 0)
		announce_filelists(repo);
	return status;
}

int index_rpm_parse_primary(int fd, const char *name, void *repo, uint64_t *total,
			    struct error *err)
{
	return parse(fd, name, repo, add_primary, total, err);
}

static int add_filelists(Repo *repo, FILE *file)
{
	return repo_add_rpmmd(repo, file, "FL",
			      REPO_USE_LOADING | REPO_EXTEND_SOLVABLES | REPO_LOCALPOOL);
}

int index_rpm_parse_filelists(int fd, const char *name, void *repo, uint64_t *total,
			      struct error *err)
{
	return parse(fd, name, repo, add_filelists, total, err);
}

static int add_groups(Repo *repo, FILE *file)
{
	return repo_add_comps(repo, file, 0);
}

int index_rpm_parse_groups(int fd, const char *name, void *repo, uint64_t *total, struct error *err)
{
	return parse(fd, name, repo, add_groups, total, err);
}

static int add_updateinfo(Repo *repo, FILE *file)
{
	return repo_add_updateinfoxml(repo, file, 0);
}

int index_rpm_parse_updateinfo(int fd, const char *name, void *repo, uint64_t *total,
			       struct error *err)
{
	return parse(fd, name, repo, add_updateinfo, total, err);
}
