/*
 * Package files of the host among the packages of a template's repositories.
 */
#include <errno.h>
#include <solv/bitmap.h>
#include <solv/knownid.h>
#include <solv/pool.h>
#include <solv/repo.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/index_deb.h"
#include "vzpkg/metadata/installed_repo.h"
#include "vzpkg/metadata/installed_rpm.h"
#include "vzpkg/metadata/local.h"

/* The words are never freed. */
static const struct template_repository local_source = {
	.text = (char *)"package files of the host",
	.unsigned_ok = true,
	.file = (char *)"",
};

void metadata_add_local(struct metadata *metadata)
{
	size_t count = metadata->repository_count++;

	metadata->repositories =
		xreallocarray(metadata->repositories, count + 1, sizeof(*metadata->repositories));
	metadata->repositories[count] = (struct metadata_repository){ .source = &local_source };
}

/* ---- deb ------------------------------------------------------------------------------------------------------------- */

static int add_deb(Repo *repo, const struct local_package *package, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autoclose int fd = memfd_create("package", MFD_CLOEXEC);
	char hex[DIGEST_MAX * 2 + 1];
	uint64_t total;

	digest_hex(&package->digest, hex);
	strbuf_add(&text, package->text.text, package->text.length);
	strbuf_addf(&text, "Filename: %s.deb\nSize: %llu\nSHA256: %s\n\n", hex,
		    (unsigned long long)package->size, hex);
	if (fd < 0 || write_all(fd, text.text, text.length, "a file in memory", err) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "making a file in memory");
	return index_deb_parse(fd, package->path, repo, &total, err);
}

/* ---- rpm ------------------------------------------------------------------------------------------------------------- */

static void describe_file(Repo *repo, Id id, const struct local_package *package)
{
	Repodata *data = repo_add_repodata(repo, 0);
	char hex[DIGEST_MAX * 2 + 1];

	digest_hex(&package->digest, hex);
	autofree char *name = xasprintf("%s.rpm", hex);
	repodata_set_location(data, id, 0, NULL, name);
	repodata_set_num(data, id, SOLVABLE_DOWNLOADSIZE, package->size);
	repodata_set_checksum(data, id, SOLVABLE_CHECKSUM, REPOKEY_TYPE_SHA256, hex);
	repodata_internalize(data);
}

static int add_rpm(Repo *repo, const struct local_package *package, struct error *err)
{
	AUTO(installed_builder_release)
	struct installed_builder builder = INSTALLED_BUILDER_INIT;
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;
	Id id;

	if (installed_rpm_parse(package->text.text, package->text.length, NULL, &builder, err) < 0)
		return error_wrap(err, "%s", package->path);
	if (builder.packages.count != 1)
		return error_set(err, ERROR_INSTALL, "%s: it is not one package", package->path);
	installed_builder_finish(&builder, PACKAGE_RPM, &set);
	if (installed_repo_fill(&set, repo, &id, err) < 0)
		return -1;
	describe_file(repo, id, package);
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------- */

static int check_arch(const struct package_pool *pool, Id id, const char *path, struct error *err)
{
	const Pool *solv = pool->pool;
	Id arch = pool_id2solvable(solv, id)->arch;

	if (!solv->id2arch || (arch <= solv->lastarch && solv->id2arch[arch]))
		return 0;
	error_set(err, ERROR_ARCH, "%s is for %s, and VEs of %s are %s", path,
		  pool_id2str(solv, arch), pool->metadata->template->text,
		  pool->metadata->template->arch_word);
	return error_subject(err, "%s", path);
}

static int add(struct package_pool *pool, const struct local_package *package, struct error *err)
{
	static const char *const kinds[] = { [PACKAGE_DEB] = "Debian", [PACKAGE_RPM] = "rpm" };
	const struct template *template = pool->metadata->template;
	Id first = pool->pool->nsolvables;

	if (package->format != template->format) {
		error_set(err, ERROR_UNSATISFIABLE,
			  "%s is of the %s kind, and VEs of %s have %s packages", package->path,
			  kinds[package->format], template->text, kinds[template->format]);
		return error_subject(err, "%s", package->path);
	}
	if ((template->format == PACKAGE_RPM ? add_rpm : add_deb)(pool->local, package, err) < 0)
		return -1;
	if (pool->pool->nsolvables != first + 1)
		return error_set(err, ERROR_INSTALL, "%s: it is not one package", package->path);
	return check_arch(pool, first, package->path, err);
}

int pool_add_local(struct package_pool *pool, const struct local_package *packages, size_t count,
		   struct error *err)
{
	const struct metadata *metadata = pool->metadata;
	Pool *solv = pool->pool;

	pool->local = repo_create(solv, local_source.text);
	pool->local->appdata = &metadata->repositories[metadata->repository_count - 1];
	for (size_t i = 0; i < count; i++)
		if (add(pool, &packages[i], err) < 0)
			return -1;
	if (solv->considered) {
		map_grow(solv->considered, solv->nsolvables);
		for (Id id = pool->local->start; id < pool->local->end; id++)
			MAPSET(solv->considered, id);
	}
	if (metadata->template->format == PACKAGE_RPM)
		pool_addfileprovides(solv);
	pool_createwhatprovides(solv);
	return 0;
}
