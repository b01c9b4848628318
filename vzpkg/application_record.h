/*
 * Which application templates a VE has, as its configuration records it in OpenVZ's form: TEMPLATES=".nginx .php".
 */
#pragma once

#include "base/conf.h"
#include "base/error.h"
#include "base/host.h"
#include "base/strvec.h"

/* Appends the names of a TEMPLATES value, without their leading "."; blanks or commas stand between them. */
void application_names(const char *text, struct strvec *names);

/* Appends those of a CTID.conf that is read. */
void application_recorded(const struct conf *conf, struct strvec *names);

/*
 * Adds and removes names (either may be NULL) in VE_CONFDIR/CTID.conf, which is replaced as a whole; without any change it is not
 * touched. The caller holds the VE's lock: "vzctl set --save" writes the file too. ERROR_SAVE if it cannot be written.
 */
int application_record(const struct host_config *host, unsigned ctid, const struct strvec *add,
		       const struct strvec *remove, struct error *err);
