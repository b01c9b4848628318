/*
 * vzpkg update-metadata: brings the metadata of templates' repositories up to date, and says what is new.
 */
#include <time.h>

#include "base/cleanup.h"
#include "vzpkg/cmd/each_template.h"

static bool all;

static const struct option_row options[] = {
	{ "all", 'a', OPTION_FLAG, &all, NULL, "each template that has a cache" },
	{ NULL },
};

static void format_date(int64_t seconds, char text[32])
{
	time_t when = seconds;
	struct tm tm;
	strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&when, &tm));
}

static const char *status_of(const struct metadata_repository *repository)
{
	if (!repository->changed)
		return "unchanged";
	return repository->date_before ? "changed" : "new";
}

static json_t *row_of(const struct metadata_repository *repository)
{
	json_t *row = json_pack("{s:s s:s s:I}", "repository", repository->source->text, "status",
				status_of(repository), "date", (json_int_t)repository->date);
	if (repository->date_before)
		json_object_set_new(row, "date_before",
				    json_integer((json_int_t)repository->date_before));
	if (*repository->signer)
		json_object_set_new(row, "signer", json_string(repository->signer));
	return row;
}

static void line_of(const struct template *template, const struct metadata_repository *repository,
		    struct strbuf *text)
{
	char date[32], before[32];

	format_date(repository->date, date);
	strbuf_addf(text, "%s: %s: ", template->text, repository->source->text);
	if (repository->changed && repository->date_before) {
		format_date(repository->date_before, before);
		strbuf_addf(text, "changed: of %s, before of %s\n", date, before);
	} else {
		strbuf_addf(text, "%s, of %s\n", status_of(repository), date);
	}
}

static json_t *update(struct app *app, const struct template *template, struct strbuf *text,
		      struct error *err)
{
	AUTO(metadata_freep) struct metadata *metadata = NULL;

	if (app_metadata(app, template, &metadata, err) < 0)
		return NULL;
	json_t *rows = json_array();
	for (size_t i = 0; i < metadata->repository_count; i++) {
		line_of(template, &metadata->repositories[i], text);
		json_array_append_new(rows, row_of(&metadata->repositories[i]));
	}
	return json_pack("{s:s s:b s:o}", "template", template->text, "changed", metadata->changed,
			 "repositories", rows);
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	if (app->options.offline) {
		error_set(err, ERROR_USAGE, "metadata cannot be brought up to date with --offline");
		return error_hint(err,
				  "leave --offline out, or import a bundle that was made where "
				  "there is a network: \"vzpkg bundle --import FILE\"");
	}
	return each_template(app, operands, all, update, ret, err);
}

const struct command command_update_metadata = {
	.name = "update-metadata",
	.operands = "[TEMPLATE…]",
	.operands_max = 1000,
	.summary = "Brings repositories' metadata up to date and says what is new",
	.options = options,
	.run = run,
};
