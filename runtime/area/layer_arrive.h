/* Layers that are copied here from another host: TEMPLATE/layer/.arriving-DIGEST, until all of it is there. */
#pragma once

#include "base/error.h"
#include "base/host.h"

/* 1 if the layer of that digest is there; else 0, and *ret is the path of a folder for it, to be freed. What an earlier try has left in it stays. ERROR_VALUE: this is
 * no digest. */
int layer_arrive_begin(const struct host_config *host, const char *digest, char **ret,
		       struct error *err);

/* It is whole: it becomes the layer of that digest. One that is there already stays. */
int layer_arrive_end(const struct host_config *host, const char *digest, struct error *err);

/*
 * While the descriptor that this gives is open, nothing that arrives is swept. Who begins a move has it from before its journal is there until
 * layer_arrive_begin() has answered.
 */
int layer_arrive_lock(const struct host_config *host, struct error *err);

/* Removes what moves have left that were killed or taken back, unless a VE is on its way here: it may be of that one, and is where its next try goes on. */
void layer_arrive_sweep(const struct host_config *host);
