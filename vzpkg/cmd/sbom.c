/*
 * vzpkg sbom: what is in a template, as a bill of materials in SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/), from the manifest
 * alone. The same manifest gives the same document.
 */
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/generation_operand.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/cmd/package_changes.h"

#define ROOT_ID "SPDXRef-Template"

struct document {
	const json_t *manifest;
	const char *os, *release;
	enum package_format format;
	json_t *packages, *relationships;
};

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

/* ---- package URLs (https://github.com/package-url/purl-spec) ------------------------------------- */

static void encode(struct strbuf *url, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if ((isascii(c) && isalnum(c)) || strchr("-._~", c))
			strbuf_addc(url, *text);
		else
			strbuf_addf(url, "%%%02X", c);
	}
}

/* rpm's epoch is a qualifier, dpkg's a part of the version (purl-spec, PURL-TYPES). */
static char *package_url(const struct document *document, const json_t *package)
{
	struct strbuf url = STRBUF_INIT;
	const char *version = text_of(package, "version");
	const char *colon = document->format == PACKAGE_RPM ? strchr(version, ':') : NULL;

	strbuf_addf(&url, "pkg:%s/", document->format == PACKAGE_DEB ? "deb" : "rpm");
	encode(&url, document->os);
	strbuf_addc(&url, '/');
	encode(&url, text_of(package, "name"));
	strbuf_addc(&url, '@');
	encode(&url, colon ? colon + 1 : version);
	strbuf_adds(&url, "?arch=");
	encode(&url, text_of(package, "arch"));
	strbuf_adds(&url, "&distro=");
	encode(&url, document->os);
	strbuf_addc(&url, '-');
	encode(&url, document->release);
	if (colon)
		strbuf_addf(&url, "&epoch=%.*s", (int)(colon - version), version);
	return strbuf_detach(&url);
}

/* ---- SPDX --------------------------------------------------------------------------------------- */

static json_t *checksums(const json_t *package)
{
	const char *kind, *hex = package_file_digest(package, &kind);
	json_t *array = json_array();

	if (hex) {
		autofree char *upper = xstrdup(kind);
		for (char *c = upper; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		json_array_append_new(
			array, json_pack("{s:s s:s}", "algorithm", upper, "checksumValue", hex));
	}
	return array;
}

static void relate(struct document *document, const char *from, const char *type, const char *to)
{
	json_array_append_new(document->relationships,
			      json_pack("{s:s s:s s:s}", "spdxElementId", from, "relationshipType",
					type, "relatedSpdxElement", to));
}

/* Licences are in the packages, and nobody has looked at them. */
static json_t *package_object(const char *id, const char *name, const char *version,
			      const char *purpose)
{
	return json_pack("{s:s s:s s:s s:s s:b s:s s:s s:s s:s}", "SPDXID", id, "name", name,
			 "versionInfo", version, "downloadLocation", "NOASSERTION", "filesAnalyzed",
			 0, "licenseConcluded", "NOASSERTION", "licenseDeclared", "NOASSERTION",
			 "copyrightText", "NOASSERTION", "primaryPackagePurpose", purpose);
}

static void add_package(struct document *document, const json_t *package, size_t number)
{
	autofree char *url = package_url(document, package);
	autofree char *id = xasprintf("SPDXRef-Package-%zu", number);
	json_t *object = package_object(id, text_of(package, "name"), text_of(package, "version"),
					"APPLICATION");

	json_object_set_new(object, "checksums", checksums(package));
	json_object_set_new(object, "externalRefs",
			    json_pack("[{s:s s:s s:s}]", "referenceCategory", "PACKAGE-MANAGER",
				      "referenceType", "purl", "referenceLocator", url));
	/* The repository as metadata writes it: where exactly it came from is no part of what it is. */
	json_object_set_new(object, "sourceInfo",
			    json_sprintf("repository: %s", text_of(package, "repository")));
	json_array_append_new(document->packages, object);
	relate(document, ROOT_ID, "CONTAINS", id);
}

static void add_root(struct document *document, const char *name, const char *gzip)
{
	json_t *object = package_object(ROOT_ID, name, document->release, "OPERATING-SYSTEM");

	json_object_set_new(object, "packageFileName", json_sprintf("%s.tar.gz", name));
	json_object_set_new(object, "checksums",
			    json_pack("[{s:s s:s}]", "algorithm", "SHA256", "checksumValue", gzip));
	json_array_append_new(document->packages, object);
	relate(document, "SPDXRef-DOCUMENT", "DESCRIBES", ROOT_ID);
}

static json_t *finish(const struct document *document, const char *name, const char *gzip)
{
	char created[32] = "";
	time_t epoch = manifest_epoch(document->manifest);
	struct tm tm;

	/* Of what it describes, since it depends on nothing else. */
	if (gmtime_r(&epoch, &tm))
		strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	autofree char *creator = xasprintf("Tool: %s", text_of(document->manifest, "builder"));
	for (char *blank = strchr(creator + strlen("Tool: "), ' '); blank;
	     blank = strchr(blank, ' '))
		*blank = '-'; /* vzpkg-1.0, as the specification wants it */
	autofree char *space = xasprintf("https://spdx.org/spdxdocs/%s-%s", name, gzip);
	return json_pack("{s:s s:s s:s s:s s:s s:{s:s s:[s]} s:[s] s:O s:O}", "spdxVersion",
			 "SPDX-2.3", "dataLicense", "CC0-1.0", "SPDXID", "SPDXRef-DOCUMENT", "name",
			 name, "documentNamespace", space, "creationInfo", "created", created,
			 "creators", creator, "documentDescribes", ROOT_ID, "packages",
			 document->packages, "relationships", document->relationships);
}

static json_t *make(const json_t *manifest, const char *name, enum package_format format)
{
	const json_t *template = json_object_get(manifest, "template");
	const json_t *packages = json_object_get(manifest, "packages");
	const char *gzip = manifest_gzip(manifest);
	struct document document = {
		.manifest = manifest,
		.os = text_of(template, "os"),
		.release = text_of(template, "release"),
		.format = format,
		.packages = json_array(),
		.relationships = json_array(),
	};

	add_root(&document, name, gzip);
	for (size_t i = 0; i < json_array_size(packages); i++)
		add_package(&document, json_array_get(packages, i), i + 1);
	json_t *result = finish(&document, name, gzip);
	json_decref(document.packages);
	json_decref(document.relationships);
	return result;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(generation_operand_release)
	struct generation_operand operand = GENERATION_OPERAND_INIT;
	AUTO(manifest_release) json_t *manifest = NULL;
	enum package_format format;

	if (generation_operand_parse(app, operands->items[0], &operand, err) < 0 ||
	    generation_operand_manifest(app, &operand, &manifest, err) < 0 ||
	    manifest_format(manifest, operand.name, &format, err) < 0)
		return -1;
	ret->json = make(manifest, operand.name, format);
	autofree char *text = json_dumps(ret->json, JSON_INDENT(1));
	if (!text)
		return error_set(err, ERROR_INTERNAL, "the bill of materials of %s cannot be made",
				 operand.name);
	strbuf_addf(&ret->text, "%s\n", text);
	return 0;
}

const struct command command_sbom = {
	.name = "sbom",
	.operands = "TEMPLATE[@N]",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "Prints a cache's packages as a bill of materials (SPDX 2.3, JSON)",
	.run = run,
};
