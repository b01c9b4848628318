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

/* Removes what has not become one. */
void layer_arrive_abandon(const struct host_config *host);
