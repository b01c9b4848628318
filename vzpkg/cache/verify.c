#include "vzpkg/cache/verify.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/worker.h"

/* What a package takes beside what its bytes do, in bytes. */
enum { PACKAGE_WEIGHT = 100000 };

struct verifying {
	struct store *store;
	struct plan *plan;
	const struct package_keys *keys;
	struct report *report;
	uint64_t done; /* bytes */
	int64_t newest;
};

/* What a child tells. */
struct finding {
	int64_t newest;
	char signer[41];
};

static int check_identity(const struct plan_package *package,
			  const struct package_identity *identity, struct error *err)
{
	if (strcmp(package->name, identity->name) == 0 &&
	    strcmp(package->version, identity->version) == 0 &&
	    strcmp(package->arch, identity->arch) == 0)
		return 0;
	error_set(err, ERROR_TRUST, "%s %s (%s): the package itself says that it is %s %s (%s)",
		  package->name, package->version, package->arch, identity->name, identity->version,
		  identity->arch);
	error_subject(err, "%s", package->name);
	return error_hint(
		err, "the repository is broken or hostile: try another mirror, or tell its owner");
}

int cache_verify_package(struct store *store, const struct plan *plan, size_t index,
			 const struct package_keys *keys, struct package_identity *ret,
			 struct error *err)
{
	const struct plan_package *package = &plan->packages[index];
	bool must = plan->repositories[package->repository].packages_signed;
	autofree char *name =
		xasprintf("%s %s (%s)", package->name, package->version, package->location);
	autoclose int fd = store_package_open(store, package, err);

	if (fd < 0)
		return -1;
	if (package_verify(keys, fd, name, must, ret, err) < 0 ||
	    check_identity(package, ret, err) < 0) {
		store_package_refuse(store, package);
		return -1;
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "reading %s", name);
	return steal_fd(&fd);
}

static int verify(size_t index, void *data, struct strbuf *result, struct error *err)
{
	struct verifying *verifying = data;
	AUTO(package_identity_release) struct package_identity identity = { 0 };
	autoclose int fd = cache_verify_package(verifying->store, verifying->plan, index,
						verifying->keys, &identity, err);

	if (fd < 0)
		return -1;
	struct finding finding = { .newest = identity.newest };
	memcpy(finding.signer, identity.signer, sizeof(finding.signer));
	strbuf_add(result, &finding, sizeof(finding));
	return 0;
}

static uint64_t weight(size_t index, void *data)
{
	return ((struct verifying *)data)->plan->packages[index].size + PACKAGE_WEIGHT;
}

static int verified(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	struct verifying *verifying = data;
	struct plan_package *package = &verifying->plan->packages[index];
	struct finding finding;

	(void)err;
	if (size == sizeof(finding)) {
		memcpy(&finding, result, sizeof(finding));
		memcpy(package->signer, finding.signer, sizeof(package->signer));
		if (finding.newest > verifying->newest)
			verifying->newest = finding.newest;
	}
	verifying->done += package->size;
	report_progress(verifying->report, verifying->done, package->name);
	return 0;
}

int cache_verify(struct store *store, struct plan *plan, const struct package_keys *keys,
		 unsigned jobs, struct report *report, int64_t *newest, struct error *err)
{
	struct verifying verifying = {
		.store = store,
		.plan = plan,
		.keys = keys,
		.report = report,
	};
	struct worker_job job = {
		.name = "verifying packages",
		.jobs = jobs,
		.count = plan->count,
		.batches = true,
		.weight = weight,
		.task = verify,
		.done = verified,
		.data = &verifying,
	};
	if (workers_run(&job, err) < 0)
		return -1;
	*newest = verifying.newest;
	return 0;
}
