/*
 * Commands of vzpkg, one file each. To add one: write cmd/NAME.c with a `struct command`, declare it
 * below, add its row to the table in main.c and its section to doc/man/vzpkg.8.scd; the tests
 * compare the three.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/option.h"
#include "base/strbuf.h"
#include "base/strvec.h"
#include "vzpkg/app.h"

/* What a command has to say on stdout: both forms are filled in, main() prints the one wanted. */
struct command_result {
	json_t *json;
	struct strbuf text;
	int status; /* exit status of a success: 0, or EXIT_NOTHING_TO_DO */
};

struct command {
	const char *name; /* "create-cache"; "create cache" means the same */
	const char *operands; /* for the usage line: "TEMPLATE [FIELD…]" */
	size_t operands_min, operands_max;
	const char *summary; /* one line */
	const struct option_row *options;
	int (*run)(struct app *app, const struct strvec *operands, struct command_result *ret,
		   struct error *err);
};

extern const struct command command_bundle;
extern const struct command command_clean;
extern const struct command command_create_appcache;
extern const struct command command_create_cache;
extern const struct command command_diff;
extern const struct command command_fetch;
extern const struct command command_gc;
extern const struct command command_history;
extern const struct command command_import_metadata;
extern const struct command command_info;
extern const struct command command_install;
extern const struct command command_lint;
extern const struct command command_list;
extern const struct command command_list_appcache;
extern const struct command command_localinstall;
extern const struct command command_localupdate;
extern const struct command command_lock;
extern const struct command command_pin;
extern const struct command command_remove;
extern const struct command command_remove_appcache;
extern const struct command command_remove_cache;
extern const struct command command_resolve;
extern const struct command command_resume;
extern const struct command command_rollback;
extern const struct command command_sbom;
extern const struct command command_status;
extern const struct command command_unpin;
extern const struct command command_update;
extern const struct command command_update_appcache;
extern const struct command command_update_cache;
extern const struct command command_update_metadata;
extern const struct command command_verify;
extern const struct command command_why;
