#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cmd/fleet.h"

static const char *const verb_names[] = {
	[CHANGE_INSTALL] = "install",
	[CHANGE_UPDATE] = "update",
	[CHANGE_ERASE] = "remove",
};
static const char *const kind_names[] = { "applications", "packages", "groups", "files" };

void fleet_request_release(struct fleet_request *request)
{
	strvec_release(&request->objects);
}

static json_t *texts(const struct strvec *vec)
{
	json_t *array = json_array();
	for (size_t i = 0; i < vec->count; i++)
		json_array_append_new(array, json_string(vec->items[i]));
	return array;
}

json_t *fleet_request_json(const struct fleet_request *request)
{
	return json_pack("{s:s s:s s:o s:b s:b s:b s:b s:I s:I s:I s:I s:o}", "verb",
			 verb_names[request->verb], "kind", kind_names[request->kind], "objects",
			 texts(&request->objects), "dependants", request->dependants, "unneeded",
			 request->unneeded, "purge", request->purge, "rollback", request->rollback,
			 "jobs", (json_int_t)request->jobs, "time_limit_s",
			 (json_int_t)request->time_limit_s, "canary", (json_int_t)request->canary,
			 "canary_percent", (json_int_t)request->canary_percent, "failures_max",
			 request->failures_limited ? json_integer(request->failures_max)
						   : json_null());
}

static int word_index(const json_t *json, const char *key, const char *const *words, int count,
		      struct error *err)
{
	const char *word = json_string_value(json_object_get(json, key)) ?: "";
	for (int i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	error_set(err, ERROR_PARSE, "the journal's request has no %s that this version knows", key);
	return error_hint(err, "the vzpkg that wrote it can go on with it");
}

static unsigned number(const json_t *json, const char *key)
{
	return (unsigned)json_integer_value(json_object_get(json, key));
}

int fleet_request_parse(const json_t *json, struct fleet_request *ret, struct error *err)
{
	const json_t *objects = json_object_get(json, "objects");
	const json_t *failures = json_object_get(json, "failures_max");
	int verb = word_index(json, "verb", verb_names, 3, err);
	int kind = verb < 0 ? -1 : word_index(json, "kind", kind_names, 4, err);

	if (kind < 0)
		return -1;
	*ret = (struct fleet_request){
		.command = verb_names[verb],
		.verb = (enum change_verb)verb,
		.kind = (enum fleet_objects)kind,
		.dependants = json_is_true(json_object_get(json, "dependants")),
		.unneeded = json_is_true(json_object_get(json, "unneeded")),
		.purge = json_is_true(json_object_get(json, "purge")),
		.rollback = json_is_true(json_object_get(json, "rollback")),
		.jobs = number(json, "jobs"),
		.time_limit_s = number(json, "time_limit_s"),
		.canary = number(json, "canary"),
		.canary_percent = number(json, "canary_percent"),
		.failures_max = number(json, "failures_max"),
		.failures_limited = json_is_integer(failures),
	};
	for (size_t i = 0; i < json_array_size(objects); i++)
		strvec_push(&ret->objects, json_string_value(json_array_get(objects, i)) ?: "");
	return 0;
}

int fleet_canary_parse(const char *text, struct fleet_request *request, struct error *err)
{
	char *end;
	unsigned long value = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;

	if (value && value <= 100 && strcmp(end, "%") == 0) {
		request->canary_percent = (unsigned)value;
		return 0;
	}
	if (value && value <= 1000000 && !*end) {
		request->canary = (unsigned)value;
		return 0;
	}
	error_set(err, ERROR_USAGE, "\"%s\" is no number of VEs", text);
	return error_hint(err, "write --canary 5 or --canary 5%%");
}
