#include "vzpkg/metadata/modules.h"

#include <errno.h>
#include <modulemd.h>
#include <solv/bitmap.h>
#include <solv/repo.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/worker.h"
#include "vzpkg/metadata/index_read.h"

struct chooser {
	const struct metadata *metadata;
	ModulemdModuleIndex *index; /* of all repositories */
	GHashTable *streams; /* module → the stream that is chosen */
	GHashTable *
		artifacts; /* NAME-EPOCH:VERSION-RELEASE.ARCH → whether its stream is chosen (0, 1) */
	GHashTable *names; /* of packages of chosen streams */
};

static void chooser_release(struct chooser *chooser)
{
	g_clear_object(&chooser->index);
	g_clear_pointer(&chooser->streams, g_hash_table_unref);
	g_clear_pointer(&chooser->artifacts, g_hash_table_unref);
	g_clear_pointer(&chooser->names, g_hash_table_unref);
}

/* ---- reading --------------------------------------------------------------------------------------------- */

static int read_text(int fd, const char *name, void *target, uint64_t *total, struct error *err)
{
	struct strbuf *text = target;
	char bytes[65536];
	ssize_t got;

	while ((got = read(fd, bytes, sizeof(bytes))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, errno, "reading %s", name);
		strbuf_add(text, bytes, (size_t)got);
	}
	*total = text->length;
	return 0;
}

/* What libmodulemd does not know of a newer kind is no mistake. */
static int add_index(struct chooser *chooser, const struct metadata *metadata,
		     const struct metadata_index *index, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	g_autoptr(GPtrArray) failures = NULL;
	g_autoptr(GError) failure = NULL;

	if (index_read(metadata->pm, index, read_text, &text, err) < 0)
		return -1;
	modulemd_module_index_update_from_string(chooser->index, text.text, FALSE, &failures,
						 &failure);
	if (!failure)
		return 0;
	error_set(err, ERROR_FETCH, "%s: it cannot be read: %s", index->title, failure->message);
	error_subject(err, "%s", index->title);
	return error_hint(err, "the repository is broken; tell its owner");
}

static int add_indexes(struct chooser *chooser, const struct metadata *metadata, struct error *err)
{
	for (size_t r = 0; r < metadata->repository_count; r++)
		for (size_t i = 0; i < metadata->repositories[r].index_count; i++) {
			const struct metadata_index *index = &metadata->repositories[r].indexes[i];
			if (index->kind == INDEX_MODULES &&
			    add_index(chooser, metadata, index, err) < 0)
				return -1;
		}
	return 0;
}

/* ---- choosing -------------------------------------------------------------------------------------------- */

static const char *chosen_stream(const struct chooser *chooser, const char *module)
{
	return g_hash_table_lookup(chooser->streams, module);
}

static void choose_stream(struct chooser *chooser, const char *module, const char *stream)
{
	if (!chosen_stream(chooser, module))
		g_hash_table_insert(chooser->streams, g_strdup(module), g_strdup(stream));
}

static void choose_defaults(struct chooser *chooser, char **modules)
{
	for (; *modules; modules++) {
		ModulemdModule *module = modulemd_module_index_get_module(chooser->index, *modules);
		ModulemdDefaults *defaults = modulemd_module_get_defaults(module);
		const char *stream = NULL;
		if (defaults && MODULEMD_IS_DEFAULTS_V1(defaults))
			stream = modulemd_defaults_v1_get_default_stream(
				MODULEMD_DEFAULTS_V1(defaults), NULL);
		if (stream)
			choose_stream(chooser, *modules, stream);
	}
}

/* A module that has no default, and that a chosen stream needs: the first of the streams that will do. */
static void choose_needed(struct chooser *chooser, ModulemdDependencies *dependencies)
{
	g_auto(GStrv) modules = modulemd_dependencies_get_runtime_modules_as_strv(dependencies);
	for (char **module = modules; *module; module++) {
		g_auto(GStrv) streams =
			modulemd_dependencies_get_runtime_streams_as_strv(dependencies, *module);
		if (strcmp(*module, "platform") == 0 || chosen_stream(chooser, *module) ||
		    !streams || !*streams || **streams == '-')
			continue;
		choose_stream(chooser, *module, *streams);
	}
}

static bool is_chosen(const struct chooser *chooser, ModulemdModuleStream *stream)
{
	const char *chosen = chosen_stream(chooser, modulemd_module_stream_get_module_name(stream));
	return chosen && strcmp(chosen, modulemd_module_stream_get_stream_name(stream)) == 0;
}

static void each_stream(struct chooser *chooser, char **modules,
			void (*each)(struct chooser *chooser, ModulemdModuleStreamV2 *stream,
				     bool chosen))
{
	for (; *modules; modules++) {
		ModulemdModule *module = modulemd_module_index_get_module(chooser->index, *modules);
		GPtrArray *streams = modulemd_module_get_all_streams(module);
		for (guint i = 0; i < streams->len; i++) {
			ModulemdModuleStream *stream = g_ptr_array_index(streams, i);
			if (MODULEMD_IS_MODULE_STREAM_V2(stream))
				each(chooser, MODULEMD_MODULE_STREAM_V2(stream),
				     is_chosen(chooser, stream));
		}
	}
}

static void follow(struct chooser *chooser, ModulemdModuleStreamV2 *stream, bool chosen)
{
	GPtrArray *dependencies = modulemd_module_stream_v2_get_dependencies(stream);

	for (guint i = 0; chosen && i < dependencies->len; i++)
		choose_needed(chooser, g_ptr_array_index(dependencies, i));
}

/* ---- packages -------------------------------------------------------------------------------------------- */

static void add_artifacts(struct chooser *chooser, ModulemdModuleStreamV2 *stream, bool chosen)
{
	g_auto(GStrv) artifacts = modulemd_module_stream_v2_get_rpm_artifacts_as_strv(stream);

	for (char **artifact = artifacts; *artifact; artifact++) {
		bool before = g_hash_table_lookup(chooser->artifacts, *artifact);
		g_hash_table_insert(chooser->artifacts, g_strdup(*artifact),
				    GINT_TO_POINTER(chosen || before));
	}
}

static char *artifact_of(Pool *pool, const Solvable *solvable)
{
	const char *version = pool_id2str(pool, solvable->evr);

	return xasprintf("%s-%s%s.%s", pool_id2str(pool, solvable->name),
			 strchr(version, ':') ? "" : "0:", version,
			 pool_id2str(pool, solvable->arch));
}

enum membership { OUTSIDE, OTHER_STREAM, CHOSEN_STREAM };

static enum membership membership_of(const struct chooser *chooser, Pool *pool,
				     const Solvable *solvable)
{
	autofree char *artifact = artifact_of(pool, solvable);
	void *chosen;

	if (!g_hash_table_lookup_extended(chooser->artifacts, artifact, NULL, &chosen))
		return OUTSIDE;
	return chosen ? CHOSEN_STREAM : OTHER_STREAM;
}

static void mark(const struct chooser *chooser, Pool *pool)
{
	autofree enum membership *members = xcalloc((size_t)pool->nsolvables, sizeof(*members));

	for (Id id = 2; id < pool->nsolvables; id++) {
		const Solvable *solvable = pool_id2solvable(pool, id);
		if (!solvable->repo)
			continue;
		members[id] = membership_of(chooser, pool, solvable);
		if (members[id] == CHOSEN_STREAM)
			g_hash_table_add(chooser->names,
					 g_strdup(pool_id2str(pool, solvable->name)));
	}
	pool->considered = solv_calloc(1, sizeof(Map));
	map_init(pool->considered, pool->nsolvables);
	map_setall(pool->considered);
	for (Id id = 2; id < pool->nsolvables; id++) {
		const Solvable *solvable = pool_id2solvable(pool, id);
		if (solvable->repo &&
		    (members[id] == OTHER_STREAM ||
		     (members[id] == OUTSIDE &&
		      g_hash_table_contains(chooser->names, pool_id2str(pool, solvable->name)))))
			MAPCLR(pool->considered, id);
	}
}

/* ---- in a child -------------------------------------------------------------------------------------------
 * libmodulemd 2.14 has been seen to crash on texts that nobody would write. */

static void choose_streams(struct chooser *chooser)
{
	g_auto(GStrv) modules = modulemd_module_index_get_module_names_as_strv(chooser->index);

	choose_defaults(chooser, modules);
	/* What is chosen for one may need more: as often as there are modules, at most. */
	for (guint before = 0; before != g_hash_table_size(chooser->streams);) {
		before = g_hash_table_size(chooser->streams);
		each_stream(chooser, modules, follow);
	}
	each_stream(chooser, modules, add_artifacts);
}

/* "+" or "-", an artifact, NUL; and so on. */
static int read_and_choose(size_t task, void *data, struct strbuf *result, struct error *err)
{
	struct chooser *chooser = data;
	GHashTableIter iterator;
	void *artifact, *chosen;

	(void)task;
	chooser->index = modulemd_module_index_new();
	chooser->streams = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	if (add_indexes(chooser, chooser->metadata, err) < 0)
		return -1;
	choose_streams(chooser);
	g_hash_table_iter_init(&iterator, chooser->artifacts);
	while (g_hash_table_iter_next(&iterator, &artifact, &chosen)) {
		strbuf_addc(result, chosen ? '+' : '-');
		strbuf_add(result, artifact, strlen(artifact) + 1);
	}
	return 0;
}

static int take_artifacts(size_t task, void *data, const char *result, size_t size,
			  struct error *err)
{
	struct chooser *chooser = data;
	const char *end = result + size;

	(void)task;
	(void)err;
	for (const char *at = result; at < end; at += strlen(at) + 1)
		g_hash_table_insert(chooser->artifacts, g_strdup(at + 1),
				    GINT_TO_POINTER(*at == '+'));
	return 0;
}

static bool has_modules(const struct metadata *metadata)
{
	for (size_t r = 0; r < metadata->repository_count; r++)
		for (size_t i = 0; i < metadata->repositories[r].index_count; i++)
			if (metadata->repositories[r].indexes[i].kind == INDEX_MODULES)
				return true;
	return false;
}

int modules_choose(struct package_pool *pool, struct error *err)
{
	if (!has_modules(pool->metadata))
		return 0;
	AUTO(chooser_release)
	struct chooser chooser = {
		.metadata = pool->metadata,
		.artifacts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
		.names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
	};
	struct worker_job job = {
		.name = "reading the metadata of modules",
		.jobs = 1,
		.count = 1,
		.task = read_and_choose,
		.done = take_artifacts,
		.data = &chooser,
	};
	if (workers_run(&job, err) < 0)
		return err && err->kind == ERROR_CHILD
			       ? error_hint(err, "the repository is broken; tell its owner")
			       : -1;
	mark(&chooser, pool->pool);
	return 0;
}
