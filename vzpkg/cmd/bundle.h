/*
 * Bundles: all that a host without a network needs to build a template, as one tar.
 *
 *	bundle.json			which template; its repositories; doc/bundle.schema.json
 *	template/OS/RELEASE/config/…	the template's own files
 *	repositories/…, pm/indexes/…	metadata: vzpkg/metadata/bundle.h
 *	lock.json			instead of that, if the plan is that of a lock file
 *	pm/packages/…			packages: vzpkg/cache/store.h
 *	cache/NAME.tar.gz, …		the cache with its manifest, if it was asked for
 */
#pragma once

#include "vzpkg/cmd/command.h"

struct bundle_options {
	const char *file;
	bool cache; /* the template's cache too */
	bool with_template; /* import: the template too, with the keys in it */
};

int bundle_export(struct app *app, const struct bundle_options *options, const char *template,
		  struct command_result *ret, struct error *err);
int bundle_import(struct app *app, const struct bundle_options *options, struct command_result *ret,
		  struct error *err);
