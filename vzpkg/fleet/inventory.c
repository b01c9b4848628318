#include "vzpkg/fleet/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "runtime/access/look.h"
#include "runtime/access/visit.h"
#include "vzpkg/application.h"
#include "vzpkg/application_record.h"

struct inventory_set {
	enum package_format format;
	struct digest fingerprint;
	struct installed_set *set;
};

void inventory_release(struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->count; i++) {
		free(inventory->ves[i].title);
		free(inventory->ves[i].name);
		strvec_release(&inventory->ves[i].applications);
		error_clear(&inventory->ves[i].error);
	}
	for (size_t i = 0; i < inventory->template_count; i++)
		template_free(inventory->templates[i]);
	for (size_t i = 0; i < inventory->set_count; i++) {
		installed_set_release(inventory->sets[i].set);
		free(inventory->sets[i].set);
	}
	free(inventory->ves);
	free(inventory->templates);
	free(inventory->sets);
	*inventory = INVENTORY_INIT;
}

/* ---- templates ----------------------------------------------------------------------------------------------------- */

/* What was loaded before, since loading reads some dozen files. */
static const struct template *loaded(const struct inventory *inventory, const char *text)
{
	for (size_t i = 0; i < inventory->template_count; i++)
		if (strcmp(inventory->templates[i]->text, text) == 0)
			return inventory->templates[i];
	return NULL;
}

static const struct template *take_template(const struct inventory_options *options,
					    struct inventory *inventory,
					    const struct ve_config *config, struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	const char *name = config->ostemplate;

	if (!name) {
		error_set(err, ERROR_NO_TEMPLATE, "it has no OS template");
		error_hint(err, "set OSTEMPLATE in %s", config->conf.path);
		return NULL;
	}
	name += *name == '.';
	const struct template *known = loaded(inventory, name);
	if (known)
		return known;
	if (application_template_load(options->source, name, &template, err) < 0)
		return NULL;
	if ((known = loaded(inventory, template->text)))
		return known;
	inventory->templates = xgrow(inventory->templates, inventory->template_count,
				     &inventory->template_capacity, sizeof(struct template *));
	return inventory->templates[inventory->template_count++] = steal_ptr(template);
}

/* ---- sets of packages ------------------------------------------------------------------------------------------------ */

static struct installed_set *known_set(const struct inventory *inventory,
				       enum package_format format, const struct digest *fingerprint)
{
	for (size_t i = 0; i < inventory->set_count; i++)
		if (inventory->sets[i].format == format &&
		    digest_equal(&inventory->sets[i].fingerprint, fingerprint))
			return inventory->sets[i].set;
	return NULL;
}

/* Equal sets from different files are one. */
static struct installed_set *same_set(const struct inventory *inventory,
				      const struct installed_set *set)
{
	for (size_t i = 0; i < inventory->set_count; i++)
		if (inventory->sets[i].format == set->format &&
		    digest_equal(&inventory->sets[i].set->digest, &set->digest))
			return inventory->sets[i].set;
	return NULL;
}

static const struct installed_set *add_set(struct inventory *inventory,
					   const struct digest *fingerprint,
					   struct installed_set *set)
{
	inventory->sets = xgrow(inventory->sets, inventory->set_count, &inventory->set_capacity,
				sizeof(*inventory->sets));
	inventory->sets[inventory->set_count++] = (struct inventory_set){
		.format = set->format,
		.fingerprint = *fingerprint,
		.set = set,
	};
	return set;
}

static const struct installed_set *take_set(struct inventory *inventory, int tree,
					    enum package_format format, struct error *err)
{
	struct digest fingerprint;

	if (installed_fingerprint(tree, format, &fingerprint, err) < 0)
		return NULL;
	const struct installed_set *known = known_set(inventory, format, &fingerprint);
	if (known)
		return known;
	struct installed_set *set = xcalloc(1, sizeof(*set));
	if (installed_read(tree, format, set, err) < 0) {
		installed_set_release(set);
		free(set);
		return NULL;
	}
	inventory->sets_read++;
	known = same_set(inventory, set);
	if (!known)
		return add_set(inventory, &fingerprint, set);
	installed_set_release(set);
	free(set);
	return known;
}

/* ---- VEs -------------------------------------------------------------------------------------------------------------- */

/* A VE that runs may be read while somebody is at work on it: such a half of a change says nothing. One that does not run is
 * read under its lock. */
static const struct installed_set *take_set_of(const struct inventory_options *options,
					       struct inventory *inventory, unsigned ctid,
					       const struct look *look, enum package_format format,
					       struct error *err)
{
	const struct visit_spec visit = {
		.host = options->host,
		.ctid = ctid,
		.timeout_s = options->timeout_s,
		.report = options->report,
	};
	AUTO(error_clear) struct error why = ERROR_INIT;
	const struct installed_set *set = take_set(inventory, look->tree, format, &why);

	if (set)
		return set;
	if (why.kind == ERROR_PACKAGES && look->running)
		return visit_wait(&visit, err) < 0 ? NULL
						   : take_set(inventory, look->tree, format, err);
	error_move(err, &why);
	return NULL;
}

static int take_ve(const struct inventory_options *options, struct inventory *inventory,
		   struct fleet_ve *ve, struct error *err)
{
	const struct look_spec spec = {
		.host = options->host,
		.ctid = ve->ctid,
		.timeout_s = options->timeout_s,
		.skip_lock = options->skip_lock,
		.report = options->report,
	};
	AUTO(look_release) struct look look = LOOK_INIT;
	int opened = look_into(&spec, &look, err);

	if (look.config.name) {
		ve->name = xstrdup(look.config.name);
		free(ve->title);
		ve->title = xasprintf("%u (%s)", ve->ctid, ve->name);
	}
	if (opened < 0)
		return -1;
	ve->running = look.running;
	application_recorded(&look.config.conf, &ve->applications);
	const struct template *template = take_template(options, inventory, &look.config, err);
	if (!template)
		return -1;
	ve->set = take_set_of(options, inventory, ve->ctid, &look, template->format, err);
	if (!ve->set)
		return -1;
	ve->template = template;
	return 0;
}

static int no_such(struct fleet_ve *ve, struct error *err)
{
	error_set(err, ERROR_NO_VE, "there is no VE \"%s\"", ve->title);
	return error_hint(err, "\"vzlist -a\" lists the VEs and their names");
}

int inventory_take(const struct inventory_options *options, const struct ve_selection *selection,
		   struct inventory *ret, struct error *err)
{
	ret->ves = xcalloc(selection->count + 1, sizeof(*ret->ves));
	report_phase(options->report, "reading VEs", REPORT_ITEMS, selection->count, 5);
	for (size_t i = 0; i < selection->count; i++) {
		const struct ve_choice *choice = &selection->items[i];
		struct fleet_ve *ve = &ret->ves[ret->count++];
		*ve = (struct fleet_ve){
			.ctid = choice->ctid,
			.title = choice->ctid ? xasprintf("%u", choice->ctid)
					      : xstrdup(choice->word),
			.applications = STRVEC_INIT,
			.error = ERROR_INIT,
		};
		if (interrupt_check(err) < 0)
			return -1;
		if (!ve->ctid)
			no_such(ve, &ve->error);
		else if (take_ve(options, ret, ve, &ve->error) < 0)
			ve->template = NULL;
		report_progress(options->report, i + 1, ve->title);
	}
	report_phase_end(options->report);
	return 0;
}
