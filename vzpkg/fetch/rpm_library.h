/*
 * librpm, as this project wants it: with rpm's own macros and nothing of the host's or the user's configuration (/etc/rpm,
 * ~/.rpmmacros, ~/.rpmrc), and with its messages kept instead of printed.
 */
#pragma once

#include "base/error.h"
#include "base/strbuf.h"

/* Once in a process; later calls do nothing. librpm's state is process-wide: one thread, one job. */
int rpm_library_open(struct error *err);

/* What librpm says from now on is appended to `text`, a line each, if it is as important as RPMLOG_… `level`; NULL: dropped. */
void rpm_library_listen(struct strbuf *text, int level);
