#include "vzpkg/cmd/generation_operand.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cache/generation.h"

enum { DIGITS_MAX = 9 };

static int parse_number(const char *text, const char *digits, unsigned *ret, struct error *err)
{
	size_t length = strspn(digits, "0123456789");
	if (length && length <= DIGITS_MAX && !digits[length] && *digits != '0') {
		*ret = (unsigned)strtoul(digits, NULL, 10);
		return 0;
	}
	error_set(err, ERROR_USAGE, "\"%s\": \"%s\" is not the number of a generation", text,
		  digits);
	return error_hint(err, "write TEMPLATE@NUMBER; \"vzpkg history TEMPLATE\" shows them");
}

int generation_operand_parse(const struct app *app, const char *text,
			     struct generation_operand *ret, struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	const char *at = strchr(text, '@');
	autofree char *word = at ? xstrndup(text, (size_t)(at - text)) : xstrdup(text);

	if (at && parse_number(text, at + 1, &ret->number, err) < 0)
		return -1;
	if (*word && *word != '.' && !strchr(word, '/') &&
	    generation_current(app->host.template_dir, word, NULL)) {
		ret->name = steal_ptr(word);
		return 0;
	}
	if (app_template(app, word, &template, err) < 0)
		return -1;
	ret->name = xstrdup(template->text);
	return 0;
}

void generation_operand_release(struct generation_operand *operand)
{
	free(operand->name);
	*operand = GENERATION_OPERAND_INIT;
}

char *generation_operand_text(const struct generation_operand *operand)
{
	return operand->number ? xasprintf("%s@%u", operand->name, operand->number)
			       : xstrdup(operand->name);
}

int generation_operand_manifest(const struct app *app, const struct generation_operand *operand,
				json_t **ret, struct error *err)
{
	if (generation_manifest(app->host.template_dir, operand->name, operand->number, ret, err) ==
	    0)
		return 0;
	autofree char *text = generation_operand_text(operand);
	return err->kind == ERROR_NOT_CACHED ? -1 : error_wrap(err, "%s", text);
}
