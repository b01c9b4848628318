/* The options of "vzctl set" that are of resources. */
#pragma once

#include "base/conf.h"
#include "base/error.h"
#include "base/option.h"
#include "runtime/config/resource.h"

enum { SET_RESOURCE_OPTIONS = RESOURCE_COUNT + 2 };

/* Their rows, for the parser and the help. */
void set_resource_options(struct option_row rows[SET_RESOURCE_OPTIONS]);

/* What was given, by key, as a configuration has it. ERROR_VALUE. */
int set_resource_take(struct conf *ret, struct error *err);
