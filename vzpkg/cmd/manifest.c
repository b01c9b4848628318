#include "vzpkg/cmd/manifest.h"

#include <stdio.h>
#include <string.h>

static const char *const format_names[] = { [PACKAGE_DEB] = "deb", [PACKAGE_RPM] = "rpm" };

static json_t *hex(const struct digest *digest)
{
	char text[DIGEST_MAX * 2 + 1];
	return json_string(digest_hex(digest, text));
}

json_t *manifest_package(const struct plan *plan, const struct plan_package *package)
{
	const struct plan_repository *repository = &plan->repositories[package->repository];
	json_t *object = json_pack(
		"{s:s s:s s:s s:I s:I s:s s:b s:b}", "name", package->name, "version",
		package->version, "arch", package->arch, "size", (json_int_t)package->size,
		"installed_size", (json_int_t)package->installed_size, "repository",
		repository->text, "automatic", package->automatic, "essential", package->essential);
	json_object_set_new(object, digest_kind_name(package->digest.kind), hex(&package->digest));
	const char *signer = repository->signer[0] ? repository->signer : package->signer;
	if (*signer)
		json_object_set_new(object, "signer", json_string(signer));
	return object;
}

static json_t *packages(const struct plan *plan)
{
	json_t *array = json_array();
	for (size_t i = 0; i < plan->count; i++)
		json_array_append_new(array, manifest_package(plan, &plan->packages[i]));
	return array;
}

static json_t *repositories(const struct metadata *metadata)
{
	json_t *array = json_array();
	for (size_t i = 0; i < metadata->repository_count; i++) {
		const struct metadata_repository *repository = &metadata->repositories[i];
		json_t *row =
			json_pack("{s:s s:o s:I}", "repository", repository->source->text, "sha256",
				  hex(&repository->top), "date", (json_int_t)repository->date);
		if (repository->signer[0])
			json_object_set_new(row, "signer", json_string(repository->signer));
		json_array_append_new(array, row);
	}
	return array;
}

static json_t *image_object(const struct image_packed *image)
{
	return json_pack("{s:o s:o s:I s:I s:I s:I s:s}", "tar_sha256", hex(&image->tar),
			 "gzip_sha256", hex(&image->gzip), "tar_size", (json_int_t)image->tar_bytes,
			 "gzip_size", (json_int_t)image->gzip_bytes, "entries",
			 (json_int_t)image->entries, "members", (json_int_t)image->members,
			 "compressor", image_compressor(!image->member_sizes));
}

static json_t *template_object(const struct template *template)
{
	const struct template_name *name = &template->name;
	json_t *object = json_pack("{s:s s:s s:s s:s s:s s:s s:o}", "name", template->text, "os",
				   name->os, "release", name->release, "arch", name->arch, "set",
				   name->set, "package_manager", format_names[template->format],
				   "sha256", hex(&template->digest));
	json_t *applications = json_array();
	for (size_t i = 0; i < template->part_count; i++)
		json_array_append_new(applications, json_string(template->parts[i].name));
	if (template->part_count)
		json_object_set(object, "applications", applications);
	json_decref(applications);
	return object;
}

json_t *manifest_make(const struct template *template, const struct metadata *metadata,
		      const struct plan *plan, const struct image_packed *image, int64_t epoch)
{
	struct digest digest;
	plan_digest(plan, &digest);
	return json_pack("{s:i s:o s:s s:i s:I s:o s:o s:o s:o}", "schema", 1, "template",
			 template_object(template), "builder", "vzpkg " VERSION, "build_format",
			 TEMPLATE_BUILD_FORMAT, "epoch", (json_int_t)epoch, "image",
			 image_object(image), "plan_sha256", hex(&digest), "repositories",
			 repositories(metadata), "packages", packages(plan));
}

void manifest_applications(const json_t *manifest, struct strvec *names)
{
	const json_t *rows = json_object_get(json_object_get(manifest, "template"), "applications");

	for (size_t i = 0; i < json_array_size(rows); i++)
		strvec_push(names, json_string_value(json_array_get(rows, i)) ?: "");
}

int manifest_format(const json_t *manifest, const char *name, enum package_format *ret,
		    struct error *err)
{
	const char *word = json_string_value(
		json_object_get(json_object_get(manifest, "template"), "package_manager"));
	for (size_t i = 0; word && i < sizeof(format_names) / sizeof(*format_names); i++)
		if (strcmp(word, format_names[i]) == 0) {
			*ret = (enum package_format)i;
			return 0;
		}
	error_set(err, ERROR_TRUST, "the manifest of %s does not say whose packages it lists",
		  name);
	error_subject(err, "%s", name);
	return error_hint(err, "build the template anew: vzpkg create-cache --force %s", name);
}

void manifest_release(json_t **manifest)
{
	json_decref(*manifest);
	*manifest = NULL;
}

/* ---- refreshes ------------------------------------------------------------------------------------------------ */

void manifest_note_refresh(json_t *manifest, unsigned refreshes, const struct strvec *unowned)
{
	json_t *paths = json_array();

	if (!refreshes) {
		json_decref(paths);
		return;
	}
	for (size_t i = 0; i < unowned->count; i++)
		json_array_append_new(paths, json_string(unowned->items[i]));
	json_object_set_new(
		manifest, "refresh",
		json_pack("{s:I s:o}", "since_clean", (json_int_t)refreshes, "unowned", paths));
}

unsigned manifest_refreshes(const json_t *manifest)
{
	const json_t *refresh = json_object_get(manifest, "refresh");
	return (unsigned)json_integer_value(json_object_get(refresh, "since_clean"));
}

void manifest_unowned(const json_t *manifest, struct strvec *ret)
{
	const json_t *paths = json_object_get(json_object_get(manifest, "refresh"), "unowned");

	for (size_t i = 0; i < json_array_size(paths); i++)
		strvec_push(ret, json_string_value(json_array_get(paths, i)) ?: "");
	strvec_sort(ret);
}

int64_t manifest_epoch(const json_t *manifest)
{
	return json_integer_value(json_object_get(manifest, "epoch"));
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

bool manifest_has_members(const json_t *manifest)
{
	const json_t *image = json_object_get(manifest, "image");
	return json_integer_value(json_object_get(image, "members")) > 1;
}

const char *manifest_gzip(const json_t *manifest)
{
	return text_of(json_object_get(manifest, "image"), "gzip_sha256");
}

static bool is_digest(const char *text, const struct digest *digest)
{
	char own[DIGEST_MAX * 2 + 1];
	return strcmp(text, digest_hex(digest, own)) == 0;
}

bool manifest_same_build(const json_t *manifest)
{
	return json_integer_value(json_object_get(manifest, "build_format")) ==
	       TEMPLATE_BUILD_FORMAT;
}

bool manifest_same_template(const json_t *manifest, const struct template *template)
{
	return manifest_same_build(manifest) &&
	       is_digest(text_of(json_object_get(manifest, "template"), "sha256"),
			 &template->digest);
}

bool manifest_same_metadata(const json_t *manifest, const struct metadata *metadata)
{
	const json_t *rows = json_object_get(manifest, "repositories");

	if (json_array_size(rows) != metadata->repository_count)
		return false;
	for (size_t i = 0; i < metadata->repository_count; i++) {
		const struct metadata_repository *repository = &metadata->repositories[i];
		const json_t *row = json_array_get(rows, i);
		if (strcmp(text_of(row, "repository"), repository->source->text) != 0 ||
		    !is_digest(text_of(row, "sha256"), &repository->top))
			return false;
	}
	return true;
}

bool manifest_same_plan(const json_t *manifest, const struct plan *plan)
{
	struct digest digest;
	plan_digest(plan, &digest);
	return is_digest(text_of(manifest, "plan_sha256"), &digest);
}

static bool read_digest(const json_t *row, struct digest *ret)
{
	static const enum digest_kind kinds[] = { DIGEST_SHA256, DIGEST_SHA512, DIGEST_SHA1,
						  DIGEST_MD5 };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *hex = text_of(row, digest_kind_name(kinds[i]));
		if (*hex)
			return digest_parse(ret, kinds[i], hex, strlen(hex));
	}
	return false;
}

int manifest_installed(const json_t *manifest, struct installed *ret, struct error *err)
{
	const json_t *rows = json_object_get(manifest, "packages");

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		struct installed_package package = {
			.name = (char *)text_of(row, "name"),
			.version = (char *)text_of(row, "version"),
			.arch = (char *)text_of(row, "arch"),
			.essential = json_is_true(json_object_get(row, "essential")),
		};
		if (!*package.name || !*package.version || !*package.arch ||
		    !read_digest(row, &package.digest))
			return error_set(err, ERROR_TRUST,
					 "the manifest's package number %zu is none", i);
		snprintf(package.signer, sizeof(package.signer), "%s", text_of(row, "signer"));
		installed_add(ret, &package);
	}
	if (!ret->count)
		return error_set(err, ERROR_TRUST, "the manifest lists no packages");
	return 0;
}
