/*
 * Which packages are there for others' sake, written down where the guest's own tools look, so that their "autoremove" takes away the right ones. Inside of
 * fleet/ only.
 */
#pragma once

#include "vzpkg/fleet/applier.h"

/* apt: /var/lib/apt/extended_states. Nothing if there is no apt. */
int apply_mark_deb(struct applier *applier, struct error *err);

/* yum: /var/lib/yum/yumdb, if there is a /var/lib/yum; dnf: by "dnf mark" of its own, if there is one. Of what is new and what is asked for now; when the packages
 * are there. */
int apply_mark_rpm(struct applier *applier, struct error *err);
