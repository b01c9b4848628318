/* What has become of one VE, as JSON and as a line. For vzpkg/cmd/fleet_*.c only; doc/fleet.schema.json describes it. */
#pragma once

#include "vzpkg/cmd/fleet.h"
#include "vzpkg/fleet/apply.h"

/* `err` NULL: it succeeded. The caller owns it. */
json_t *fleet_record(const struct fleet *fleet, const struct fleet_task *task,
		     const struct apply_result *applied, const struct error *err);

/* Of one in which nothing was done. */
json_t *fleet_record_plain(const struct fleet_task *task, enum fleet_state state,
			   const struct error *err);

/* One line, without a newline: "101 (web): installed 5 packages, 1.2 s". */
void fleet_record_text(const struct fleet *fleet, const struct fleet_task *task,
		       struct strbuf *text);

/* [{"name","arch","from","to"}] of a difference. */
json_t *fleet_changes(const struct fleet_class *class);
