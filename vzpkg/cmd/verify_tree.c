#include "vzpkg/cmd/verify_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/worker.h"
#include "vzpkg/cache/store.h"
#include "vzpkg/cmd/manifest_plan.h"
#include "vzpkg/cmd/packages.h"
#include "vzpkg/install/dpkg_overrides.h"
#include "vzpkg/install/package_files.h"
#include "vzpkg/install/real_path.h"

struct verifying {
	struct app *app;
	struct store *store;
	const struct plan *plan;
	enum package_format format;
	int tree;
	struct dpkg_overrides overrides;
	struct real_paths paths;
	struct verified_tree *result;
	uint64_t done; /* bytes of packages */
};

/* What a worker finds in one package, as text: a letter and what it is of. */
enum { ABSENT = 'a', FILES = 'f', CHANGED = 'c', FINDING = '!' };

struct sum {
	size_t files, changed;
};

static int compare(struct verifying *verifying, const struct plan_package *package,
		   const struct package_file *file, struct sum *sum, struct strbuf *result,
		   struct error *err)
{
	const char *diverted = dpkg_diverted(&verifying->overrides, file->path, package->name);
	autofree char *path = real_path(&verifying->paths, diverted ?: file->path);
	autoclose int fd = open_in_root(verifying->tree, path,
					O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	struct digest digest;
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		if (!file->may_lack)
			strbuf_addf(result, "%c%s of %s is missing\n", FINDING, path,
				    package->name);
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		strbuf_addf(result, "%c%s of %s is no regular file\n", FINDING, path,
			    package->name);
		return 0;
	}
	if (digest_fd(file->digest.kind, fd, path, &digest, err) < 0)
		return -1;
	sum->files++;
	if (digest_equal(&digest, &file->digest))
		return 0;
	if (file->may_differ)
		sum->changed++;
	else
		strbuf_addf(result, "%c%s of %s differs\n", FINDING, path, package->name);
	return 0;
}

static int verify(size_t index, void *data, struct strbuf *result, struct error *err)
{
	struct verifying *verifying = data;
	const struct plan_package *package = &verifying->plan->packages[index];
	AUTO(package_files_release) struct package_files files = PACKAGE_FILES_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;
	struct sum sum = { 0 };
	autoclose int fd = store_package_open(verifying->store, package, &why);

	/* Not there, or damaged: that is no fault of the tarball. */
	if (fd < 0 && (why.kind == ERROR_FETCH || why.kind == ERROR_TRUST)) {
		strbuf_addf(result, "%c%s\n", ABSENT, package->name);
		return 0;
	}
	if (fd < 0) {
		error_move(err, &why);
		return -1;
	}
	if (package_files_read(verifying->format, fd, package->name, &files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.count; i++)
		if (compare(verifying, package, &files.items[i], &sum, result, err) < 0)
			return -1;
	strbuf_addf(result, "%c%zu\n%c%zu\n", FILES, sum.files, CHANGED, sum.changed);
	return 0;
}

static int verified(size_t index, void *data, const char *text, size_t size, struct error *err)
{
	struct verifying *verifying = data;
	struct verified_tree *result = verifying->result;
	autofree char *copy = xstrndup(text, size);
	char *rest = copy;
	(void)err;

	for (char *line; (line = strsep(&rest, "\n"));) {
		if (*line == ABSENT)
			strvec_push(&result->absent, line + 1);
		else if (*line == FINDING)
			strvec_push(&result->findings, line + 1);
		else if (*line == FILES)
			result->files += strtoul(line + 1, NULL, 10);
		else if (*line == CHANGED)
			result->changed += strtoul(line + 1, NULL, 10);
	}
	verifying->done += verifying->plan->packages[index].size;
	report_progress(verifying->app->report, verifying->done,
			verifying->plan->packages[index].name);
	return 0;
}

static int run(struct verifying *verifying, struct error *err)
{
	struct worker_job job = {
		.name = "comparing files with packages",
		.jobs = cpu_count(),
		.count = verifying->plan->count,
		.task = verify,
		.done = verified,
		.data = verifying,
	};
	if (verifying->format == PACKAGE_DEB &&
	    dpkg_overrides_read(&verifying->overrides, verifying->tree, err) < 0)
		return -1;
	report_phase(verifying->app->report, "comparing files with packages", REPORT_BYTES,
		     verifying->plan->size, 60);
	if (workers_run(&job, err) < 0)
		return -1;
	strvec_sort(&verifying->result->findings);
	strvec_sort(&verifying->result->absent);
	report_phase_end(verifying->app->report);
	return 0;
}

int verify_tree(struct app *app, const json_t *manifest, enum package_format format, int tree,
		struct verified_tree *ret, struct error *err)
{
	AUTO(store_freep) struct store *store = NULL;
	AUTO(plan_freep) struct plan *plan = NULL;

	if (store_open(app_pm(app, err), &store, err) < 0 ||
	    manifest_plan(manifest, format, &plan, err) < 0)
		return -1;
	struct verifying verifying = {
		.app = app,
		.store = store,
		.plan = plan,
		.format = format,
		.tree = tree,
		.overrides = DPKG_OVERRIDES_INIT,
		.result = ret,
	};
	real_paths_open(&verifying.paths, tree);
	int status = run(&verifying, err);
	real_paths_release(&verifying.paths);
	dpkg_overrides_release(&verifying.overrides);
	return status;
}

void verified_tree_release(struct verified_tree *tree)
{
	strvec_release(&tree->absent);
	strvec_release(&tree->findings);
}
