/*
 * Operands of the form TEMPLATE or TEMPLATE@N: a cache, or one of its generations.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "vzpkg/app.h"

struct generation_operand {
	char *name; /* of the template, in full */
	unsigned number; /* 0: not said */
};

#define GENERATION_OPERAND_INIT ((struct generation_operand){ 0 })

/* A template whose metadata is gone is known by the name of its cache. ERROR_USAGE if what follows the "@" is no number;
 * ERROR_NO_TEMPLATE. Whether there is such a cache is not looked at. */
int generation_operand_parse(const struct app *app, const char *text,
			     struct generation_operand *ret, struct error *err);
void generation_operand_release(struct generation_operand *operand);

/* "debian-12-x86_64@3"; to be freed. */
char *generation_operand_text(const struct generation_operand *operand);

/* Its manifest, to be json_decref'ed; errors as of generation_manifest(). */
int generation_operand_manifest(const struct app *app, const struct generation_operand *operand,
				json_t **ret, struct error *err);
