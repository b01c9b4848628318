/* Names of users and groups, as the files /etc/passwd and /etc/group of a VE have them (passwd(5), group(5)). They are a tenant's: any file
 * counts, and says what it says. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

/* "/etc/passwd" or "/etc/group" below `root`; nothing without one. */
void guest_names_read(int root, bool groups, struct strbuf *text);

bool guest_id_of(const struct strbuf *names, const char *name, uint32_t *ret);
char *guest_name_of(const struct strbuf *names, uint32_t id); /* to be freed; NULL: none */
