#include "vzpkg/cmd/layer_users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/config/ctid.h"
#include "runtime/config/ve_config.h"

static void add(struct layer_users *users, const struct ve_config *config)
{
	users->items = xgrow(users->items, users->count, &users->capacity, sizeof(*users->items));
	struct layer_user *user = &users->items[users->count++];
	*user = (struct layer_user){
		.ctid = config->ctid,
		.name = xstrdup_or_null(config->name),
		.ostemplate = xstrdup_or_null(config->ostemplate),
	};
	snprintf(user->layer, sizeof(user->layer), "%s", config->layer);
}

int layer_users_load(const struct host_config *host, struct layer_users *ret, size_t *ret_unread,
		     struct error *err)
{
	autofree unsigned *ctids = NULL;
	size_t count;

	*ret_unread = 0;
	if (ctid_list(host, &ctids, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
		AUTO(error_clear) struct error why = ERROR_INIT;
		if (ve_config_load(host, ctids[i], &config, &why) < 0)
			*ret_unread += why.kind != ERROR_NO_VE; /* gone meanwhile */
		else if (config.layer)
			add(ret, &config);
	}
	return 0;
}

void layer_users_release(struct layer_users *users)
{
	for (size_t i = 0; i < users->count; i++) {
		free(users->items[i].name);
		free(users->items[i].ostemplate);
	}
	free(users->items);
	*users = LAYER_USERS_INIT;
}

json_t *layer_users_of(const struct layer_users *users, const char *layer)
{
	json_t *array = json_array();
	for (size_t i = 0; layer && i < users->count; i++)
		if (strcmp(users->items[i].layer, layer) == 0)
			json_array_append_new(array, json_integer(users->items[i].ctid));
	return array;
}
