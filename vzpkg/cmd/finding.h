/* What lint has found, as commands show it. */
#pragma once

#include "vzpkg/cmd/command.h"

/* Appends a line to `text`, and an object to the array `json`. */
void finding_add(bool is_error, const char *file, unsigned line, const char *what,
		 struct strbuf *text, json_t *json);
