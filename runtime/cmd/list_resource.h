/* Fields of vzlist that are of resources: a beancounter has five, of which the first has its name alone: kmemsize, kmemsize.m,
 * kmemsize.b, kmemsize.l, kmemsize.f. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/cmd/list_ve.h"
#include "runtime/config/resource.h"

enum list_column { COLUMN_HELD, COLUMN_MAXHELD, COLUMN_BARRIER, COLUMN_LIMIT, COLUMN_FAILCNT };

bool list_resource_find(const char *name, enum resource_id *id, enum list_column *column);
bool list_resource_has(enum resource_id id, enum list_column column);

/* Whether it is of what a VE has, and not of what it may have. */
bool list_resource_is_counted(enum resource_id id, enum list_column column);

/* Static. */
const char *list_resource_name(enum resource_id id, enum list_column column);
const char *list_resource_heading(enum resource_id id, enum list_column column);

/* -1: not known, or not set. What is no beancounter has its value in each column. */
int64_t list_resource_number(const struct list_ve *ve, enum resource_id id,
			     enum list_column column);
const char *list_resource_text(const struct list_ve *ve, enum resource_id id);

/* {"held":…,"maxheld":…,"barrier":…,"limit":…,"failcnt":…}, null for what is not known, as OpenVZ's has it. */
json_t *list_resource_json(const struct list_ve *ve, enum resource_id id);
