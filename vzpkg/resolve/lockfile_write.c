#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/resolve/lockfile.h"

char *lockfile_path(const char *template_dir, const char *name)
{
	return xasprintf("%s/locked/%s.json", template_dir, name);
}

static json_t *hex(const struct digest *digest)
{
	char text[DIGEST_MAX * 2 + 1];
	return json_string(digest_hex(digest, text));
}

static json_t *repositories(const struct metadata *metadata)
{
	json_t *array = json_array();

	for (size_t i = 0; i < metadata->repository_count; i++) {
		const struct metadata_repository *repository = &metadata->repositories[i];
		json_t *row =
			json_pack("{s:s s:o s:I}", "repository", repository->source->text, "sha256",
				  hex(&repository->top), "date", (json_int_t)repository->date);
		if (*repository->signer)
			json_object_set_new(row, "signer", json_string(repository->signer));
		if (repository->source->unsigned_ok)
			json_object_set_new(row, "unsigned", json_true());
		json_array_append_new(array, row);
	}
	return array;
}

/* By name and architecture, which no two packages of a plan have in common: an index would change with every package before it. */
static json_t *references(const struct plan *plan, const size_t *indices, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct plan_package *package = &plan->packages[indices[i]];
		autofree char *text = xasprintf("%s:%s", package->name, package->arch);
		json_array_append_new(array, json_string(text));
	}
	return array;
}

static json_t *package_object(const struct plan *plan, const struct plan_package *package)
{
	const struct plan_repository *repository = &plan->repositories[package->repository];
	const char *signer = *repository->signer ? repository->signer : package->signer;
	json_t *row =
		json_pack("{s:s s:s s:s s:s s:s s:I s:I}", "name", package->name, "version",
			  package->version, "arch", package->arch, "repository", repository->text,
			  "path", package->location, "size", (json_int_t)package->size,
			  "installed_size", (json_int_t)package->installed_size);

	json_object_set_new(row, digest_kind_name(package->digest.kind), hex(&package->digest));
	if (*signer)
		json_object_set_new(row, "signer", json_string(signer));
	json_object_set_new(row, "automatic", json_boolean(package->automatic));
	json_object_set_new(row, "essential", json_boolean(package->essential));
	json_object_set_new(row, "base", json_boolean(package->base));
	json_object_set_new(row, "pre_depends",
			    references(plan, package->pre_depends, package->pre_depend_count));
	json_object_set_new(row, "depends",
			    references(plan, package->depends, package->depend_count));
	if (package->reason)
		json_object_set_new(row, "reason", json_string(package->reason));
	return row;
}

json_t *lockfile_make(const struct template *template, const struct metadata *metadata,
		      const struct plan *plan)
{
	json_t *packages = json_array();
	struct digest digest;

	for (size_t i = 0; i < plan->count; i++)
		json_array_append_new(packages, package_object(plan, &plan->packages[i]));
	plan_digest(plan, &digest);
	return json_pack("{s:i s:s s:{s:s s:o} s:o s:o s:o}", "schema", 1, "kind", "lock",
			 "template", "name", template->text, "sha256", hex(&template->digest),
			 "plan_sha256", hex(&digest), "repositories", repositories(metadata),
			 "packages", packages);
}
