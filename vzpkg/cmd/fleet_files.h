/* Package files of a run over many VEs. For vzpkg/cmd/fleet_*.c only. */
#pragma once

#include "vzpkg/cache/store.h"
#include "vzpkg/cache/workdir.h"
#include "vzpkg/fleet/share.h"

struct fleet_files {
	struct store *store;
	struct workdir workdir;
	struct share *share;
};
