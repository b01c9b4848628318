/*
 * vzpkg verify: a cache, or a generation of it, against its manifest and its checksum; with --deep its files against the packages.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "image/inspect.h"
#include "image/unpack.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cache/workdir.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/generation_operand.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/cmd/manifest_plan.h"
#include "vzpkg/cmd/verify_tree.h"

enum { SUM_LIMIT = 4096, END_OF_ARCHIVE = 1024, HEX_LENGTH = 64 };

static bool deep;

static const struct option_row options[] = {
	{ "deep", 0, OPTION_FLAG, &deep, NULL,
	  "unpack it, and compare every file with what its package says" },
	{ NULL },
};

struct verification {
	struct app *app;
	struct generation_operand operand;
	char *text; /* of the operand */
	int folder; /* with the three files */
	json_t *manifest;
	enum package_format format;
	char *tarball, *manifest_file, *sum_file; /* names */
	struct strvec findings;
	struct verified_tree tree;
};

static void verification_release(struct verification *verification)
{
	generation_operand_release(&verification->operand);
	manifest_release(&verification->manifest);
	if (verification->folder >= 0)
		close(verification->folder);
	free(verification->text);
	free(verification->tarball);
	free(verification->manifest_file);
	free(verification->sum_file);
	strvec_release(&verification->findings);
	verified_tree_release(&verification->tree);
}

/* ---- the files themselves --------------------------------------------------------------------- */

/* VEs are made of it by root: nobody else may have his hands in it. */
static void check_permissions(struct verification *v, const char *name)
{
	struct stat st;

	if (fstatat(v->folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		strvec_pushf(&v->findings, "%s: %s", name, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		strvec_pushf(&v->findings, "%s is no regular file", name);
	else if (st.st_uid != 0)
		strvec_pushf(&v->findings, "%s belongs to the user %u, and not to root", name,
			     st.st_uid);
	else if (st.st_mode & 022)
		strvec_pushf(&v->findings, "%s can be changed by others than root (mode %04o)",
			     name, st.st_mode & 07777);
}

static void check_sum(struct verification *v, const char *hex)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (file_read(v->folder, v->sum_file, SUM_LIMIT, &text, &why) < 0)
		strvec_push(&v->findings, why.message);
	else if (text.length < HEX_LENGTH || strncmp(text.text, hex, HEX_LENGTH) != 0)
		strvec_pushf(&v->findings, "%s says another digest", v->sum_file);
}

static const json_t *image_of(const struct verification *v, const char *key)
{
	return json_object_get(json_object_get(v->manifest, "image"), key);
}

static void check_digest(struct verification *v, const char *key, const char *hex, const char *what)
{
	const char *expected = json_string_value(image_of(v, key));
	if (!expected || strcmp(expected, hex) != 0)
		strvec_pushf(&v->findings, "%s has the SHA-256 digest %s, and the manifest says %s",
			     what, hex, expected ?: "nothing");
}

static void check_size(struct verification *v, const char *key, uint64_t size, const char *what)
{
	json_int_t expected = json_integer_value(image_of(v, key));
	if (expected < 0 || (uint64_t)expected != size)
		strvec_pushf(&v->findings, "%s has %" PRIu64 " bytes, and the manifest says %lld",
			     what, size, (long long)expected);
}

/* What cannot be decompressed is a finding; what cannot be read is an error. */
static int inspect(struct verification *v, int fd, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	struct image_inspected seen;
	char hex[DIGEST_MAX * 2 + 1];
	json_int_t size = json_integer_value(image_of(v, "tar_size"));

	report_phase(v->app->report, "reading the tarball", REPORT_BYTES,
		     size > 0 ? (uint64_t)size : 0, deep ? 20 : 100);
	if (image_inspect(fd, v->tarball, v->app->report, &seen, &why) < 0) {
		if (why.kind != ERROR_BAD_TEMPLATE) {
			error_move(err, &why);
			return -1;
		}
		strvec_push(&v->findings, why.message);
		return 0;
	}
	report_phase_end(v->app->report);
	digest_hex(&seen.file, hex);
	check_sum(v, hex);
	check_digest(v, "gzip_sha256", hex, v->tarball);
	check_size(v, "gzip_size", seen.file_bytes, v->tarball);
	check_digest(v, "tar_sha256", digest_hex(&seen.tar, hex), "the tar in it");
	check_size(v, "tar_size", seen.tar_bytes, "the tar in it");
	if (seen.zeros < END_OF_ARCHIVE)
		strvec_pushf(&v->findings, "%s is cut short: the end of the archive is missing",
			     v->tarball);
	return 0;
}

static int check_packages(struct verification *v, struct error *err)
{
	AUTO(plan_freep) struct plan *plan = NULL;
	struct digest digest;
	char hex[DIGEST_MAX * 2 + 1];
	const char *expected = json_string_value(json_object_get(v->manifest, "plan_sha256"));

	if (manifest_plan(v->manifest, v->format, &plan, err) < 0)
		return -1;
	plan_digest(plan, &digest);
	if (!expected || strcmp(expected, digest_hex(&digest, hex)) != 0)
		strvec_pushf(&v->findings,
			     "the packages in %s are not those that it was written with",
			     v->manifest_file);
	return 0;
}

/* ---- what is in it ---------------------------------------------------------------------------- */

static int unpack(struct verification *v, int fd, int tree, struct error *err)
{
	const struct image_unpack job = { .fd = fd, .name = v->tarball, .tree = tree };
	struct image_unpacked unpacked;
	char hex[DIGEST_MAX * 2 + 1];

	report_phase(v->app->report, "unpacking", REPORT_BYTES, 0, 20);
	if (image_unpack(&job, &unpacked, err) < 0)
		return -1;
	report_phase_end(v->app->report);
	/* Somebody may have written to it meanwhile. */
	check_digest(v, "gzip_sha256", digest_hex(&unpacked.digest, hex), v->tarball);
	return 0;
}

static int check_tree(struct verification *v, int fd, struct error *err)
{
	AUTO(workdir_remove) struct workdir workdir = WORKDIR_INIT;
	autofree char *name = xasprintf("%s.verify", v->operand.name);

	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "reading %s", v->tarball);
	if (workdir_create(&workdir, v->app->host.template_dir, name, err) < 0)
		return -1;
	autoclose int tree = dir_open(workdir.fd, "tree", true, 0755, err);
	if (tree < 0 || unpack(v, fd, tree, err) < 0 ||
	    verify_tree(v->app, v->manifest, v->format, tree, &v->tree, err) < 0)
		return -1;
	for (size_t i = 0; i < v->tree.findings.count; i++)
		strvec_push(&v->findings, v->tree.findings.items[i]);
	return 0;
}

/* ---- the command ------------------------------------------------------------------------------ */

static int open_all(struct verification *v, const char *word, struct error *err)
{
	const char *dir = v->app->host.template_dir;

	if (generation_operand_parse(v->app, word, &v->operand, err) < 0)
		return -1;
	v->text = generation_operand_text(&v->operand);
	v->tarball = xasprintf("%s.tar.gz", v->operand.name);
	v->manifest_file = xasprintf("%s.manifest.json", v->operand.name);
	v->sum_file = xasprintf("%s.sha256", v->tarball);
	v->folder = generation_folder(dir, v->operand.name, v->operand.number, err);
	if (v->folder < 0 ||
	    generation_operand_manifest(v->app, &v->operand, &v->manifest, err) < 0)
		return -1;
	return manifest_format(v->manifest, v->text, &v->format, err);
}

static int check(struct verification *v, struct error *err)
{
	autoclose int fd = openat(v->folder, v->tarball, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_errno(err, errno, "opening %s", v->tarball);
	check_permissions(v, v->tarball);
	check_permissions(v, v->manifest_file);
	check_permissions(v, v->sum_file);
	if (check_packages(v, err) < 0 || inspect(v, fd, err) < 0)
		return -1;
	/* What is not what it was packed is not unpacked. */
	return deep && !v->findings.count ? check_tree(v, fd, err) : 0;
}

static json_t *texts(const struct strvec *vec)
{
	json_t *array = json_array();
	for (size_t i = 0; i < vec->count; i++)
		json_array_append_new(array, json_string(vec->items[i]));
	return array;
}

static void show(const struct verification *v, struct command_result *ret)
{
	const struct verified_tree *tree = &v->tree;

	ret->json = json_pack("{s:s s:b s:o}", "subject", v->text, "good", !v->findings.count,
			      "findings", texts(&v->findings));
	for (size_t i = 0; i < v->findings.count; i++)
		strbuf_addf(&ret->text, "%s: %s\n", v->text, v->findings.items[i]);
	if (!v->findings.count)
		strbuf_addf(&ret->text, "%s: good\n", v->text);
	if (!deep || (v->findings.count && !tree->files))
		return;
	json_object_set_new(ret->json, "files", json_integer((json_int_t)tree->files));
	json_object_set_new(ret->json, "changed_configuration",
			    json_integer((json_int_t)tree->changed));
	json_object_set_new(ret->json, "packages_not_there", texts(&tree->absent));
	strbuf_addf(&ret->text,
		    "%s: %zu files were compared with their packages; %zu packages are not in the "
		    "store\n",
		    v->text, tree->files, tree->absent.count);
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(verification_release) struct verification v = { .app = app, .folder = -1 };

	/* The tree has files of all users. */
	if ((deep && app_need_root("verify --deep", err) < 0) ||
	    open_all(&v, operands->items[0], err) < 0 || check(&v, err) < 0)
		return -1;
	show(&v, ret);
	if (!v.findings.count)
		return 0;
	error_set(err, ERROR_TRUST, "%s is not what was built: %s", v.text, v.findings.items[0]);
	error_subject(err, "%s", v.text);
	return error_hint(err,
			  "\"vzpkg history %s\" shows what there is to go back to; \"vzpkg "
			  "create-cache --force %s\" builds it anew",
			  v.operand.name, v.operand.name);
}

const struct command command_verify = {
	.name = "verify",
	.operands = "TEMPLATE[@N]",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "Compares a cache with its manifest, or its files with their packages",
	.options = options,
	.run = run,
};
