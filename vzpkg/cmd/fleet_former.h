/* Earlier packages, so that VEs that run can be taken back. For vzpkg/cmd/fleet_*.c only. */
#pragma once

#include "vzpkg/app.h"
#include "vzpkg/cmd/fleet.h"
#include "vzpkg/fleet/share.h"

/* How files come into the share. */
struct fleet_bringer {
	struct store *store;
	struct share *share;
	struct fetcher *fetcher;
	struct report *report;
	enum package_format format;
	const struct package_keys *keys; /* rpm; else NULL */
};

/* A plan that packages may be of; taken over. */
void fleet_former_take(struct fleet_former *former, struct plan *plan);

/* Puts what can be had into the share: from the store or the repositories. What cannot is not in former->items. */
void fleet_former_bring(struct fleet_former *former, const struct app *app,
			const struct template *template, const struct difference *difference,
			const struct fleet_bringer *bringer);
void fleet_former_release(struct fleet_former *former);
